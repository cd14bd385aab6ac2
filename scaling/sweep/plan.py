"""Plan: everything about a sweep that is decided before anything runs, and the output of a dry run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from rich.console import RenderableType
from rich.table import Table

from scaling.console import duration
from scaling.costs.cost_table import CostTable, load_datasets
from scaling.costs.memory import GIB
from scaling.devices import DeviceError, chosen
from scaling.space.design import Cell, Design, data_configs, study_name
from scaling.space.load import find_space, load_space, written_out
from scaling.space.schema import Match, Space
from scaling.space.search_settings import DESIGNS
from scaling.space.yaml_source import SpaceFile
from scaling.study.config import Trial, TrialConfig, cell_label
from scaling.study.errors import ScalingError, SpaceError
from scaling.study.metrics import METRICS, Use, counted_costs, si
from scaling.study.records import Record
from scaling.study.storage import Where
from scaling.study.training_compute import EPOCHS, TRAINING_COMPUTE, petaflops
from scaling.sweep.estimate import estimate
from scaling.sweep.placement import refuse_contradiction
from scaling.sweep.search.cell_run import at_all_rates
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.propose import propose
from scaling.sweep.search.trial_queue import TrialQueue
from scaling.sweep.study_data import as_spelled_there, earlier_keys
from scaling.sweep.study_folder import begun, seeding_in
from scaling.wording import plural, points

HEADINGS = {"params": "params"}  # of the table of a plan, where a metric's title is too long


@dataclass(frozen=True)
class StudyPlan:
    """A study that is ready to run."""

    study: str
    folder: Where  # absolute, because workers start in another folder
    feasibility: Feasibility
    cells: list[Cell]  # known before the start: all, or the first batch of a design that looks at results
    trials: list[Trial]  # known before the start
    notes: Sequence[str] = ()  # on its data, one line each

    @property
    def space(self) -> Space:
        return self.design.space

    @property
    def design(self) -> Design:
        return self.feasibility.design

    @property
    def cost_table(self) -> CostTable:
        return self.feasibility.cost_table

    def queue(self, settled: Mapping[str, Record]) -> TrialQueue:
        """Make the trial queue, given the records of trials that need not run again."""
        proposals = propose(self.space, self.feasibility)
        return TrialQueue(self.study, self.feasibility, proposals, settled, self.space.budget)


def make_plan(
    space_name: str,
    overrides: Mapping[str, Any],
    *,
    results: Where,
    samples: int | None = None,
    name: str | None = None,
) -> StudyPlan:
    """Read the space, load the data, compute the costs and drop cells above the limits. Writes nothing.

    Args:
        results: folder of all studies.
        samples: number of cells, in place of the space's `search.cells`.
        name: of the study; None makes one from the space's name and the overrides.

    Raises:
        ScalingError: a mistake in the space, the data or the limits.
    """
    if samples is not None and samples < 1:
        raise SpaceError(f"--samples {samples}: at least one cell is needed")
    sampled = {"search.cells": samples} if samples is not None else {}
    space = load_space(space_name, {**overrides, **sampled})
    refuse_contradiction(space.resources)
    study = name or study_name(find_space(space_name).stem, space, load_space(space_name), dict(overrides))
    folder = (results / study).resolve()
    before = begun(folder)
    space, datasets, notes = as_spelled_there(space, load_datasets(data_configs(space)), before)
    feasibility = Feasibility(space, datasets, seeding_in(folder), earlier_keys(folder, before))
    known = list(TrialQueue(study, feasibility, propose(space, feasibility), {}).planned.values())
    points = list({cell_label(trial.cell): trial.cell for trial in known}.values())
    return StudyPlan(study, folder, feasibility, points, known, notes)


def intended_name(space_name: str, overrides: Mapping[str, Any]) -> str | None:
    """Name of the study of a space, without looking up the names in it; None if its form is invalid."""
    try:
        source = SpaceFile.read(find_space(space_name))
        original, asked = (
            Space.model_validate(written_out(read)) for read in (source, source.override(dict(overrides)))
        )
    except (ScalingError, ValidationError):
        return None
    return study_name(find_space(space_name).stem, asked, original, dict(overrides))


def in_binary(size: int) -> str:
    """Format bytes as GiB, or below that as MiB."""
    return f"{size / GIB:.2f} GiB" if size >= GIB else f"{size / 2**20:.1f} MiB"


def extent(plan: StudyPlan) -> str:
    """Describe the size of a study in one line."""
    space = plan.space
    tune, stop = space.tune, space.search.stop
    models = len(plan.cells) * len(space.arm_values)
    product = f"{len(plan.cells)} cells × {len(space.arm_values)} arms"
    if tune is not None:
        scored = space.repetitions - tune.choose_by
        chosen_by = f" × {plural(tune.choose_by, 'repetition')}" if tune.choose_by > 1 else ""
        text = (
            f"{product} × {tune.lr} learning rates{chosen_by} to choose one, then {plural(scored, 'repetition')} at it"
        )
        text += f" = {models * (tune.lr * tune.choose_by + scored)} trials"
    else:
        text = f"{product} × {plural(space.repetitions, 'repetition')} = {models * space.repetitions} trials"
    if DESIGNS[space.search.design].searches:
        text = f"{text} at first; {space.search.design} proposes up to {space.search.cells} cells"
    if stop is not None:
        text += f", unless {stop.rule} stops their cells"
    if space.search.until is not None:
        text += ", then more until the verdict is decided"
    return text


def expected(plan: StudyPlan) -> list[Trial]:
    """Trials that the plan counts on: with a learning-rate grid also those that wait for its choice, at the middle."""
    tune = plan.space.tune
    if tune is None:
        return plan.trials
    design = plan.design
    choosing, scored = range(tune.choose_by), range(tune.choose_by, plan.space.repetitions)
    return [
        trial
        for cell in plan.cells
        for arm in plan.space.arm_values
        for trial in (
            *(one for r in choosing for one in at_all_rates(design, plan.study, cell, arm, r)),
            *(design.trial(plan.study, cell, arm, r) for r in scored),
        )
    ]


def _matched(config: TrialConfig, match: Match, gap: float) -> str:
    """The value that makes an arm cost what the baseline costs, of epochs with what remains of the difference."""
    if match.vary != EPOCHS:
        return str(config.arch[match.vary])
    return f"{config.recipe.epochs} ({points(100 * gap, signed=True, decimals=1)} %)"


def data_lines(plan: StudyPlan) -> Iterator[str]:
    """Describe each data set of the plan in a few lines, then what the study says of its data; each line once."""
    lines: dict[str, None] = {}
    for config, data in plan.cost_table.datasets.items():
        if data.content and data.content.summary:
            first, *rest = data.content.summary.lines()
            lines |= dict.fromkeys([f"{config.source}: {first}", *rest])
    yield from (f"data: {line}" for line in (*lines, *plan.notes))


def shown(plan: StudyPlan) -> Iterator[RenderableType]:
    """Show a plan: the data, the costs of each cell and arm, then the expected time."""
    space, cost_table = plan.space, plan.cost_table
    kind = space.resources.device or chosen().type  # which this machine may lack, as the head of a cluster does
    yield from data_lines(plan)
    table = Table(title=f"{plan.study}: {extent(plan)}")
    for axis in space.axes:
        table.add_column(axis, justify="right")
    table.add_column(space.factor)
    if space.match:
        table.add_column(f"{space.match.vary} at equal {space.match.cost}", justify="right")
    costs = [name for name in counted_costs() if METRICS[name].use >= Use.ANALYSIS]
    titles = [HEADINGS.get(name, METRICS[name].title) for name in (*costs, TRAINING_COMPUTE)]
    for column in (*titles, "training memory"):
        table.add_column(column, justify="right")
    for cell in plan.cells:
        target = cost_table.training_compute(plan.design.config(cell, space.arm_values[0], 0))
        for arm in space.arm_values:
            config = plan.design.config(cell, arm, 0)
            numbers = (f"{cost_table.limited(config, name):,}" for name in costs)
            compute = cost_table.training_compute(config)
            matched = [_matched(config, space.match, compute / target - 1)] if space.match else []
            varied = [*(str(value) for value in cell.values()), str(arm), *matched]
            table.add_row(
                *varied,
                *numbers,
                METRICS[TRAINING_COMPUTE].number(compute),
                in_binary(cost_table.memory(config, kind)),
            )
    yield table
    yield (
        "per image: MACs (multiply-accumulates; FLOPs are twice that) and activations of the forward pass;"
        f" memory: predicted for a training step of {space.recipe.batch_size} images in {space.recipe.precision} on"
        f" {kind.upper()}"
    )
    trials = expected(plan)
    whole = sum(cost_table.training_compute(trial.config) for trial in trials)
    yield (
        f"training compute: MACs of all training steps of one trial; all {len(trials)} trials together"
        f" {METRICS[TRAINING_COMPUTE].text(whole)}, {si(petaflops(whole))} PFLOPs"
    )
    try:
        estimated = estimate(trials, cost_table, chosen(space.resources.device))
    except DeviceError as missing:
        yield f"time: unknown; {missing}"
        return
    if estimated is None:
        yield "time: unknown; one step of the largest model takes too long, or too much memory, to time on this machine"
    else:
        yield (
            f"time: about {estimated.seconds / 3600:.2g} device-hours ({duration(estimated.seconds)} on one"
            f" {estimated.device}), estimated from uncompiled training steps timed here"
        )
