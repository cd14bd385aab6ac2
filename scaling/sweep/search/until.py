"""Continue a study until its verdict is decided, with the runs that shrink its interval most for their cost.

The variance of the mean difference HERE, over C cells with n_i repetitions, is σ² Σ 1/n_i / C² (`statistics.here`);
where nothing is repeated, the scatter τ² of the cells stands beside it: τ²/C. Each step takes the addition that lowers
the squared width of the interval most per multiply-accumulate of training: one more repetition of a cell, or a new
cell.
Every look at the verdict costs certainty, so looks are few and far between; see `statistics.looks`.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaling.space.design import Cell
from scaling.space.schema import Space
from scaling.statistics.comparison import Assessment, assess, settings_at
from scaling.statistics.estimates import t_quantile
from scaling.statistics.further_runs import LookRule
from scaling.statistics.kinds import Kind
from scaling.statistics.looks import GROWTH, LOOK_LEVEL, MOST_LOOKS
from scaling.statistics.score_table import score_table
from scaling.study.config import cell_label
from scaling.study.learning_rates import scored
from scaling.study.records import Record, Seeding
from scaling.study.trial_frame import frame
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.proposals import Proposals, Wanted
from scaling.sweep.search.sampling import sample_cells, size_of

OPEN = {Kind.INCONCLUSIVE, Kind.UNKNOWN}
MOST_NEW = 64  # cells considered as additions in one step


@dataclass(frozen=True)
class Variances:
    """Variances of the arms' difference, in squared percentage points."""

    cell: float  # τ², among cells; 0 where the repetitions alone make the interval
    repetition: float  # σ², among the repetitions of a cell


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
    for look in range(1, MOST_LOOKS):
        found = assessments(space, records, look, feasibility.design.seeding)
        undecided = [one for one in found if one.kind in OPEN]
        if not undecided:
            return
        complete = set.intersection(*map(paired_cells, undecided))
        more = allocate(
            [cell for label, cell in known.items() if label in complete],
            additions(space, feasibility, known),
            max((variances_of(one) for one in undecided), key=lambda s: s.cell + s.repetition),
        )
        if not more:
            return
        _note(known, more, feasibility)
        records = yield more


def assessments(space: Space, records: Sequence[Record], look: int, seeding: Seeding) -> list[Assessment]:
    """Compare every other arm with the baseline as the report does, at the level of this look."""
    judged = scored(records, space.tune.choose_by if space.tune else 0)
    ended = [record for record in judged if record.status != "stopped"]
    arms, is_shared = [str(arm) for arm in space.arm_values], seeding == "shared"
    table = score_table(frame(ended, space.axes), arms, axes=list(space.axes), shared_seeds=is_shared)
    settings = settings_at(
        look,
        LookRule.UNTIL_DECIDED,
        margin=space.search.margin,
        contrasts=len(arms) - 1,
        images=min((r.scores.test_examples for r in ended if r.scores and r.scores.test_examples), default=None),
        shared_seeds=is_shared,
    )
    return [assess(table.contrast(arms[0], arm), settings) for arm in arms[1:]]


def paired_cells(found: Assessment) -> set[str]:
    """Labels of the cells that have a pair."""
    return set(found.estimate.differences.names) if found.estimate else set()


def variances_of(found: Assessment) -> Variances:
    """Variances to plan with; where one repetition a cell cannot separate the two, each gets half."""
    if found.estimate is None:
        return Variances(0.5, 0.5)
    cells = found.estimate.cells
    if cells.is_repeated:
        return Variances(0.0, float((cells.freedom * cells.variance).sum() / cells.freedom.sum()))
    whole = float(cells.mean.var(ddof=1)) if len(cells.mean) > 1 else 1.0
    return Variances(whole / 2, whole / 2)


def additions(space: Space, feasibility: Feasibility, known: dict[str, RepeatedCell]) -> list[RepeatedCell]:
    """Cells that could be added: the next points of the evenly spread sequence, within the limits."""
    count = int(min(size_of(space.axes), len(known) + MOST_NEW))
    points = [c for c in sample_cells(space.axes, count, space.search.seed) if cell_label(c) not in known]
    kept = feasibility.feasible(points) if points else []
    return [RepeatedCell(cell, space.repetitions, cost_of(cell, feasibility)) for cell in kept]


def cost_of(cell: Cell, feasibility: Feasibility) -> float:
    """Cost of one repetition of a cell, up to a factor: multiply-accumulates of an image in all arms."""
    configs = feasibility.design.configs([cell])
    return float(sum(feasibility.cost_table.of(config).macs for config in configs))


def allocate(known: Sequence[RepeatedCell], new: Sequence[RepeatedCell], variances: Variances) -> list[Wanted]:
    """Choose repetitions and cells, one after the other, until there are `GROWTH` times as many pairs.

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
    """The cell that gains most per cost: a chosen one with one more repetition, or the new one with all of its own."""
    best: tuple[float, RepeatedCell] | None = None
    cells, pairs = len(chosen), sum(one.repetitions for one in chosen)
    inverse = sum(1 / one.repetitions for one in chosen)
    now = squared_width(cells, pairs, inverse, variances)
    for one in chosen:
        more = inverse - 1 / one.repetitions + 1 / (one.repetitions + 1)
        gain = (now - squared_width(cells, pairs + 1, more, variances)) / one.cost
        if best is None or gain > best[0]:
            best = gain, one
    if new is not None:
        wider = squared_width(cells + 1, pairs + new.repetitions, inverse + 1 / new.repetitions, variances)
        gain = (now - wider) / (new.cost * new.repetitions)
        if best is None or gain > best[0]:
            best = gain, new
    return best[1] if best else None


def squared_width(cells: int, pairs: int, inverse: float, variances: Variances) -> float:
    """Square of half the interval's expected width, in squared percentage points.

    Args:
        pairs: of all cells together.
        inverse: sum over the cells of 1 / repetitions.
    """
    if cells < 1:  # there is no interval yet; take that of one such cell
        cells, pairs, inverse = 1, 1, 1.0
    freedom = pairs - cells
    if variances.cell > 0:
        if cells < 2:  # one cell tells nothing of the scatter of cells; take that of two such cells
            cells, inverse = 2, 2 * inverse
        freedom = cells - 1
    spread = variances.cell / cells + variances.repetition * inverse / cells**2
    return _squared_quantile(max(1, freedom)) * spread


@functools.lru_cache(maxsize=4096)
def _squared_quantile(freedom: int) -> float:
    return t_quantile(LOOK_LEVEL, freedom) ** 2


def _note(known: dict[str, RepeatedCell], batch: Sequence[Wanted], feasibility: Feasibility) -> None:
    for wanted in batch:
        label = cell_label(wanted.cell)
        known[label] = RepeatedCell(wanted.cell, wanted.repetitions, cost_of(wanted.cell, feasibility))
