"""Mistakes: which test images models get wrong, and how far these are the same images."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.trial_scores import TrialScores, collect, places
from scaling.report.analysis.trial_table import is_usable
from scaling.statistics.overlap import NO_OVERLAP, Overlap, count_pairs
from scaling.study.metrics import main_cost

ARMS, SIZES, RUNS = "two arms", "smallest and largest", "two runs"  # whose mistakes are compared
MOST_CELLS = 400  # that arms and runs are compared in; of more, evenly spread ones
Pairs = tuple[np.ndarray, np.ndarray]  # rows of the first and of the second trials


@dataclass(frozen=True)
class MistakeOverlap:
    """Overlap of the mistakes of two groups of trials."""

    between: str
    one: str  # arm
    other: str
    cell: str  # or that of the first one
    other_cell: str
    overlap: Overlap


@dataclass(frozen=True)
class Mistakes:
    """All overlaps of a study; empty where trials do not record which images they got right."""

    overlaps: list[MistakeOverlap]
    images: int  # that are looked at: all of the test set, or an even sample
    cells: int  # in which arms and runs are compared: all, or an even sample

    def of(self, between: str) -> list[MistakeOverlap]:
        return [one for one in self.overlaps if one.between == between]


def mistakes_of(analysis: Analysis) -> Mistakes:
    """Compare the mistakes of each arm and the baseline in the same cells, of an arm's sizes, and of its runs.

    Arms of a cell are compared repetition by repetition, as these are pairs; an arm's sizes and its runs in all pairs
    of repetitions. `NO_OVERLAP` stands where no pair makes a mistake.
    """
    trials = collect(analysis.table, is_usable(analysis.table), analysis.records, analysis.arms)
    if trials.bits is None:
        return Mistakes([], 0, 0)
    rows = _rows(trials)
    sample = np.unique(np.linspace(0, len(trials.cells) - 1, MOST_CELLS).round().astype(int))  # bits are of some trial
    sampled = rows.take(np.flatnonzero(np.isin(rows["cell"].to_numpy(dtype=int), sample)))
    arms = range(len(trials.arms))
    found = [
        *(_between_arms(trials, sampled, arm) for arm in arms[1:]),
        *(_between_sizes(trials, rows, arm, _by_cost(analysis, trials, arm)) for arm in arms),
        *(_between_runs(trials, sampled, arm) for arm in arms),
    ]
    return Mistakes(list(itertools.chain.from_iterable(found)), trials.bits.kept, len(sample))


def _rows(trials: TrialScores) -> pd.DataFrame:
    """Row of each trial by cell and arm, each a place, and repetition; of two records of one trial the last."""
    table = pd.DataFrame({"cell": trials.cell, "arm": trials.arm, "repetition": trials.repetition})
    return table.assign(row=np.arange(len(table))).drop_duplicates(["cell", "arm", "repetition"], keep="last")


def _between_arms(trials: TrialScores, rows: pd.DataFrame, arm: int) -> Iterator[MistakeOverlap]:
    sides = [rows[rows["arm"] == place].set_index(["cell", "repetition"])["row"] for place in (0, arm)]
    both = pd.concat(sides, axis=1, join="inner", keys=["one", "other"])
    cells = both.index.get_level_values("cell").to_numpy(dtype=int)
    pairs = both["one"].to_numpy(dtype=int), both["other"].to_numpy(dtype=int)
    names = trials.arms[0], trials.arms[arm]
    for cell, overlap in _by_group(trials, pairs, cells):
        yield MistakeOverlap(ARMS, *names, trials.cells[cell], trials.cells[cell], overlap)


def _between_runs(trials: TrialScores, rows: pd.DataFrame, arm: int) -> Iterator[MistakeOverlap]:
    of_arm = rows[rows["arm"] == arm]
    pairs: list[tuple[int, int]] = []
    cells: list[int] = []
    for cell, group in of_arm.groupby("cell", sort=True)["row"]:
        own = list(itertools.combinations(group.tolist(), 2))
        pairs += own
        cells += [int(str(cell))] * len(own)
    chosen = np.array(pairs, dtype=int).reshape(-1, 2)
    name = trials.arms[arm]
    for cell, overlap in _by_group(trials, (chosen[:, 0], chosen[:, 1]), np.array(cells, dtype=int)):
        yield MistakeOverlap(RUNS, name, name, trials.cells[cell], trials.cells[cell], overlap)


def _between_sizes(trials: TrialScores, rows: pd.DataFrame, arm: int, by_cost: list[int]) -> Iterator[MistakeOverlap]:
    if len(by_cost) < 2:
        return
    ends = by_cost[0], by_cost[-1]
    of_arm = rows[rows["arm"] == arm]
    small, large = (of_arm.loc[of_arm["cell"] == cell, "row"].to_numpy(dtype=int) for cell in ends)
    pairs = np.repeat(small, len(large)), np.tile(large, len(small))
    name = trials.arms[arm]
    for _, overlap in _by_group(trials, pairs, np.zeros(len(pairs[0]), dtype=int)):
        yield MistakeOverlap(SIZES, name, name, trials.cells[ends[0]], trials.cells[ends[1]], overlap)


def _by_cost(analysis: Analysis, trials: TrialScores, arm: int) -> list[int]:
    """Cells of an arm, as places, in order of the main cost; empty where it is not known, or equal throughout."""
    own = analysis.cells.take(np.flatnonzero(analysis.cells["arm"] == trials.arms[arm]))
    costs = own[main_cost()].to_numpy(dtype=float)
    known = np.flatnonzero(np.isfinite(costs))
    if len(np.unique(costs[known])) < 2:
        return []
    ordered = known[np.argsort(costs[known], kind="stable")]
    return places(trials.cells, own["cell"].iloc[ordered]).tolist()


def _by_group(trials: TrialScores, pairs: Pairs, groups: np.ndarray) -> Iterator[tuple[int, Overlap]]:
    """Average over the pairs of each group, in order of the groups' numbers."""
    if trials.bits is None or len(groups) == 0:
        return
    counts = count_pairs(trials.bits, *pairs)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    for members in np.split(order, starts):
        yield int(groups[members[0]]), counts.mean(members)


def averaged(overlaps: list[MistakeOverlap]) -> Overlap:
    """Mean over cells of their overlaps, each cell counted once; cells without a mistake are left out."""
    known = [one.overlap for one in overlaps if one.overlap.pairs]
    if not known:
        return NO_OVERLAP
    return Overlap(
        sum(one.pairs for one in known),
        *(
            float(np.mean([getattr(one, name) for one in known]))
            for name in ("jaccard", "expected", "one_wrong", "other_wrong", "both_wrong")
        ),
    )
