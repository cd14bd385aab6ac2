"""The estimate of a dry run, on a device that others may use too."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from scaling.costs.cost_table import CostTable, load_datasets
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.sweep import estimate as module
from scaling.sweep.estimate import estimate

CPU = torch.device("cpu")
DATA = DataConfig(source="digits", train_limit=200)


def trials() -> list[Trial]:
    recipe = Recipe(epochs=1, batch_size=64, precision="tf32")
    archs: Sequence[dict[str, Any]] = [{"patch_size": 2, "width": 16, "depth": depth} for depth in (1, 3)]
    configs = [TrialConfig(family="patchconvnet", arch=arch, data=DATA, recipe=recipe) for arch in archs]
    return [Trial(study="s", cell=c.arch, arm="a", config=c) for c in configs]


def costs_of(planned: Sequence[Trial]) -> CostTable:
    return CostTable([trial.config for trial in planned], load_datasets([DATA]))


def memory_for(images: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let steps of more than `images` run out of memory; return the sizes that were tried."""
    tried: list[int] = []

    def step(model: Any, batch: torch.Tensor, labels: torch.Tensor, how: Any) -> Any:
        tried.append(len(batch))
        assert batch.is_contiguous(memory_format=torch.channels_last)
        if len(batch) > images:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return lambda: None

    monkeypatch.setattr(module, "training_step", step)
    return tried


def test_smaller_batches_are_timed_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = memory_for(20, monkeypatch)

    planned = trials()
    found = estimate(planned, costs_of(planned), CPU)

    assert found is not None
    assert tried == [64, 32, 16] * 2


def test_without_memory_for_one_image_the_time_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    memory_for(0, monkeypatch)

    planned = trials()
    assert estimate(planned, costs_of(planned), CPU) is None


def test_other_trouble_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("a mistake of the program")

    monkeypatch.setattr(module, "training_step", broken)
    planned = trials()
    with pytest.raises(ValueError, match="a mistake"):
        estimate(planned, costs_of(planned), CPU)


def test_the_estimate_multiplies_like_training(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Context:
        def __init__(self, precision: str, device: torch.device) -> None:
            asked.append((precision, device))

        def __enter__(self) -> None: ...
        def __exit__(self, *_: Any) -> None: ...

    monkeypatch.setattr(module, "float32_products", Context)
    planned = trials()
    assert estimate(planned, costs_of(planned), CPU) is not None

    assert asked == [("tf32", CPU)] * 2
