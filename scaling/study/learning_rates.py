"""Brackets: several learning rates are tried for each cell and arm, and the one best on validation speaks for it.

The other rates' trials are kept in the study, but take no part in any comparison.
"""

import math
from collections.abc import Iterable, Sequence

from scaling.study.config import cell_label
from scaling.study.records import Record


def rate_of(record: Record) -> float:
    """Peak learning rate that a trial ran with."""
    return float(record.config["recipe"]["learning_rate"])


def chosen_rates(records: Iterable[Record]) -> dict[tuple[str, str], float]:
    """The learning rate that speaks for each bracketed (cell, arm): the best on validation with the first seed.

    All rates have the first seed and only the chosen one has the others, so that the choice does not move with them.
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
        place, candidate = (cell_label(record.cell), record.arm), (accuracy, -rate_of(record))
        best[place] = max(best.get(place, candidate), candidate)
    return {place: -rate for place, (_, rate) in best.items()}


def without_rejected(records: Sequence[Record]) -> list[Record]:
    """Leave out the trials of rates that were tried and not chosen; where none is chosen yet, all of that bracket."""
    chosen = chosen_rates(records)
    return [
        record
        for record in records
        if record.learning_rate_grid is None or chosen.get((cell_label(record.cell), record.arm)) == rate_of(record)
    ]


def at_edge(learning_rate_grid: Sequence[float], rate: float) -> bool:
    """Whether the best rate lies at an end of what was tried, so that a better one may lie outside."""
    return rate in (min(learning_rate_grid), max(learning_rate_grid))
