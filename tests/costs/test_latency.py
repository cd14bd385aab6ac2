"""Latency: what is timed, on a device that is not shared."""

import contextlib
import time

import pytest
import torch
from torch import nn

from scaling.costs import latency, live_tensors
from scaling.costs.latency import busy_cores, free_bytes, largest_batch, measure_latency, refuse_shared
from scaling.costs.live_tensors import Step
from scaling.study.errors import CostError

CPU = torch.device("cpu")


class Sleeper(nn.Module):
    """Takes ten milliseconds a batch, the first time far longer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.calls = 0
        self.modes: set[bool] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.3 if self.calls == 0 else 0.01)
        self.calls += 1
        self.modes.add(self.training)
        return x.mean(dim=(2, 3)) + self.weight


class FlatView(nn.Module):
    """Flattens images that are channels last in memory, without a copy."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


def test_the_median_is_of_warm_runs():
    model = Sleeper().train()

    times = measure_latency(model, 8, step=Step(batch_size=4), seconds=0.1, allow_busy=True)

    assert 0.01 <= times.low_seconds <= times.median_seconds <= times.high_seconds < 0.1
    assert times.images_per_second == 4 / times.median_seconds
    assert times.runs >= 10
    assert times.device.startswith("cpu")
    assert model.modes == {False}
    assert model.training


def test_a_timed_training_step_changes_the_weights():
    model = Sleeper()
    measure_latency(model, 8, step=Step(batch_size=2), seconds=0.01, allow_busy=True)
    assert torch.equal(model.weight, torch.ones(3))

    times = measure_latency(model, 8, step=Step(batch_size=2), training=True, seconds=0.01, allow_busy=True)

    assert times.training
    assert not torch.equal(model.weight, torch.ones(3))


def test_a_device_that_others_use_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(latency, "busy_cores", lambda: 1.7)

    with pytest.raises(CostError, match=r"other processes keep 1\.7 cores busy; wait"):
        measure_latency(Sleeper(), 8, step=Step(batch_size=1))

    monkeypatch.setattr(latency, "busy_cores", lambda: 0.1)
    refuse_shared(CPU)


def test_own_work_is_not_counted_as_others(monkeypatch: pytest.MonkeyPatch):
    clock = iter([100.0, 101.0])
    own = iter([10.0, 10.9])
    monkeypatch.setattr(latency, "_busy_seconds", lambda: next(clock))
    monkeypatch.setattr(time, "process_time", lambda: next(own))
    monkeypatch.setattr(time, "sleep", lambda _: None)

    assert busy_cores(seconds=0.5) == pytest.approx(0.1 / 0.5)


def test_the_largest_batch_fills_the_free_memory(monkeypatch: pytest.MonkeyPatch):
    model = nn.Sequential(FlatView(), nn.Linear(300, 200, bias=False))
    per_image = 4 * (300 + 200) + 8
    monkeypatch.setattr(latency, "free_bytes", lambda device: per_image * 100 / latency.FREE_PART)

    assert largest_batch(model, 10) == 64
    assert largest_batch(model, 10, most=16) == 16

    monkeypatch.setattr(latency, "free_bytes", lambda device: per_image)
    with pytest.raises(CostError, match="one image needs"):
        largest_batch(model, 10)


def test_free_memory_is_reported():
    assert free_bytes(CPU) > 2**20


def test_what_cannot_run_is_one_clear_line():
    with pytest.raises(CostError, match=r"^Linear cannot be run on cpu with 2 images: RuntimeError: [^\n]+$"):
        measure_latency(nn.Linear(7, 2), 8, step=Step(batch_size=2), allow_busy=True)


class Noticing(Sleeper):
    """Notes the memory format of its images and whether factors are rounded."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.formats = (x.is_contiguous(memory_format=torch.channels_last), torch.is_autocast_enabled("cpu"))
        return super().forward(x)


@pytest.mark.parametrize("training", [False, True])
def test_what_is_timed_is_the_program_that_trains(training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def noticed(precision: str, device: torch.device) -> object:
        asked.append((precision, device))
        return contextlib.nullcontext()

    monkeypatch.setattr(latency, "float32_products", noticed)
    model = Noticing()

    measure_latency(model, 8, step=Step(4, "bfloat16"), seconds=0.01, training=training, allow_busy=True)

    assert model.formats == (True, True)
    assert asked == [("bfloat16", CPU)]


def test_measured_memory_is_that_of_the_compiled_step(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[nn.Module] = []

    def compiled(model: nn.Module) -> nn.Module:
        called.append(model)
        return model

    monkeypatch.setattr(live_tensors, "compiled", compiled)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    plain = live_tensors.measured_training_memory(net, 8, 3, Step(2))

    assert called == []
    assert live_tensors.measured_training_memory(net, 8, 3, Step(2, compiled=True)) == plain
    assert called == [net]


def test_a_step_that_cannot_be_compiled_is_measured_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(model: nn.Module) -> object:
        def call(images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no C++ compiler")

        return call

    monkeypatch.setattr(live_tensors, "compiled", broken)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    compiled, plain = (live_tensors.measured_training_memory(net, 8, 3, Step(2, compiled=on)) for on in (True, False))

    assert compiled == plain
