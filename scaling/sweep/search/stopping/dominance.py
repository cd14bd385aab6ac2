"""Stopping by dominance: a cell whose best possible end is no better than what a cheaper cell has already come to.

What a model costs is known before it trains; what it will score is bounded from the curves of the trials that have
finished: log(final error / error now) is taken as normal, and its lower 99 % prediction bound as the most that a cell
can still gain. Learning curves of one recipe end on its schedule, which is what makes this possible at all.
"""

import math
from collections.abc import Sequence

import numpy as np

from scaling.space.search_settings import Stop
from scaling.statistics.intervals import t_quantile
from scaling.study.records import Record
from scaling.sweep.search.stopping.rules import Decision, RungResult, RungState, stopping

FEW = 4  # finished trials, below which no bound is made
CONFIDENCE = 0.99  # of the prediction, one-sided


@stopping
def dominance(stop: Stop, rung_result: RungResult, field: RungState) -> Decision:
    """Stop a cell all of whose arms are dominated at their cost by finished trials of the same arm."""
    factor = most_gain(rung_result.epoch, field.finished)
    if factor is None:
        return "go on"
    beaten = []
    for arm, accuracy in rung_result.accuracy.items():
        best = 100 - (100 - accuracy) * factor
        rival = best_at_cost(arm, rung_result.macs[arm], field.finished)
        if rival is None or rival < best:
            return "go on"
        beaten.append(f"{arm} may come to {best:.2f} %, {rival:.2f} % is there at its cost")
    return f"dominated: {', '.join(beaten)}"


def most_gain(epoch: int, finished: Sequence[Record]) -> float | None:
    """The least part of its error after `epoch` that a trial can be expected to end with; None where too few tell."""
    ratios = [
        math.log((100 - record.curve[-1].val_accuracy) / (100 - record.curve[epoch - 1].val_accuracy))
        for record in finished
        if len(record.curve) > epoch and max(record.curve[-1].val_accuracy, record.curve[epoch - 1].val_accuracy) < 100
    ]
    if len(ratios) < FEW:
        return None
    values = np.array(ratios)
    reach = t_quantile(2 * CONFIDENCE - 1, len(values) - 1) * math.sqrt(1 + 1 / len(values))
    return math.exp(float(values.mean()) - reach * float(values.std(ddof=1)))


def best_at_cost(arm: str, macs: int, finished: Sequence[Record]) -> float | None:
    """Best validation accuracy of a finished trial of the arm that costs no more; None where there is none."""
    scores = [
        record.scores.val_accuracy
        for record in finished
        if record.arm == arm and record.scores and record.cost and (record.cost.macs or 0) <= macs
    ]
    return max(scores, default=None)
