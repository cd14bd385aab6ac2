"""BEYOND: the mean difference for other models between the sizes that were run.

It assumes that the difference runs smoothly along size, and that single cells scatter about that at random. The
scatter holds the luck of training as well as what differs among cells, so that it also serves studies with one
repetition a cell.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling.statistics.contrast import Differences
from scaling.statistics.estimates import SAME, Interval, Mean, around, t_quantile

FEWEST_CELLS = 3
LINE_FROM, PARABOLA_FROM = 5, 9  # cells
FREE = 3  # degrees of freedom that axes must leave
FEW_LEVELS = 4  # of an axis; about other levels of an axis with fewer nothing is said
RANK = 1e-9  # singular values below this share of the largest are none


@dataclass(frozen=True)
class Scatter:
    """How cells scatter about a smooth course of the difference."""

    variance: float  # s² = Σ r² / (C − p)
    df: int  # C − p
    residual: np.ndarray  # (cells,)
    leverage: np.ndarray  # (cells,) diagonal of the hat matrix

    def mean(self, estimate: float, cells: int) -> Mean:
        """A mean over so many of the cells: V = s² / n."""
        return Mean(estimate, self.variance / cells, float(self.df))


def scatter_about(mean: np.ndarray, differences: Differences, least: float = 0.0) -> Scatter | None:
    """Regress the cells' means on size and take the residuals: s² = Σ r² / (C − p); None with fewer than two cells.

    Columns are 1 with up to four cells, 1 and x with five to eight, 1, x and x² with more, x the log of the baseline's
    cost. Where two or more axes are numbers with at least two levels: 1 and each axis's log in place of x, the last
    axes dropped while C − p < 3. p is the rank of the columns.

    Args:
        mean: (cells,) of the differences.
        least: variance of a cell's mean below which s² is not taken.
    """
    count = len(mean)
    if count < 2:
        return None
    basis = _orthonormal(columns(count, differences.cost, differences.axes))
    residual = mean - basis @ (basis.T @ mean)
    df = count - basis.shape[1]
    variance = max(float((residual**2).sum()) / df, least)
    return Scatter(0.0 if variance < SAME**2 else variance, df, residual, (basis**2).sum(axis=1))


def columns(count: int, cost: np.ndarray | None, axes: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the difference may run along smoothly: (cells, columns), the first constant; see `scatter_about`."""
    constant = np.ones(count)
    if len(axes) > 1:
        kept = [axis_scale(values) for values in axes.values()]
        while kept and count - 1 - len(kept) < FREE:
            kept.pop()
        return np.stack([constant, *kept], axis=1)
    if cost is None or has_one_size(cost) or count < LINE_FROM:
        return constant[:, None]
    x = _standardised(np.log(cost))
    return np.stack([constant, x] if count < PARABOLA_FROM else [constant, x, x**2], axis=1)


def axis_scale(values: np.ndarray) -> np.ndarray:
    """An axis as its log, or as the rank of its level where a value is not positive."""
    return np.log(values) if (values > 0).all() else np.unique(values, return_inverse=True)[1].astype(float)


def has_one_size(cost: np.ndarray) -> bool:
    """Whether all cells cost the same."""
    return bool(np.ptp(np.log(cost)) < 1e-9)


def interval_beyond(here: Mean, scatter: Scatter | None, differences: Differences, level: float) -> Interval | None:
    """Interval of the mean for other models between these sizes: ± max(t(C − p) s / √C, half-width HERE).

    None with fewer than three cells, where all cells have one size, and where neither costs nor two numeric axes say
    what sizes there are.
    """
    cells, cost = len(differences), differences.cost
    sized = not has_one_size(cost) if cost is not None else len(differences.axes) > 1
    if scatter is None or cells < FEWEST_CELLS or not sized or not here.is_known:
        return None
    own = t_quantile(level, scatter.df) * math.sqrt(scatter.variance / cells)
    return around(here.estimate, max(own, here.half_width(level)), level, scatter.df)


def interval_of_other_levels(mean: np.ndarray, axes: Mapping[str, np.ndarray], level: float) -> Interval | None:
    """Interval of the mean for other levels of both axes of a complete grid with four or more levels each.

        V = (MS_A + MS_B) / (D W)        df = V² / (V_A² / (D + 1) + V_B² / (W + 1)) − 2, at least min(D, W) − 1

    MS are the mean squares of the axes' levels, V_A = MS_A / (D W). The two-way random effects model, with
    Satterthwaite's degrees of freedom (1946). None where the axes are not such a grid.
    """
    if len(axes) != 2:
        return None
    (first, d), (second, w) = (
        (places, len(levels)) for levels, places in (np.unique(values, return_inverse=True) for values in axes.values())
    )
    if min(d, w) < FEW_LEVELS or len(mean) != d * w or len(np.unique(first * w + second)) != d * w:
        return None
    grid = np.empty((d, w))
    grid[first, second] = mean
    ms_a, ms_b = w * grid.mean(axis=1).var(ddof=1), d * grid.mean(axis=0).var(ddof=1)
    v_a, v_b = ms_a / (d * w), ms_b / (d * w)
    variance = v_a + v_b
    if variance < SAME**2:
        return None
    df = max(variance**2 / (v_a**2 / (d + 1) + v_b**2 / (w + 1)) - 2, min(d, w) - 1)
    return Mean(float(mean.mean()), float(variance), float(df)).interval(level)


def _standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / x.std()


def _orthonormal(design: np.ndarray) -> np.ndarray:
    """An orthonormal basis of what the columns span: (cells, rank)."""
    if design.shape[1] == 1:
        return design / math.sqrt(len(design))
    scaled = np.column_stack([design[:, 0], *(_standardised(column) for column in design.T[1:] if np.ptp(column) > 0)])
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    return left[:, values > RANK * values[0]]
