"""Stopping by dominance: stop a cell whose best possible end is no better than what a cheaper cell has reached.

The cost of a model is known before it trains. Its final score is bounded from the learning curves of finished trials:
log(final error / current error) is taken as normal, and its lower 99 % prediction bound is the most that a cell can
still gain. This works because all curves of one recipe end on the same schedule.
"""

import math
from collections.abc import Sequence

import numpy as np

from scaling.space.search_settings import Stop
from scaling.statistics.estimates import t_quantile
from scaling.study.records import Record
from scaling.sweep.search.decisions import CONTINUE, Decision, RungResult, RungState, stopping

FEW = 4  # finished trials; with fewer there is no bound
CONFIDENCE = 0.99  # of the prediction, one-sided


@stopping
def dominance(stop: Stop, result: RungResult, state: RungState) -> Decision:
    """Stop a cell if, in each arm, a finished trial that costs no more is better than the arm can become."""
    factor = most_gain(result.epoch, state.finished)
    if factor is None:
        return CONTINUE
    dominated = []
    for arm, accuracy in result.accuracy.items():
        best = 100 - (100 - accuracy) * factor
        rival = best_at_cost(arm, result.macs[arm], state.finished)
        if rival is None or rival < best:
            return CONTINUE
        dominated.append(f"{arm} can reach {best:.2f} %, another cell has {rival:.2f} % at no more cost")
    return Decision.stop(f"dominated: {', '.join(dominated)}")


def most_gain(epoch: int, finished: Sequence[Record]) -> float | None:
    """Smallest expected ratio of final error to error after `epoch`; None if too few trials have finished."""
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
    """Best validation accuracy of the arm's finished trials that cost at most `macs`; None if there are none."""
    scores = [
        record.scores.val_accuracy
        for record in finished
        if record.arm == arm and record.scores and record.cost and (record.cost.macs or 0) <= macs
    ]
    return max(scores, default=None)
