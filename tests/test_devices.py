"""Devices: which one is chosen and what it is asked for, with pretended ones where this machine has none."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from scaling import devices
from scaling.devices import CPU, GIB, KINDS, DeviceError, chosen, granted, kind_of
from tests.support import ROOT

PACKAGE = ROOT / "scaling"
MODULES = {"cuda", "mps", "xpu"}  # of torch
PRETENDS = "costs/counting/cuda.py"  # makes CPU tensors look like those of a GPU


class Properties(NamedTuple):
    total_memory: int


class Pretended:
    """Stands in for torch.cuda, torch.xpu or torch.mps; remembers what it was told."""

    def __init__(self, *gib: float) -> None:
        self.sizes = [int(size * GIB) for size in gib]
        self.fraction = 1.0
        self.reserved = self.others = 0
        self.state = torch.zeros(2)
        self.emptied = 0

    def is_available(self) -> bool:
        return bool(self.sizes)

    is_initialized = is_available

    def device_count(self) -> int:
        return len(self.sizes)

    def get_device_name(self, device: torch.device) -> str:
        return "Pretended" if self.sizes else str(1 / 0)

    def get_device_properties(self, device: torch.device) -> Properties:
        return Properties(self.sizes[device.index or 0])

    def mem_get_info(self, device: torch.device) -> tuple[int, int]:
        total = self.sizes[device.index or 0]
        return total - self.reserved - self.others, total

    def memory_reserved(self, device: torch.device) -> int:
        return self.reserved

    def recommended_max_memory(self) -> int:
        return self.sizes[0]

    def set_per_process_memory_fraction(self, fraction: float, device: torch.device | None = None) -> None:
        self.fraction = fraction

    def get_per_process_memory_fraction(self, device: torch.device) -> float:
        return self.fraction

    def get_rng_state(self, *device: torch.device) -> torch.Tensor:
        return self.state

    def set_rng_state(self, state: torch.Tensor, *device: torch.device) -> None:
        self.state = state

    def empty_cache(self) -> None:
        self.emptied += 1


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes this machine one with devices of `kind`, of so many GiB each."""

    def set_up(kind: str, *gib: float) -> Pretended:
        made = Pretended(*gib)
        monkeypatch.setattr(torch, kind, made)
        if kind == "mps":
            monkeypatch.setattr(torch.backends.mps, "is_available", made.is_available)
        return made

    for kind in MODULES:
        set_up(kind)
    return set_up


def test_the_best_device_that_torch_can_use_is_chosen(pretend: Any) -> None:
    assert chosen() == CPU
    for kind in ("mps", "xpu", "cuda"):  # each is preferred to those before it
        pretend(kind, 16)
        assert chosen().type == kind
        assert chosen("cpu") == CPU


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_a_device_that_is_not_there_is_refused(kind: str, pretend: Any) -> None:
    with pytest.raises(
        DeviceError, match=rf"^resources\.device {kind}: torch \S+ finds no such device here \(found: cpu"
    ):
        chosen(kind)
    pretend(kind, 16)
    with pytest.raises(DeviceError, match=r"there are only 1 of them"):
        chosen(f"{kind}:3")
    with pytest.raises(DeviceError, match="whole number"):
        chosen(f"{kind}:x")
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        chosen("tpu")


def test_a_trial_gets_a_gpu_only_if_ray_grants_one(pretend: Any) -> None:
    pretend("cuda", 80)

    assert granted([]) == CPU
    assert granted([1]) == torch.device("cuda")
    assert granted([1], "cuda") == torch.device("cuda")


