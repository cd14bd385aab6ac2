"""Continue a study until its verdict is decided, with the cells and seeds that shrink the interval most for their cost.

The variance of the mean difference over C cells with n_i seeds is τ²/C + Σ σ²/n_i / C² (see `statistics.paired`). Each
step takes the addition that lowers it most per multiply-accumulate of training: one more seed of a cell, or a new cell.
Every look at the verdict costs certainty, so looks are few and far between; see `statistics.looks`.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaling.space.design import Cell
from scaling.space.schema import Space
from scaling.statistics.intervals import t_quantile
from scaling.statistics.looks import GROWTH, LOOK_LEVEL, MOST_LOOKS
from scaling.statistics.paired import PairedComparison, compare
from scaling.statistics.verdict import judge
from scaling.study.config import cell_label
from scaling.study.learning_rates import without_rejected
from scaling.study.records import Record, frame
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.proposals import Proposals, Wanted
from scaling.sweep.search.sampling import sample_cells, size_of

OPEN = {"inconclusive", "unknown"}
MOST_NEW = 64  # cells considered as additions in one step


@dataclass(frozen=True)
class Variances:
    """Variances of the arms' difference, in squared percentage points."""

    cell: float  # τ², among cells
    seed: float  # σ², among the seeds of a cell


@dataclass
class RepeatedCell:
    """A cell with its number of repetitions, and the cost of one repetition in all its arms."""

    cell: Cell
    repetitions: int
    cost: float


def until_decided(space: Space, feasibility: Feasibility, base: Proposals) -> Proposals:
    """Propose what `base` does, then more until every comparison is decided, or after `MOST_LOOKS` looks."""
    records: Sequence[Record] = []
    known: dict[str, RepeatedCell] = {}
    try:
        batch = next(base)
        while True:
            _note(known, batch, feasibility)
            records = yield batch
            batch = base.send(records)
    except StopIteration:
        pass
    for _ in range(1, MOST_LOOKS):
        undecided = [c for c in comparisons(space, records) if judge(c.difference, space.search.margin) in OPEN]
        if not undecided:
            return
        complete = set.intersection(*(set(c.cells.index) for c in undecided))
        more = allocate(
            [cell for label, cell in known.items() if label in complete],
            additions(space, feasibility, known),
            max((variances_of(c) for c in undecided), key=lambda s: s.cell + s.seed),
        )
        if not more:
            return
        _note(known, more, feasibility)
        records = yield more


def comparisons(space: Space, records: Sequence[Record]) -> list[PairedComparison]:
    """Compare every arm with the baseline as the report does, at the level of one look."""
    table = frame(without_rejected(records), space.axes)
    arms = [str(arm) for arm in space.arm_values]
    resolution = 100 / max((r.scores.test_examples for r in records if r.scores), default=1)
    return [
        compare(table, arms[0], arm, comparisons=len(arms) - 1, level=LOOK_LEVEL, resolution=resolution)
        for arm in arms[1:]
    ]


def variances_of(comparison: PairedComparison) -> Variances:
    """Variances to plan with; if one seed or one cell cannot separate the two, each gets half."""
    seed, cell = comparison.seed_sd**2, comparison.cell_sd**2
    if math.isfinite(seed) and math.isfinite(cell):
        return Variances(cell, seed)
    if math.isfinite(seed):
        return Variances(seed, seed)
    differences = comparison.cells["difference"].to_numpy()
    whole = float(differences.var(ddof=1)) if len(differences) > 1 else 1.0
    return Variances(whole / 2, whole / 2)


def additions(space: Space, feasibility: Feasibility, known: dict[str, RepeatedCell]) -> list[RepeatedCell]:
    """Cells that could be added: the next points of the evenly spread sequence, within the limits."""
    count = int(min(size_of(space.axes), len(known) + MOST_NEW))
    points = [c for c in sample_cells(space.axes, count, space.search.seed) if cell_label(c) not in known]
    kept = feasibility.feasible(points) if points else []
    return [RepeatedCell(cell, space.repetitions, cost_of(cell, feasibility)) for cell in kept]


def cost_of(cell: Cell, feasibility: Feasibility) -> float:
    """Cost of one seed of a cell, up to a factor: multiply-accumulates of an image in all arms."""
    configs = feasibility.design.configs([cell])
    return float(sum(feasibility.cost_table.of(config).macs for config in configs))


def allocate(known: Sequence[RepeatedCell], new: Sequence[RepeatedCell], variances: Variances) -> list[Wanted]:
    """Choose seeds and cells, one after the other, until there are `GROWTH` times as many pairs.

    Args:
        known: cells that have run in all arms.
        new: cells that could be added, in this order.
    """
    chosen = [RepeatedCell(one.cell, one.repetitions, one.cost) for one in known]
    waiting = list(new)
    pairs = sum(one.repetitions for one in chosen)
    goal = math.ceil(GROWTH * max(1, pairs))
    changed: dict[str, RepeatedCell] = {}
    while pairs < goal:
        best = _best_addition(chosen, waiting[0] if waiting else None, variances)
        if best is None:
            return []
        if waiting and best is waiting[0]:
            chosen.append(waiting.pop(0))
            pairs += best.repetitions
        else:
            best.repetitions += 1
            pairs += 1
        changed[cell_label(best.cell)] = best
    return [Wanted(one.cell, one.repetitions) for one in changed.values()]


def _best_addition(
    chosen: Sequence[RepeatedCell], new: RepeatedCell | None, variances: Variances
) -> RepeatedCell | None:
    """The cell that gains most per cost: a chosen one with one more seed, or the new one with all its seeds."""
    best: tuple[float, RepeatedCell] | None = None
    inverse = sum(1 / one.repetitions for one in chosen)
    now = squared_width(len(chosen), inverse, variances)
    for one in chosen:
        more = inverse - 1 / one.repetitions + 1 / (one.repetitions + 1)
        gain = (now - squared_width(len(chosen), more, variances)) / one.cost
        if best is None or gain > best[0]:
            best = gain, one
    if new is not None:
        wider = squared_width(len(chosen) + 1, inverse + 1 / new.repetitions, variances)
        gain = (now - wider) / (new.cost * new.repetitions)
        if best is None or gain > best[0]:
            best = gain, new
    return best[1] if best else None


def squared_width(cells: int, inverse: float, variances: Variances) -> float:
    """Square of half the interval's expected width, in squared percentage points.

    Args:
        inverse: sum over the cells of 1 / seeds.
    """
    if cells < 2:  # one cell gives no interval; take that of two such cells
        cells, inverse = 2, 2 * inverse or 2.0
    return _squared_quantile(cells) * (variances.cell / cells + variances.seed * inverse / cells**2)


@functools.lru_cache(maxsize=4096)
def _squared_quantile(cells: int) -> float:
    return t_quantile(LOOK_LEVEL, cells - 1) ** 2


def _note(known: dict[str, RepeatedCell], batch: Sequence[Wanted], feasibility: Feasibility) -> None:
    for wanted in batch:
        label = cell_label(wanted.cell)
        known[label] = RepeatedCell(wanted.cell, wanted.repetitions, cost_of(wanted.cell, feasibility))
