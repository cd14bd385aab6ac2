"""Estimates: a mean with the variance that luck gives it, and the interval that follows."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from scaling.statistics.intervals import Bounded

SAME = 1e-10  # points; values closer than this are equal, and their spread is rounding


@dataclass(frozen=True)
class Interval(Bounded):
    """The interval of a mean under Student's t."""

    df: float  # degrees of freedom; NaN where there is no interval

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def mirrored(self) -> "Interval":
        """The interval of minus the estimate."""
        return Interval(-self.estimate, -self.high, -self.low, self.level, self.df)


@dataclass(frozen=True)
class Mean:
    """A mean, the variance of its luck and the degrees of freedom of that variance."""

    estimate: float
    variance: float  # points²; NaN where nothing tells it
    df: float

    @property
    def is_known(self) -> bool:
        return self.variance > 0 and self.df > 0 and math.isfinite(self.estimate)

    def half_width(self, level: float) -> float:
        """t(level; df) √V; NaN where the variance is unknown or zero (Student 1908)."""
        return t_quantile(level, self.df) * math.sqrt(self.variance) if self.is_known else math.nan

    def interval(self, level: float) -> Interval:
        return around(self.estimate, self.half_width(level), level, self.df)


def around(estimate: float, half_width: float, level: float, df: float) -> Interval:
    """The interval estimate ± half_width."""
    known = math.isfinite(half_width)
    return Interval(estimate, estimate - half_width, estimate + half_width, level, df if known else math.nan)


def t_quantile(level: float, df: float) -> float:
    """Two-sided critical value of Student's t: P(|T| ≤ value) = level."""
    return float(special.stdtrit(df, (1 + level) / 2))


def normal_quantile(probability: float) -> float:
    return float(special.ndtri(probability))


def wider(one: Mean, other: Mean, level: float) -> Mean:
    """The one of two means whose half-width is larger; unknown where either is."""
    if not (one.is_known and other.is_known):
        return Mean(one.estimate, math.nan, math.nan)
    return one if one.half_width(level) >= other.half_width(level) else other


def only_finite(values: np.ndarray) -> np.ndarray:
    """A copy as floats with NaN in place of whatever is not finite."""
    values = np.array(values, dtype=float)
    values[~np.isfinite(values)] = math.nan
    return values
