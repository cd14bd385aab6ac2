"""Plan: everything about a sweep that is decided before anything runs, and how a dry run shows it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from scaling.config import Trial
from scaling.design import Cell, cells, study_name, trial_config, trials, within_limits
from scaling.display import duration
from scaling.errors import SpaceError
from scaling.estimate import estimate
from scaling.memory import GIB
from scaling.prices import Prices, load_datasets
from scaling.space import Space, find_space, load_space


@dataclass(frozen=True)
class Plan:
    """A study as it is to be run."""

    study: str
    folder: Path  # absolute, for workers start elsewhere
    space: Space
    cells: list[Cell]
    trials: list[Trial]
    prices: Prices


def make_plan(
    space_name: str, overrides: Mapping[str, Any], *, results: Path, samples: int | None = None, name: str | None = None
) -> Plan:
    """Read the space, load the data, cost every cell and leave out what exceeds the limits. Nothing is written.

    Args:
        results: folder of all studies.
        samples: cells to draw; None takes all.
        name: of the study; None makes one of the space's and what was overridden.

    Raises:
        ScalingError: a mistake in the space, the data or the limits.
    """
    if samples is not None and samples < 1:
        raise SpaceError(f"--samples {samples}: at least one cell is needed")
    space = load_space(space_name, overrides)
    study = name or study_name(find_space(space_name).stem, space, load_space(space_name), dict(overrides))
    points = cells(space, samples)
    prices = Prices(space, points, load_datasets(space, points))
    points = within_limits(space, points, prices.limited)
    return Plan(study, (results / study).resolve(), space, points, trials(space, study, points), prices)


def in_binary(size: int) -> str:
    """Bytes as GiB, or as MiB where that reads better."""
    return f"{size / GIB:.2f} GiB" if size >= GIB else f"{size / 2**20:.1f} MiB"


def shown(plan: Plan) -> Iterator[RenderableType]:
    """What a dry run shows: the cells with what each costs in each arm, then how long it will all take."""
    space, prices = plan.space, plan.prices
    table = Table(
        title=f"{plan.study}: {len(plan.cells)} cells × {len(space.arm_values)} arms × {space.seeds} seeds"
        f" = {len(plan.trials)} trials"
    )
    for axis in space.axes:
        table.add_column(axis, justify="right")
    table.add_column(space.factor)
    for column in ("params", "MACs", "activations", "training memory"):
        table.add_column(column, justify="right")
    for cell in plan.cells:
        for arm in space.arm_values:
            config = trial_config(space, cell, arm, seed=0)
            cost = prices.of(config)
            numbers = (f"{n:,}" for n in (cost.params, cost.macs, cost.activations))
            table.add_row(*(str(v) for v in cell.values()), str(arm), *numbers, in_binary(prices.memory(config)))
    yield table
    yield (
        "per image: MACs (multiply-accumulates; FLOPs are twice that) and activations of the forward pass;"
        f" memory: predicted for a training step of {space.recipe.batch_size} images in {space.recipe.precision}"
    )
    expected = estimate(plan.trials, prices)
    if expected is None:
        yield "time: one step of the largest model is too long to be timed on this machine"
    else:
        yield (
            f"time: about {expected.seconds / 3600:.2g} device-hours ({duration(expected.seconds)} on one"
            f" {expected.device}), from timing training steps here"
        )
