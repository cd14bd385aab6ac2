"""A trial gets the share of a GPU that its memory needs; one that cannot fit is refused before it starts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.costs.memory import GIB
from scaling.study.config import Resources, Trial, TrialConfig
from scaling.study.errors import CostError
from scaling.sweep.placement import gpu_shares, no_room, refuse_what_cannot_fit

GPU = 80 * GIB


class FakeCostTable:
    """Stands in for `CostTable`: the architecture says how many GiB a step takes."""

    def memory(self, config: TrialConfig, device: str) -> int:
        return int(config.arch["gib"] * GIB)

    def memory_bound(self, config: TrialConfig) -> int:
        return 3 * self.memory(config, "cpu")


def trial(gib: float) -> Trial:
    return Trial(study="s", cell={"gib": float(gib)}, arm="a", config=TrialConfig(family="f", arch={"gib": gib}))


def shares(sizes: list[float], resources: Resources, *, gpus: float = 1, gpu_bytes: int | None = GPU) -> list[float]:
    return gpu_shares([trial(gib) for gib in sizes], resources, gpus, gpu_bytes, FakeCostTable())  # pyright: ignore[reportArgumentType]


@given(st.lists(st.floats(0.001, 60), min_size=1))
def test_trials_that_share_a_gpu_fit_on_it_together(sizes: list[float]) -> None:
    for gib, share in zip(sizes, shares(sizes, Resources()), strict=True):
        assert gib * int(1 / share) <= 80


def test_small_trials_share_a_gpu_and_large_ones_do_not() -> None:
    small, large = shares([0.5, 60], Resources())

    assert small <= 1 / 8
    assert large == 1


def test_without_gpus_trials_take_none() -> None:
    assert shares([1, 500], Resources(), gpus=0) == [0, 0]
    assert shares([1, 500], Resources(gpus=0)) == [0, 0]


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
