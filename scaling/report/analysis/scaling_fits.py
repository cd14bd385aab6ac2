"""Scaling fits of a study: the law of test error of every arm along every cost, and differences of exponents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.report.analysis.trial_scores import places
from scaling.statistics.fits import ScalingFit, correlation_of, difference_of, fit_scaling
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.statistics.paired import LEVEL
from scaling.study.metrics import METRICS, analysed_costs


@dataclass(frozen=True)
class ExponentDifference:
    """The exponent of one arm minus that of the baseline."""

    cost: str  # name of the metric
    baseline: str
    arm: str
    alpha: MeanInterval | Missing  # of the laws with a floor, if the costs allow one
    plain_alpha: MeanInterval | Missing  # of the laws without


@dataclass(frozen=True)
class ScalingFits:
    """All fits of a study."""

    fits: dict[str, dict[str, ScalingFit | Missing]]  # cost → arm
    differences: list[ExponentDifference]
    cells: list[str]  # names of the cells that the fits index

    @property
    def any_known(self) -> bool:
        return any(isinstance(fit, ScalingFit) for of_cost in self.fits.values() for fit in of_cost.values())


def fit_study(cells: pd.DataFrame, arms: Sequence[str], resolution: float) -> ScalingFits:
    """Fit every arm along every cost.

    Args:
        cells: a row per cell and arm, from `analysis.summarise`.
        resolution: smallest step of the accuracy, 100 / test images; 0 if unknown.
    """
    names = [str(name) for name in dict.fromkeys(cells["cell"])]
    row, column = places(names, cells["cell"]), places(arms, cells["arm"])

    def wide(name: str) -> np.ndarray:
        values = np.full((len(names), len(arms)), math.nan)
        values[row, column] = cells[name].to_numpy(dtype=float)
        return values

    accuracy, n, sd = wide("test_accuracy"), wide("n"), wide("test_sd")
    level = 1 - (1 - LEVEL) / max(1, len(arms) - 1)  # of each arm's difference, divided among arms (Bonferroni)
    smallest = resolution**2 / 12 / max(1.0, float(np.nanmean(n))) if np.isfinite(n).any() else 0.0
    fits: dict[str, dict[str, ScalingFit | Missing]] = {}
    differences = []
    for cost in analysed_costs():
        values = wide(cost)
        of_cost = fits[cost] = {}
        wider = {}
        for place, arm in enumerate(arms):
            weight = _weights(accuracy[:, place], n[:, place], sd[:, place])
            sample = (values[:, place], 100 - accuracy[:, place], weight)
            of_cost[arm] = fit_scaling(*sample, LEVEL, smallest)
            is_same = level == LEVEL or isinstance(of_cost[arm], Missing)
            wider[arm] = of_cost[arm] if is_same else fit_scaling(*sample, level, smallest, with_rest=False)
        differences += [_difference(cost, arms[0], arm, wider[arms[0]], wider[arm]) for arm in arms[1:]]
    return ScalingFits(fits, differences, names)


def _weights(accuracy: np.ndarray, n: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Inverse variances of the cells' means, about 1 on average: (cells,); unequal only where seeds are missing.

    A cell's mean varies by the effect of its shape, which more seeds do not reduce, and by σ²/n. The former's share is
    taken to be half, so that no cell weighs more than twice the typical one.
    """
    known = np.isfinite(accuracy) & (n > 0)
    if not known.any():
        return np.ones(len(n))
    freedom = np.where(known & np.isfinite(sd), n - 1, 0)
    variance = float(np.nansum(freedom * np.nan_to_num(sd) ** 2) / freedom.sum()) if freedom.sum() > 0 else 1.0
    share = np.where(known, (variance or 1.0) / np.where(known, n, 1), 1.0)
    typical = float(share[known].mean())
    return 2 * typical / (typical + share)


def _difference(
    cost: str, baseline: str, arm: str, one: ScalingFit | Missing, other: ScalingFit | Missing
) -> ExponentDifference:
    for fit in (one, other):
        if isinstance(fit, Missing):
            return ExponentDifference(cost, baseline, arm, fit, fit)
    assert isinstance(one, ScalingFit)
    assert isinstance(other, ScalingFit)
    together = correlation_of((other.residual, one.residual), (other.influence, one.influence))
    alpha: MeanInterval | Missing = Missing("too few costs", f"a floor cannot be estimated along {METRICS[cost].title}")
    if one.floor is not None and other.floor is not None:
        alpha = difference_of(other.alpha, one.alpha, together)
    return ExponentDifference(cost, baseline, arm, alpha, difference_of(other.plain_alpha, one.plain_alpha, together))


def exponent_text(fit: ScalingFit, *, brief: bool = False) -> str:
    """An exponent as text: `α = 0.31 (0.25 to 0.38), E = 4.1 (3.0 to 5.0) %`, or with its reservation.

    Args:
        brief: of the chosen law only, for a legend.
    """
    if brief and fit.slopes:
        return f"α = {number(fit.slopes[0], 2)}, then {number(fit.slopes[1], 2)}"
    if brief and (fit.law == "no floor" or fit.floor is None):
        return f"α = {span_text(fit.plain_alpha, digits=2)}, no floor"
    if brief and fit.floor is not None:
        floor = span_text(fit.floor, digits=2) if fit.floor_is_known else f"≤ {number(fit.floor.high, 2)}"
        return f"α = {span_text(fit.alpha, digits=2)}, E {'= ' if fit.floor_is_known else ''}{floor} %"
    if fit.floor is not None and fit.floor_is_known:
        return f"α = {span_text(fit.alpha)}, E = {span_text(fit.floor)} %"
    if fit.floor is None:
        return f"α = {span_text(fit.plain_alpha)} without a floor, which so few costs cannot identify"
    return (
        f"α = {span_text(fit.plain_alpha)} if there is no floor; none is distinguishable from 0"
        f" (E up to {number(fit.floor.high)} %), and with one α could be {span_text(fit.alpha, False)}"
    )


def number(value: float, digits: int = 3) -> str:
    """Format with significant digits and a true minus sign; an open end is ∞."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}" if abs(value) >= 0.001 or value == 0 else f"{value:.4f}"
    return (f"{float(text):.0f}" if "e" in text else text).replace("-", "−")


def span_text(interval: MeanInterval, estimate: bool = True, digits: int = 3) -> str:
    """`0.31 (0.25 to 0.38)`, or the ends alone."""
    low, high = number(interval.low, digits), number(interval.high, digits)
    return f"{number(interval.estimate, digits)} ({low} to {high})" if estimate else f"{low} to {high}"
