"""Intervals: an estimate with the range that the data leave open."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Bounded:
    """An estimate with its confidence interval; the ends are NaN where the data cannot give one."""

    estimate: float
    low: float
    high: float
    level: float  # such as 0.95

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def is_above_zero(self) -> bool:
        return self.is_known and self.low > 0

    @property
    def is_below_zero(self) -> bool:
        return self.is_known and self.high < 0

    def lies_within(self, margin: float) -> bool:
        return self.is_known and -margin <= self.low and self.high <= margin


@dataclass(frozen=True)
class MeanInterval(Bounded):
    """The interval of a mean."""

    n: int  # independent values that it rests on


def mean_interval(values: Sequence[float] | np.ndarray, level: float, smallest_sd: float = 0.0) -> MeanInterval:
    """Student's t interval of the mean: mean ± t(n − 1) · s / √n. One value has no interval.

    Args:
        smallest_sd: what s is taken to be where it comes out smaller. Accuracies are counts of images: without this, a
            few equal differences would give an interval of no width.
    """
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n == 0:
        return MeanInterval(math.nan, math.nan, math.nan, level, 0)
    estimate = float(values.mean())
    if n == 1:
        return MeanInterval(estimate, math.nan, math.nan, level, 1)
    sd = max(float(values.std(ddof=1)), smallest_sd)
    half = t_quantile(level, n - 1) * sd / math.sqrt(n)
    return MeanInterval(estimate, estimate - half, estimate + half, level, n)


def t_quantile(level: float, df: int) -> float:
    """Two-sided critical value of Student's t: P(|T| ≤ value) = level."""
    return float(stats.t.ppf((1 + level) / 2, df))
