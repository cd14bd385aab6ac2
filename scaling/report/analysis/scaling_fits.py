"""Scaling fits of a study: the law of test error of every arm along every cost, and differences of exponents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.report.analysis.trial_scores import places
from scaling.report.analysis.verdicts import words_of
from scaling.statistics import LEVEL
from scaling.statistics.estimates import Interval
from scaling.statistics.held_out import HeldOut, predict_largest
from scaling.statistics.missing import Missing
from scaling.statistics.other_sentences import law_sentence
from scaling.statistics.weighted_law import LawFit, exponent_difference, fit_law
from scaling.study.metrics import METRICS, analysed_costs


@dataclass(frozen=True)
class ArmFit:
    """One arm along one cost."""

    cost: str  # name of the metric
    arm: str
    cells: int
    law: LawFit | Missing
    held_out: HeldOut | Missing  # the largest costs, predicted from the smaller ones
    sentence: str  # with a full stop


@dataclass(frozen=True)
class ExponentDifference:
    """The exponent of one arm minus that of the baseline."""

    cost: str
    baseline: str
    arm: str
    alpha: Interval | Missing


@dataclass(frozen=True)
class ScalingFits:
    """All fits of a study."""

    fits: list[ArmFit]  # of costs that are known, cost by cost
    differences: list[ExponentDifference]
    cells: list[str]  # names of the cells that the fits index

    @property
    def any_known(self) -> bool:
        return any(isinstance(fit.law, LawFit) for fit in self.fits)

    def along(self, cost: str) -> list[ArmFit]:
        """Fits of all arms along one cost."""
        return [fit for fit in self.fits if fit.cost == cost]


def fit_study(cells: pd.DataFrame, arms: Sequence[str], factor: str) -> ScalingFits:
    """Fit every arm along every cost.

    Args:
        cells: a row per cell and arm, from `analysis.summarise`.
    """
    names = [str(name) for name in dict.fromkeys(cells["cell"])]
    row, column = places(names, cells["cell"]), places(arms, cells["arm"])

    def wide(name: str) -> np.ndarray:
        values = np.full((len(names), len(arms)), math.nan)
        values[row, column] = cells[name].to_numpy(dtype=float)
        return values

    error = 100 - wide("test_accuracy")
    level = 1 - (1 - LEVEL) / max(1, len(arms) - 1)  # of each arm's difference, divided among arms (Bonferroni)
    fits, differences = [], []
    for cost in analysed_costs():
        values = wide(cost)
        if not (np.isfinite(values) & np.isfinite(error)).any():
            continue
        laws = []
        for place, arm in enumerate(arms):
            law = fit_law(values[:, place], error[:, place], LEVEL)
            held_out = predict_largest(values[:, place], error[:, place], LEVEL)
            metric = METRICS[cost]
            words = words_of(factor, arms[0], arm).along(metric.unit, metric.number)
            count = int((np.isfinite(values[:, place]) & np.isfinite(error[:, place])).sum())
            fits.append(ArmFit(cost, arm, count, law, held_out, law_sentence(law, words)))
            laws.append(law)
        differences += [
            ExponentDifference(cost, arms[0], arm, exponent_difference(laws[0], law, level))
            for arm, law in zip(arms[1:], laws[1:], strict=True)
        ]
    return ScalingFits(fits, differences, names)


def law_text(law: LawFit, digits: int = 2) -> str:
    """A law in a legend: `α = 0.31 (0.25 to 0.38), E = 4.1 (3.0 to 5.0) %`."""
    if not law.tells_alpha:
        return "any α fits"
    alpha = f"α = {span_text(law.alpha, digits)}"
    return f"{alpha}, E = {span_text(law.floor, digits)} %" if law.floor_is_known else f"{alpha}, floor or bend open"


def number(value: float, digits: int = 3) -> str:
    """Format with significant digits and a true minus sign; an open end is ∞."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}" if abs(value) >= 0.001 or value == 0 else f"{value:.4f}"
    return (f"{float(text):.0f}" if "e" in text else text).replace("-", "−")


def span_text(interval: Interval, digits: int = 3) -> str:
    """`0.31 (0.25 to 0.38)`."""
    ends = f"{number(interval.low, digits)} to {number(interval.high, digits)}"
    return f"{number(interval.estimate, digits)} ({ends})"
