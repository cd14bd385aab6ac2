"""Short ways to train and evaluate a classifier on the CPU."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from scaling.data import Dataset
from scaling.study.config import Recipe
from scaling.study.records import Epoch
from scaling.tasks.classification import Classification
from scaling.training.train import fit
from scaling.training.training_run import TrainingRun

CPU = torch.device("cpu")
ON_CPU = TrainingRun(CPU)


class Watched(nn.Module):
    """A network that records its training inputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(x.clone())
        return self.inner(x)


def fit_classifier(
    net: nn.Module, data: Dataset, recipe: Recipe, *, seed: int = 0, average: Any = None, **run: Any
) -> Iterator[Epoch]:
    """Train `net` as `fit` does; `run` holds settings of `TrainingRun`."""
    where = TrainingRun(**{"device": CPU, **run})
    return fit(net, Classification(data, recipe, where), data, recipe, where, seed=seed, average=average)


def timeless(curve: list[Epoch]) -> list[Epoch]:
    """Remove the times, which differ from run to run."""
    times = [name for name in Epoch.model_fields if name.endswith("_seconds")]
    return [epoch.model_copy(update=dict.fromkeys(times)) for epoch in curve]
