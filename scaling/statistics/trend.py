"""Trend: does the difference between the arms grow with what a model costs?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scaling.statistics.intervals import MeanInterval, t_quantile

SAME = 1e-9  # points; differences nearer to each other than this are equal
FEWEST_CELLS = 4  # a line through fewer points has a useless interval


@dataclass(frozen=True)
class Trend:
    """Least squares line: difference = intercept + slope · log₂(cost), one point a cell."""

    slope: MeanInterval  # percentage points per doubling of the cost
    intercept: float  # points at cost 1
    residual_sd: float  # points
    mean_log2: float
    sum_of_squares: float  # of log₂(cost) around its mean

    def at(self, costs: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Line and half width of its pointwise confidence band at `costs`."""
        x = np.log2(np.asarray(costs, dtype=float))
        leverage = 1 / self.slope.n + (x - self.mean_log2) ** 2 / self.sum_of_squares
        half = t_quantile(self.slope.level, self.slope.n - 2) * self.residual_sd * np.sqrt(leverage)
        return self.intercept + self.slope.estimate * x, half


def fit_trend(
    costs: Sequence[float] | np.ndarray, differences: Sequence[float] | np.ndarray, level: float
) -> Trend | None:
    """Fit the trend over cells; None where fewer than four cells or fewer than three distinct costs are known."""
    costs, differences = np.asarray(costs, dtype=float), np.asarray(differences, dtype=float)
    known = np.isfinite(costs) & np.isfinite(differences) & (costs > 0)
    x, y = np.log2(costs[known]), differences[known]
    if len(x) < FEWEST_CELLS or len(np.unique(x)) < 3:
        return None
    if np.ptp(y) < SAME:  # rounding alone must not slope, nor 0/0 make its error
        slope, intercept, standard_error = 0.0, float(y.mean()), 0.0
    else:
        slope, intercept, _, _, standard_error = np.asarray(stats.linregress(x, y), dtype=float).tolist()
    half = t_quantile(level, len(x) - 2) * standard_error
    residuals = y - intercept - slope * x
    return Trend(
        slope=MeanInterval(slope, slope - half, slope + half, level, len(x)),
        intercept=intercept,
        residual_sd=float(np.sqrt((residuals**2).sum() / (len(x) - 2))),
        mean_log2=float(x.mean()),
        sum_of_squares=float(((x - x.mean()) ** 2).sum()),
    )
