"""Pareto fronts: what no other point beats on both cost and score."""

from collections.abc import Sequence

import numpy as np


def on_front(costs: Sequence[float] | np.ndarray, scores: Sequence[float] | np.ndarray) -> np.ndarray:
    """Mark the points that no other point dominates: a boolean array as long as the two given.

    A point dominates another if it costs no more and scores no less, and is strictly better in one of the two. Equal
    points do not dominate each other: both are on the front, or neither. A point with a missing number is on no front.

    One sort (n log n): at each cost only the best score counts, and it must beat all that was cheaper.

    Args:
        costs: lower is better.
        scores: higher is better.
    """
    costs, scores = np.asarray(costs, dtype=float), np.asarray(scores, dtype=float)
    front = np.zeros(len(costs), dtype=bool)
    known = np.flatnonzero(~(np.isnan(costs) | np.isnan(scores)))
    if len(known) == 0:
        return front
    levels, level_of = np.unique(costs[known], return_inverse=True)
    best = np.full(len(levels), -np.inf)
    np.maximum.at(best, level_of, scores[known])
    cheaper = np.concatenate([[-np.inf], np.maximum.accumulate(best)[:-1]])
    cheapest = level_of == 0  # −∞ may be a score: nothing is cheaper than the cheapest, so it need not beat it
    front[known] = (scores[known] == best[level_of]) & ((scores[known] > cheaper[level_of]) | cheapest)
    return front
