"""Learning-rate grids: each cell and arm tries several learning rates and is compared at the best on validation.

The first repetitions of a cell and arm run with every rate and choose one; the others run with the chosen rate. A run
that chose is not scored: the best of several is better by luck too (the winner's curse), and more so for an arm to
which the rate does not matter. All runs stay in the study.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from scaling.study.config import cell_label
from scaling.study.records import Record

CellAndArm = tuple[str, str]  # label of the cell, and the arm


def rate_of(record: Record) -> float:
    """Return the peak learning rate of a trial."""
    return float(record.config["recipe"]["learning_rate"])


def chooses(record: Record, choose_by: int) -> bool:
    """Return whether a run only helps to choose a learning rate.

    Args:
        choose_by: how many repetitions of a cell and arm choose; see `Study.choose_by`.
    """
    return record.learning_rate_grid is not None and record.repetition < choose_by


def chosen_rates(records: Iterable[Record], choose_by: int = 1) -> dict[CellAndArm, float]:
    """Return the chosen learning rate of each (cell, arm) with a grid, as far as one can be chosen yet.

    It has the best mean validation accuracy over the repetitions that choose. Ties go to the smaller rate. A rate is
    never chosen if one of these runs diverged, failed or is missing.
    """
    accuracies: dict[CellAndArm, dict[float, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        if chooses(record, choose_by):
            finished = record.status == "finished" and record.scores is not None
            accuracy = record.scores.val_accuracy if finished and record.scores else math.nan
            accuracies[cell_label(record.cell), record.arm][rate_of(record)][record.repetition] = accuracy
    chosen: dict[CellAndArm, float] = {}
    for cell_and_arm, of_rates in accuracies.items():
        means = {rate: math.fsum(of_rate.values()) for rate, of_rate in of_rates.items() if len(of_rate) == choose_by}
        known = [(mean, -rate) for rate, mean in means.items() if not math.isnan(mean)]
        if known:
            chosen[cell_and_arm] = -max(known)[1]
    return chosen


def without_rejected(records: Sequence[Record], choose_by: int = 1) -> list[Record]:
    """Leave out trials of rates that were not chosen; if none is chosen yet, leave out the whole grid."""
    rejected = rejected_keys(records, choose_by)
    return [record for record in records if record.key not in rejected]


def rejected_keys(records: Sequence[Record], choose_by: int = 1) -> set[str]:
    """Return the keys of the trials whose learning rate was not chosen; none where no repetition chooses.

    A joint study is such: its records are those that its members score, each with the grid that it was chosen from.
    """
    if not choose_by:
        return set()
    chosen = chosen_rates(records, choose_by)
    return {
        record.key
        for record in records
        if record.learning_rate_grid is not None
        and chosen.get((cell_label(record.cell), record.arm)) != rate_of(record)
    }


def scored(records: Sequence[Record], choose_by: int) -> list[Record]:
    """Return the trials on which a verdict rests: without the rejected ones and without those that chose.

    Args:
        choose_by: how many repetitions of a cell and arm choose; see `Study.choose_by`.
    """
    left_out = rejected_keys(records, choose_by) | {r.key for r in records if chooses(r, choose_by)}
    left_out -= lost_choices(records, choose_by)
    return [record for record in records if record.key not in left_out]


def lost_choices(records: Sequence[Record], choose_by: int) -> set[str]:
    """Return the keys of runs that stand for the lost ones of a cell and arm in which no rate could be chosen.

    All its choosing runs have failed or diverged: the arm does not train there, which must not be passed over. One run
    a repetition stands for it.
    """
    chosen = chosen_rates(records, choose_by) if choose_by else {}
    choosing: dict[CellAndArm, list[Record]] = defaultdict(list)
    for record in records:
        if chooses(record, choose_by):
            choosing[cell_label(record.cell), record.arm].append(record)
    found = {}
    for place, runs in choosing.items():
        if place not in chosen and all(run.status in ("failed", "diverged") for run in runs):
            found |= {(*place, run.repetition): run.key for run in runs}
    return set(found.values())


def at_edge(learning_rate_grid: Sequence[float], rate: float) -> bool:
    """Return whether the best rate is at an end of the grid, so that a better one may lie outside."""
    return rate in (min(learning_rate_grid), max(learning_rate_grid))
