"""Intervals: an estimate with the range that the data leave open."""

import math
from dataclasses import dataclass


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
