"""Until decided: goes on with the cells and seeds that shrink the interval of the arms' difference most for their cost.

The variance of the mean difference over C cells with n_i seeds is τ²/C + Σ σ²/n_i / C² (see `statistics.paired`). Each
step takes what lowers it most for each multiply-accumulate of training: one more seed of a cell, or a new cell. Every
look at the verdict costs certainty, so that looks are few and far between; see `statistics.looks`.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaling.space.design import Cell
from scaling.space.schema import Space
from scaling.statistics.intervals import t_quantile
from scaling.statistics.looks import GROWTH, LOOK_LEVEL, MOST_LOOKS
from scaling.statistics.paired import Comparison, compare
from scaling.statistics.verdict import judge
from scaling.study.config import cell_label
from scaling.study.learning_rates import without_rejected
from scaling.study.records import Record, frame
from scaling.sweep.search.designs.proposals import Proposals, Wanted
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.sampling import sample_cells, size_of

OPEN = {"inconclusive", "unknown"}
MOST_NEW = 64  # cells that are looked at as additions in one step


@dataclass(frozen=True)
class Spread:
    """Variances of the arms' difference, in squared percentage points."""

    cell: float  # τ², among cells
    seed: float  # σ², among the seeds of a cell


@dataclass
class Place:
    """A cell with its seeds, and what one seed of all its arms costs."""

    cell: Cell
    seeds: int
    cost: float


def until_decided(space: Space, feasibility: Feasibility, base: Proposals) -> Proposals:
    """What `base` proposes, then more of it until every comparison is decided, or after `MOST_LOOKS` looks."""
    records: Sequence[Record] = []
    places: dict[str, Place] = {}
    try:
        batch = next(base)
        while True:
            _note(places, batch, feasibility)
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
            [place for label, place in places.items() if label in complete],
            additions(space, feasibility, places),
            max((spread_of(c) for c in undecided), key=lambda s: s.cell + s.seed),
        )
        if not more:
            return
        _note(places, more, feasibility)
        records = yield more


def comparisons(space: Space, records: Sequence[Record]) -> list[Comparison]:
    """Every arm against the baseline, at the level of one look, as the report will compare them."""
    table = frame(without_rejected(records), space.axes)
    arms = [str(arm) for arm in space.arm_values]
    resolution = 100 / max((r.scores.test_examples for r in records if r.scores), default=1)
    return [
        compare(table, arms[0], arm, comparisons=len(arms) - 1, level=LOOK_LEVEL, resolution=resolution)
        for arm in arms[1:]
    ]


def spread_of(comparison: Comparison) -> Spread:
    """Variances to plan with; where one seed or one cell cannot tell the two apart, each is given half."""
    seed, cell = comparison.seed_sd**2, comparison.cell_sd**2
    if math.isfinite(seed) and math.isfinite(cell):
        return Spread(cell, seed)
    if math.isfinite(seed):
        return Spread(seed, seed)
    differences = comparison.cells["difference"].to_numpy()
    whole = float(differences.var(ddof=1)) if len(differences) > 1 else 1.0
    return Spread(whole / 2, whole / 2)


def additions(space: Space, feasibility: Feasibility, places: dict[str, Place]) -> list[Place]:
    """Cells that could be added: further points of the sequence that spreads them evenly, within the limits."""
    count = int(min(size_of(space.axes), len(places) + MOST_NEW))
    points = [c for c in sample_cells(space.axes, count, space.search.seed) if cell_label(c) not in places]
    kept = feasibility.feasible(points) if points else []
    return [Place(cell, space.seeds, cost_of(cell, feasibility)) for cell in kept]


def cost_of(cell: Cell, feasibility: Feasibility) -> float:
    """Multiply-accumulates of an image in all arms: what a seed of the cell costs, up to a factor."""
    design = feasibility.design
    return float(sum(feasibility.cost_table.of(design.config(cell, arm, 0)).macs for arm in design.space.arm_values))


def allocate(known: Sequence[Place], new: Sequence[Place], spread: Spread) -> list[Wanted]:
    """Choose seeds and cells, one after the other, until there are `GROWTH` times as many pairs.

    Args:
        known: cells that have run in all arms.
        new: cells that could be added, in the order in which they would be.
    """
    chosen = [Place(place.cell, place.seeds, place.cost) for place in known]
    waiting = list(new)
    pairs = sum(place.seeds for place in chosen)
    goal = math.ceil(GROWTH * max(1, pairs))
    changed: dict[str, Place] = {}
    while pairs < goal:
        best: tuple[float, Place] | None = None
        inverse = sum(1 / place.seeds for place in chosen)
        now = _squared_width(len(chosen), inverse, spread)
        for place in chosen:
            more = inverse - 1 / place.seeds + 1 / (place.seeds + 1)
            gain = (now - _squared_width(len(chosen), more, spread)) / place.cost
            if best is None or gain > best[0]:
                best = gain, place
        if waiting:
            place = waiting[0]
            wider = _squared_width(len(chosen) + 1, inverse + 1 / place.seeds, spread)
            gain = (now - wider) / (place.cost * place.seeds)
            if best is None or gain > best[0]:
                best = gain, place
        if best is None:
            return []
        place = best[1]
        if waiting and place is waiting[0]:
            chosen.append(waiting.pop(0))
            pairs += place.seeds
        else:
            place.seeds += 1
            pairs += 1
        changed[cell_label(place.cell)] = place
    return [Wanted(place.cell, place.seeds) for place in changed.values()]


def squared_width(places: Sequence[Place], spread: Spread) -> float:
    """Square of half the interval's expected width, in squared percentage points."""
    return _squared_width(len(places), sum(1 / place.seeds for place in places), spread)


def _squared_width(cells: int, inverse: float, spread: Spread) -> float:
    """Likewise, from the number of cells and the sum over them of 1 / seeds."""
    if cells < 2:  # an interval over one cell says nothing of others; as wide as two cells would leave it
        cells, inverse = 2, 2 * inverse or 2.0
    return _squared_quantile(cells) * (spread.cell / cells + spread.seed * inverse / cells**2)


@functools.lru_cache(maxsize=4096)
def _squared_quantile(cells: int) -> float:
    return t_quantile(LOOK_LEVEL, cells - 1) ** 2


def _note(places: dict[str, Place], batch: Sequence[Wanted], feasibility: Feasibility) -> None:
    for wanted in batch:
        label = cell_label(wanted.cell)
        places[label] = Place(wanted.cell, wanted.seeds, cost_of(wanted.cell, feasibility))
