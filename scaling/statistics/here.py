"""HERE: the mean difference over the cells that were run. Only the luck of training is random.

The cells were chosen, not drawn, so that nothing is assumed about how they differ: each cell has its own variance over
its repetitions, and the mean over cells has the sum of what they contribute.
"""

import math
from dataclasses import dataclass

import numpy as np

from scaling.statistics.contrast import Differences
from scaling.statistics.estimates import SAME, Mean, wider


@dataclass(frozen=True)
class CellMeans:
    """Means and variances over the repetitions of each cell; arrays (cells,)."""

    mean: np.ndarray
    variance: np.ndarray  # s_i², pooled where a cell has one repetition; NaN where nothing can be pooled
    count: np.ndarray  # S_i

    @property
    def freedom(self) -> np.ndarray:
        return self.count - 1

    @property
    def is_repeated(self) -> bool:
        """Whether repetitions tell the luck of training: Σν ≥ 2, or all there is in a single cell."""
        total = self.freedom.sum()
        return bool(total >= 2 or (len(self.count) == 1 and total == 1))

    @property
    def harmonic_count(self) -> float:
        """Harmonic mean of the repetitions: what stands for them in the variance of a mean over cells."""
        return float(len(self.count) / (1 / self.count).sum())


def cell_means(differences: np.ndarray, images: int | None = None) -> CellMeans:
    """Summarise each cell over its repetitions.

    s_i² is the variance over the pairs of cell i, not below (100 / images)² / 6, the variance of the rounding of two
    accuracies that are counts of `images` test images. A cell with one pair gets the pooled variance Σν s² / Σν.

    Args:
        differences: (cells, repetitions), NaN where there is no pair; each cell has one at least.
        images: number of test images; None where unknown.
    """
    known = np.isfinite(differences)
    count = known.sum(axis=1)
    values = np.where(known, differences, 0.0)
    mean = values.sum(axis=1) / count
    squares = (np.where(known, values - mean[:, None], 0.0) ** 2).sum(axis=1)
    variance = squares / np.maximum(count - 1, 1)
    variance[variance < SAME**2] = 0.0
    variance = np.maximum(variance, rounding_variance(images))
    freedom = count - 1
    pooled = float((freedom * variance).sum() / freedom.sum()) if freedom.sum() > 0 else math.nan
    return CellMeans(mean, np.where(count > 1, variance, pooled), count)


def rounding_variance(images: int | None) -> float:
    """(100 / images)² / 6: the least variance of a difference of two accuracies counted on so many images."""
    return (100 / images) ** 2 / 6 if images else 0.0


def mean_here(cells: CellMeans, members: np.ndarray | None = None) -> Mean:
    """Mean over cells (or over the `members` of a part) with the variance of the luck of training.

        v_i = s_i² / (S_i n²)        V = Σ v_i        df = (Σ v_i)² / Σ_{ν_i > 0} v_i² / (ν_i + 1) − 1

    df is clipped to [the smallest ν_i > 0, Σν_i]; members without repetitions have df 1. This is Satterthwaite's
    approximation (1946) with a correction for the bias of its ratio, as in Welch (1947).
    """
    members = np.arange(len(cells.mean)) if members is None else members
    estimate, freedom = float(cells.mean[members].mean()), cells.freedom[members]
    parts = cells.variance[members] / (cells.count[members] * len(members) ** 2)
    variance = float(parts.sum())
    repeated = freedom > 0
    if not repeated.any():
        return Mean(estimate, variance, 1.0)
    weight = float((parts[repeated] ** 2 / (freedom[repeated] + 1)).sum())
    df = variance**2 / weight - 1 if weight > 0 else math.inf
    return Mean(estimate, variance, float(np.clip(df, freedom[repeated].min(), freedom.sum())))


def mean_over_seeds(differences: np.ndarray, estimate: float) -> Mean:
    """The same mean with the variance over seeds, where all cells share their seeds.

    With m_j the mean over cells of seed j: V = var(m_j) / S, df = S − 1. A seed that some cells lack has the mean
    deviation from the cells' means over those that have it. Cells with one seed tell nothing.

    Args:
        differences: (cells, seeds), NaN where there is no pair.
    """
    known = np.isfinite(differences)
    known &= known.sum(axis=1, keepdims=True) > 1
    values = np.where(known, differences, 0.0)
    means = values.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    deviations = np.where(known, values - means[:, None], 0.0)
    cells = known.sum(axis=0)
    by_seed = deviations.sum(axis=0)[cells > 0] / cells[cells > 0]
    if len(by_seed) < 2:
        return Mean(estimate, math.nan, math.nan)
    variance = float(by_seed.var(ddof=1)) / len(by_seed)
    return Mean(estimate, 0.0 if variance < SAME**2 else variance, float(len(by_seed) - 1))


def widened_by_seeds(mean: Mean, differences: Differences, members: np.ndarray, level: float) -> Mean:
    """The wider of a mean and of the mean over the seeds that its cells share."""
    seeds = mean_over_seeds(differences.values[members], mean.estimate)
    if seeds.variance == 0 and mean.is_known:  # balanced by chance or by rounding; the cells tell more
        return mean
    return wider(mean, seeds, level)
