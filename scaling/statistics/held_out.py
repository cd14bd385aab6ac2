"""Held out: the largest costs of an arm, predicted by the law of the smaller ones."""

from dataclasses import dataclass

import numpy as np

from scaling.statistics.missing import Missing
from scaling.statistics.weighted_law import LawFit, fit_law

SHARE = 2 / 3  # of the distinct costs that the law is fitted to


@dataclass(frozen=True)
class HeldOut:
    """Errors of the held-out cells, in percent; arrays are (held out,)."""

    law: LawFit
    until: float  # largest cost that was fitted
    costs: int  # distinct ones that were fitted
    cell: np.ndarray  # places of the held-out cells
    cost: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    low: np.ndarray  # of the interval for a new cell
    high: np.ndarray

    @property
    def within(self) -> float:
        """Share of the held-out cells inside their interval."""
        return float(((self.low <= self.measured) & (self.measured <= self.high)).mean())


def predict_largest(cost: np.ndarray, error: np.ndarray, level: float = 0.95) -> HeldOut | Missing:
    """Fit the law to the smaller two thirds of the distinct costs, and predict the cells of the largest third.

    Args:
        cost: (cells,), not finite or not positive where unknown.
        error: (cells,) mean over repetitions, percent.
    """
    cost, error = np.asarray(cost, dtype=float), np.asarray(error, dtype=float)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(cost) & (cost > 0) & np.isfinite(error)
    levels = np.unique(cost[known])
    if len(levels) < 2:
        return Missing("too few costs", "the cells have fewer than two different costs")
    until = levels[max(1, round(SHARE * len(levels))) - 1]
    fitted = known & (cost <= until)
    law = fit_law(cost[fitted], error[fitted], level)
    if isinstance(law, Missing):
        return Missing(law.why, f"of the smaller two thirds of the costs: {law.said}")
    held_out = np.flatnonzero(known & (cost > until))
    at = cost[held_out]
    low, high = law.predict(at, level)
    costs = int((levels <= until).sum())
    return HeldOut(law, float(until), costs, held_out, at, error[held_out], law.at(at), low, high)
