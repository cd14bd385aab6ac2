"""A trial gets the share of a GPU that its memory needs; one that cannot fit is refused before it starts."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scaling.costs.memory import GIB
from scaling.devices import CPU, KINDS, DeviceError
from scaling.study.config import Resources, Trial, TrialConfig
from scaling.study.errors import CostError, SpaceError
from scaling.sweep import placement
from scaling.sweep.placement import (
    Accelerator,
    accelerator,
    gpu_shares,
    local_device,
    no_room,
    refuse_contradiction,
    refuse_unknown_gpus,
    refuse_what_cannot_fit,
)

GPU = 80 * GIB


class FakeCostTable:
    """Stands in for `CostTable`: the architecture says how many GiB a step takes, and how many the images."""

    def memory(self, config: TrialConfig, device: str) -> int:
        return int(config.arch["gib"] * GIB)

    def memory_bound(self, config: TrialConfig) -> int:
        return 3 * self.memory(config, "cpu")

    def process_memory(self, config: TrialConfig, device: str, device_bytes: int) -> int:
        return self.memory(config, device) + int(config.arch["images"] * GIB)

    def process_bound(self, config: TrialConfig, device_bytes: int) -> int:
        return 3 * self.process_memory(config, "cuda", device_bytes)


def trial(gib: float, images: float = 0.0) -> Trial:
    arch = {"gib": gib, "images": images}
    return Trial(study="s", cell={"gib": float(gib)}, arm="a", config=TrialConfig(family="f", arch=arch))


def shares(
    sizes: list[float],
    resources: Resources,
    *,
    gpus: float = 1,
    gpu_bytes: int | None = GPU,
    images: float = 0.0,
) -> list[float]:
    trials, on, table = [trial(gib, images) for gib in sizes], Accelerator("cuda", gpu_bytes), FakeCostTable()
    return gpu_shares(trials, resources, gpus, on, table)  # pyright: ignore[reportArgumentType]


@given(st.lists(st.floats(0.001, 60), min_size=1), st.floats(0, 5))
def test_trials_that_share_a_gpu_fit_on_it_together(sizes: list[float], images: float) -> None:
    for gib, share in zip(sizes, shares(sizes, Resources(), images=images), strict=True):
        beside = KINDS["cuda"].context / GIB
        assert (gib + images + beside) * round(1 / share) <= 80


@pytest.mark.parametrize(("gpu", "step", "images"), [(24, 1, 3), (80, 4, 3.9), (16, 0.3, 0.25)])
def test_images_on_the_gpu_count_for_every_trial(gpu: float, step: float, images: float) -> None:
    (share,) = shares([step], Resources(), gpu_bytes=int(gpu * GIB), images=images)

    assert (step + images) * round(1 / share) <= gpu


def test_small_trials_share_a_gpu_and_large_ones_do_not() -> None:
    small, large = shares([0.5, 60], Resources())

    assert small <= 1 / 8
    assert large == 1


def test_without_gpus_trials_take_none() -> None:
    assert shares([1, 500], Resources(), gpus=0) == [0, 0]
    assert shares([1, 500], Resources(gpus=0)) == [0, 0]
    assert shares([1, 500], Resources(device="cpu")) == [0, 0]


def test_gpus_that_a_space_wants_are_asked_for_early() -> None:
    assert shares([1], Resources(gpus=1), gpus=0, gpu_bytes=None) == [1]
    assert shares([1], Resources(device="cuda"), gpus=0, gpu_bytes=None) == [1]


def test_a_gpu_of_unknown_memory_is_not_shared() -> None:
    assert shares([1], Resources(), gpu_bytes=None) == [1]
    assert shares([1], Resources(gpus=0.25), gpu_bytes=None) == [0.25]


def test_trials_that_cannot_fit_are_refused() -> None:
    with pytest.raises(CostError) as caught:
        shares([1, 100, 200], Resources())

    assert [problem.split(":")[0] for problem in caught.value.problems] == ["gib=100 a", "gib=200 a"]
    with pytest.raises(CostError, match=r"gib=30 a: resources\.gpus 0\.1 is too little; it needs 0\.5 of a GPU"):
        shares([1, 30], Resources(gpus=0.1))


def test_trials_that_exceed_main_memory_are_refused() -> None:
    refuse_what_cannot_fit([trial(1), trial(15)], 16 * GIB, FakeCostTable())  # pyright: ignore[reportArgumentType]

    with pytest.raises(CostError, match=r"^gib=17 a: a training step needs about 17 GiB, this machine has 16 GiB; "):
        refuse_what_cannot_fit([trial(1), trial(17)], 16 * GIB, FakeCostTable())  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("cpus", "gpus", "said"),
    [
        (2, 1, None),
        (2.5, 0, "resources.cpus 2.5 is more than the 2 available cores"),
        (64, 1, "resources.cpus 64 is more than the 2 available cores"),
        (1, 4, "resources.gpus 4 is more than the 1 available GPUs"),
    ],
)
def test_a_trial_larger_than_the_machine_is_refused(cpus: float, gpus: float, said: str | None) -> None:
    assert no_room(Resources(cpus=cpus), gpus, 2, 1) == said


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes this machine one with devices of a kind, of so many GiB each."""

    def set_up(kind: str, *gib: float) -> None:
        monkeypatch.setattr(placement, "chosen", lambda wanted: torch.device(wanted or kind))
        monkeypatch.setattr(placement, "each", lambda device: [torch.device(kind, i) for i in range(len(gib))])
        monkeypatch.setattr(placement, "total_bytes", lambda device: int(gib[device.index] * GIB))
        monkeypatch.setattr(placement, "described", lambda device: f"{len(gib)} × {kind}")

    return set_up


