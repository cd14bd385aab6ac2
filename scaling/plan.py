"""Plan: everything about a sweep that is decided before anything runs, and how a dry run shows it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from scaling.config import Trial
from scaling.design import Cell, Design, cells, study_name
from scaling.display import duration
from scaling.errors import SpaceError
from scaling.estimate import estimate
from scaling.memory import GIB
from scaling.prices import Prices, load_datasets, match_arms_of
from scaling.space import Space, find_space, load_space


@dataclass(frozen=True)
class Plan:
    """A study as it is to be run."""

    study: str
    folder: Path  # absolute, for workers start elsewhere
    design: Design
    cells: list[Cell]
    trials: list[Trial]
    prices: Prices

    @property
    def space(self) -> Space:
        return self.design.space


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
    datasets = load_datasets(Design(space).configs(points))
    design = match_arms_of(Design(space), points, datasets)
    prices = Prices(design.configs(points), datasets)
    points = design.within_limits(points, prices.limited)
    planned = design.trials(study, points)
    refuse_twins(planned)
    return Plan(study, (results / study).resolve(), design, points, planned, prices)


def refuse_twins(trials: Sequence[Trial]) -> None:
    """Two trials of a study must not be the same run: it would be recorded once, and one of them be missing.

    Raises:
        SpaceError: names the first two.
    """
    seen: dict[str, Trial] = {}
    for trial in trials:
        if (twin := seen.setdefault(trial.key, trial)) is not trial:
            raise SpaceError(
                f"'{twin.label}' and '{trial.label}' are the same run; put the values of the axes further apart"
            )


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
    if space.match:
        table.add_column(f"{space.match.vary} at equal {space.match.cost}", justify="right")
    for column in ("params", "MACs", "activations", "training memory"):
        table.add_column(column, justify="right")
    for cell in plan.cells:
        for arm in space.arm_values:
            config = plan.design.config(cell, arm, 0)
            cost = prices.of(config)
            numbers = (f"{n:,}" for n in (cost.params, cost.macs, cost.activations))
            matched = [str(config.arch[space.match.vary])] if space.match else []
            varied = [*(str(value) for value in cell.values()), str(arm), *matched]
            table.add_row(*varied, *numbers, in_binary(prices.memory(config)))
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
