"""Prices: what each cell and arm of a space costs, counted before anything runs."""

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from scaling.complexity import measure
from scaling.config import Trial
from scaling.data import Dataset, load_data
from scaling.design import Cell, trial_config
from scaling.models import build_model
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
    """What each cell and arm costs, counted once, before anything runs."""

    def __init__(self, space: Space, datasets: dict[str, Dataset]) -> None:
        self.space = space
        self.datasets = datasets
        self._known: dict[str, Cost] = {}

    def of(self, cell: Cell, arm: Any) -> Cost:
        """Cost of the model that `cell` and `arm` describe, on the data it will see."""
        config = trial_config(self.space, cell, arm, seed=0)
        data = self.datasets[config.data.model_dump_json()]
        key = json.dumps([config.arch, data.image_size, data.num_classes], sort_keys=True)
        if key not in self._known:
            model = build_model(
                config.family,
                **config.arch,
                num_classes=data.num_classes,
                in_chans=data.channels,
                image_size=data.image_size,
                seed=0,
            )
            self._known[key] = measure(model, image_size=data.image_size, in_chans=data.channels)
        return self._known[key]

    def work(self, trial: Trial) -> float:
        """Multiply-accumulates of a whole trial, forward passes only: enough to share out the time that is left."""
        arm = trial.config.arch.get(self.space.factor, trial.arm)
        images = len(self.datasets[trial.config.data.model_dump_json()].train.labels)
        return float(self.of(trial.cell, arm).macs) * images * trial.config.recipe.epochs


def plan_table(name: str, space: Space, points: Sequence[Cell], prices: Prices) -> Table:
    """What a sweep would run, and what each cell costs in each arm."""
    count = len(points) * len(space.arm_values) * space.seeds
    table = Table(
        title=f"{name}: {len(points)} cells × {len(space.arm_values)} arms × {space.seeds} seeds = {count} trials"
    )
    for axis in space.axes:
        table.add_column(axis, justify="right")
    table.add_column(space.factor)
    for column in ("params", "MACs", "activations"):
        table.add_column(column, justify="right")
    for cell in points:
        for arm in space.arm_values:
            cost = prices.of(cell, arm)
            numbers = (f"{n:,}" for n in (cost.params, cost.macs, cost.activations))
            table.add_row(*(str(value) for value in cell.values()), str(arm), *numbers)
    return table
