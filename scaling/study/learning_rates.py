"""Learning-rate grids: each cell and arm tries several learning rates and is compared by the best on validation.

Trials with the other rates stay in the study but enter no comparison.
"""

import math
from collections.abc import Iterable, Sequence

from scaling.study.config import cell_label
from scaling.study.records import Record


def rate_of(record: Record) -> float:
    """Return the peak learning rate of a trial."""
    return float(record.config["recipe"]["learning_rate"])


def chosen_rates(records: Iterable[Record]) -> dict[tuple[str, str], float]:
    """Return the chosen learning rate of each (cell, arm) with a grid: the best on validation with the first seed.

    Every rate runs with the first seed and only the chosen one with the others, so the others cannot change the choice.
    Ties go to the smaller rate; a rate whose run diverged or failed is never chosen.
    """
    best: dict[tuple[str, str], tuple[float, float]] = {}
    for record in records:
        if (
            record.learning_rate_grid is None
            or record.seed != 0
            or record.status != "finished"
            or record.scores is None
        ):
            continue
        accuracy = record.scores.val_accuracy
        if math.isnan(accuracy):
            continue
        cell_and_arm, candidate = (cell_label(record.cell), record.arm), (accuracy, -rate_of(record))
        best[cell_and_arm] = max(best.get(cell_and_arm, candidate), candidate)
    return {cell_and_arm: -rate for cell_and_arm, (_, rate) in best.items()}


def without_rejected(records: Sequence[Record]) -> list[Record]:
    """Leave out trials of rates that were not chosen; if none is chosen yet, leave out the whole grid."""
    chosen = chosen_rates(records)
    return [
        record
        for record in records
        if record.learning_rate_grid is None or chosen.get((cell_label(record.cell), record.arm)) == rate_of(record)
    ]


def at_edge(learning_rate_grid: Sequence[float], rate: float) -> bool:
    """Return whether the best rate is at an end of the grid, so that a better one may lie outside."""
    return rate in (min(learning_rate_grid), max(learning_rate_grid))
