"""Prices: what each cell and arm of a space costs, computed before anything is built or run."""

import json
from collections.abc import Sequence
from typing import Any

import torch

from scaling.config import Trial, TrialConfig
from scaling.counting.quick import cost_all
from scaling.data import Dataset, load_data
from scaling.design import Cell, trial_config
from scaling.live_tensors import Step
from scaling.memory import training_memory_all
from scaling.records import Cost
from scaling.space import Space


def load_datasets(space: Space, points: Sequence[Cell]) -> dict[str, Dataset]:
    """Load every data set that the study's trials name (more than one where an axis varies `data.…`)."""
    configs = {
        config.model_dump_json(): config
        for cell in points
        for arm in space.arm_values
        for config in [trial_config(space, cell, arm, seed=0).data]
    }
    return {key: load_data(config) for key, config in configs.items()}


class Prices:
    """Costs of every cell and arm of a study, on the data that they will see; its memory where that is asked for.

    Raises:
        ModelError: a network that the space describes cannot be built for these data.
        CostError: a count that cannot be trusted.
    """

    def __init__(self, space: Space, points: Sequence[Cell], datasets: dict[str, Dataset]) -> None:
        self.space = space
        self.datasets = datasets
        self._configs = {
            self._name(config): config
            for cell in points
            for arm in space.arm_values
            for config in [trial_config(space, cell, arm, seed=0)]
        }
        self._costs: dict[str, Cost] = {}
        for data_key, data in datasets.items():
            names = [name for name, config in self._configs.items() if config.data.model_dump_json() == data_key]
            archs = [self._configs[name].arch for name in names]
            self._costs |= dict(zip(names, cost_all(space.family, archs, **_seen(data)), strict=True))
        self._memory: dict[tuple[str, str], int] = {}

    def of(self, config: TrialConfig) -> Cost:
        """Cost of a trial's model, for one image."""
        return self._costs[self._name(config)]

    def limited(self, config: TrialConfig, limit: str) -> float:
        """What a trial costs in the unit of one of the space's limits."""
        if limit == "training_memory":
            return self.memory(config, "cuda" if torch.cuda.is_available() else "cpu")
        return getattr(self.of(config), limit)

    def memory(self, config: TrialConfig, device: str = "cpu") -> int:
        """Predicted bytes of the trial's training step at its peak on a `device` of that type."""
        wanted = (self._name(config), device)
        if wanted not in self._memory:
            self._predict(config, device)
        return self._memory[wanted]

    def memory_bound(self, config: TrialConfig) -> int:
        """More bytes than a training step needs, at no effort: a network saves at most about three times as many
        numbers as convolutions and products give out; eight are counted, of four bytes, and the optimiser's state."""
        cost = self.of(config)
        return 16 * cost.params + 8 * 4 * cost.activations * config.recipe.batch_size

    def _predict(self, like: TrialConfig, device: str) -> None:
        """Predict the memory of all that train on the same data under the same recipe, which is faster together."""
        data = self.datasets[like.data.model_dump_json()]
        step = Step(
            batch_size=min(like.recipe.batch_size, len(data.train)),
            precision=like.recipe.precision,
            optimizer=like.recipe.optimizer,
            device=device,
        )
        names = [n for n, config in self._configs.items() if (config.data, config.recipe) == (like.data, like.recipe)]
        archs = [self._configs[name].arch for name in names]
        predicted = training_memory_all(self.space.family, archs, step, **_seen(data))
        self._memory |= {(name, device): size for name, size in zip(names, predicted, strict=True)}

    def work(self, trial: Trial) -> float:
        """Multiply-accumulates of a whole trial, training steps only."""
        data = self.datasets[trial.config.data.model_dump_json()]
        cost = self.of(trial.config)
        return float(cost.training_macs or 3 * cost.macs) * len(data.train) * trial.config.recipe.epochs

    @staticmethod
    def _name(config: TrialConfig) -> str:
        """What a cost depends on: all of the config but the seed."""
        return json.dumps([config.arch, config.data.model_dump(), config.recipe.model_dump()], sort_keys=True)


def _seen(data: Dataset) -> dict[str, Any]:
    """What the data decide of an architecture."""
    return {"image_size": data.image_size, "in_chans": data.channels, "num_classes": data.num_classes}