def test_of_gpus_of_different_sizes_the_smallest_counts(pretend: Any) -> None:
    pretend("cuda", 80, 24)

    assert accelerator(local_device(Resources(), gpus=2)) == Accelerator("cuda", 24 * GIB)
    assert accelerator(CPU) is None


def test_an_explicit_gpu_that_is_not_there_is_refused(pretend: Any) -> None:
    pretend("cpu")

    assert local_device(Resources(), gpus=0) == CPU
    assert local_device(Resources(gpus=0), gpus=0) == CPU
    with pytest.raises(SpaceError, match=r"^resources\.gpus 1: this machine has no GPU that torch can use; leave gpus"):
        local_device(Resources(gpus=1), gpus=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_ray_alone_sees_is_refused(pretend: Any) -> None:
    pretend("cpu")

    with pytest.raises(DeviceError, match=r"was granted, but torch .* cannot use it"):
        local_device(Resources(), gpus=1)
    assert local_device(Resources(device="cpu"), gpus=1) == CPU
    assert local_device(Resources(gpus=0), gpus=1) == CPU


def test_laptops_use_their_gpus_unless_told_otherwise(pretend: Any) -> None:
    pretend("mps", 12)

    assert local_device(Resources(), gpus=1) == torch.device("mps")
    assert local_device(Resources(device="cpu"), gpus=1) == CPU
    with pytest.raises(SpaceError, match="several workers train together on CUDA's GPUs or on the CPU, not on mps"):
        local_device(Resources(workers=2), gpus=1)
    with pytest.raises(SpaceError, match="Ray finds no GPU"):
        local_device(Resources(), gpus=0)


def test_a_cluster_without_gpus_or_cores_is_not_guessed_about() -> None:
    for decided in (Resources(gpus=1), Resources(gpus=0), Resources(device="cpu"), Resources(device="cuda")):
        refuse_unknown_gpus(decided, 0, 0)
    refuse_unknown_gpus(Resources(), 4, 0)
    refuse_unknown_gpus(Resources(), 0, 2)

    with pytest.raises(SpaceError, match=r"^no GPU is known in the cluster yet, .* set resources\.gpus=1 to wait for"):
        refuse_unknown_gpus(Resources(), 0, 0)


def test_a_device_and_gpus_that_exclude_each_other_are_refused() -> None:
    for allowed in (Resources(), Resources(gpus=1), Resources(gpus=0, device="cpu"), Resources(gpus=2, device="cuda")):
        refuse_contradiction(allowed)
    with pytest.raises(SpaceError, match="gpus 1 and device cpu exclude each other"):
        refuse_contradiction(Resources(gpus=1, device="cpu"))
    with pytest.raises(SpaceError, match="gpus 0 and device cuda exclude each other"):
        refuse_contradiction(Resources(gpus=0, device="cuda"))