def test_each_of_several_intel_gpus_is_found_by_its_number(pretend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEAPI_DEVICE_SELECTOR", raising=False)
    pretend("xpu", 16, 16)

    assert granted(["1"]) == torch.device("xpu", 1)
    monkeypatch.setenv("ONEAPI_DEVICE_SELECTOR", "level_zero:1")
    assert granted(["1"]) == torch.device("xpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_granted_gpu_that_torch_cannot_use_is_named() -> None:
    device = granted([0])

    with pytest.raises(DeviceError) as caught:
        devices.refuse_unusable(device)

    (line,) = caught.value.problems
    assert "\n" not in line
    assert line.startswith("the CUDA device was granted, but torch ")
    for part in (torch.__version__, "NVIDIA driver", "cannot use it: ", "resources.device=cpu"):
        assert part in line
    devices.refuse_unusable(CPU)


def test_drivers_are_read_from_their_own_file(tmp_path: Path) -> None:
    file = tmp_path / "version"
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02  Tue Jul 13 16:14:05 UTC 2021\n")

    assert devices._nvidia_driver(file) == "470.57.02"
    assert devices._nvidia_driver(tmp_path / "none") is None


def test_equal_devices_are_named_together(pretend: Any) -> None:
    pretend("cuda", 80, 80, 40)

    assert devices.described(torch.device("cuda")) == "2 × Pretended (80 GiB), 1 × Pretended (40 GiB)"
    assert devices.described(torch.device("cuda:2")) == "1 × Pretended (40 GiB)"
    pretend("mps", 12)
    assert devices.described(torch.device("mps")).endswith(" (12 GiB)")


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_a_share_of_memory_leaves_room_for_the_process(kind: str, pretend: Any) -> None:
    made, device = pretend(kind, 80), torch.device(kind)

    devices.limit_memory(device, 1 / 8)
    assert made.fraction * 80 * GIB == pytest.approx(10 * GIB - KINDS[kind].context)
    devices.limit_memory(device, 1e-4)  # smaller than the process
    assert 0 < made.fraction < 1e-4
    devices.limit_memory(device, 2)  # the next trial of the worker has two GPUs
    assert made.fraction == 1
    devices.limit_memory(CPU, 0.5)


def test_the_room_of_a_process_ends_at_its_limit(pretend: Any) -> None:
    made, device = pretend("cuda", 80), torch.device("cuda")
    assert devices.room_bytes(device) == 80 * GIB

    devices.limit_memory(device, 1 / 8)
    made.reserved = 2 * GIB
    assert devices.room_bytes(device) == pytest.approx(8 * GIB - KINDS["cuda"].context, abs=2)
    made.others = 77 * GIB
    assert devices.room_bytes(device) == 1 * GIB
    assert devices.others_bytes(device) == 77 * GIB


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_random_states_of_every_kind_are_restored(kind: str, pretend: Any) -> None:
    made, device = pretend(kind, 80), torch.device(kind)
    before = torch.get_rng_state()

    with devices.preserved_random_state(device):
        made.set_rng_state(torch.ones(2))
        torch.rand(3)

    assert torch.equal(made.state, torch.zeros(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_caches_of_all_kinds_are_released(pretend: Any) -> None:
    made = [pretend(kind, 16) for kind in sorted(MODULES)]

    devices.release_cached()

    assert [one.emptied for one in made] == [1, 1, 1]


def test_arrays_are_copied_to_where_the_network_is() -> None:
    array = np.arange(6).reshape(2, 3)

    assert torch.equal(devices.copied(array, CPU), torch.from_numpy(array))
    assert devices.side_stream(CPU) is None
    with devices.on_stream(None):
        devices.join_stream(None, torch.ones(2))


def test_every_kind_says_what_it_can_do() -> None:
    assert [name for name, kind in KINDS.items() if not kind.is_accelerator] == ["cpu"]
    assert all(kind.is_accelerator for kind in KINDS.values() if kind.has_streams or kind.has_statistics)
    assert kind_of("cuda:1") is kind_of(torch.device("cuda")) is KINDS["cuda"]


def device_checks(text: str) -> Iterator[str]:
    """Find what tells kinds of devices apart: comparisons with their names, torch's modules of kinds, `is_cuda`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [one for side in sides for one in getattr(side, "elts", [side])]
            if any(isinstance(one, ast.Constant) and one.value in KINDS for one in parts):
                yield ast.unparse(node)
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in MODULES and owner in ("torch", "torch.backends"):
                yield ast.unparse(node)
            if node.attr in ("is_cuda", "is_xpu", "is_mps"):
                yield ast.unparse(node)


# torch.backends.cuda.matmul holds a number format, which every machine has
ALLOWED = {PRETENDS: {"torch.Tensor.is_cuda"}, "training/precision.py": {"torch.backends.cuda"}}


def test_one_module_alone_tells_kinds_apart() -> None:
    found = {
        file.relative_to(PACKAGE).as_posix(): set(device_checks(file.read_text(encoding="utf-8")))
        for file in sorted(PACKAGE.rglob("*.py"))
        if file != PACKAGE / "devices.py"
    }

    assert {name: checks for name, checks in found.items() if checks} == ALLOWED


def test_every_way_of_telling_kinds_apart_is_found() -> None:
    text = 'if d.type == "cuda" or d.type in ("mps", "cpu") or torch.xpu.is_available() or x.is_cuda: pass'

    assert len(list(device_checks(text))) == 4
    assert list(device_checks((PACKAGE / "devices.py").read_text()))
