"""Remarks: what goes with any kind: a cell that decides alone, an odd cell, a difference that grows with size."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from scaling.statistics.beyond import has_one_size
from scaling.statistics.comparison import Assessment, HereEstimate, VerdictSettings, assess
from scaling.statistics.contrast import Contrast
from scaling.statistics.estimates import SAME, Interval, around, t_quantile
from scaling.statistics.kinds import Kind, cells_differ

FEWEST_CELLS, FEWEST_SIZES = 4, 3  # for a slope
ODD_LEVEL = 0.05


@dataclass(frozen=True)
class DecidingCell:
    """The only cell without which the kind would be another."""

    name: str
    difference: float  # of the cell, points
    kind: Kind  # without it


@dataclass(frozen=True)
class OddCell:
    """A cell that differs from what the others make one expect there."""

    name: str
    difference: float  # points
    expected: float  # points, from the others


def deciding_cell(contrast: Contrast, settings: VerdictSettings, found: Assessment) -> DecidingCell | None:
    """The cell that decides alone: the farthest from the mean, where cells are seen to differ and the kind hangs on it.

    A close call changes its kind without any of several cells; so cells must be seen to differ by the F test of
    `kinds.cells_differ` at 5 %, or without repetitions the cell be odd among the others at 5 % / C.
    """
    own = found.estimate
    if own is None or found.kind is Kind.UNKNOWN or len(own.differences) < FEWEST_CELLS:
        return None
    place = int(np.abs(own.cells.mean - own.mean.estimate).argmax())
    if own.cells.is_repeated:
        p = cells_differ(own.cells, own.mean.df)
    else:
        p = float(_residual_test(own)[0][place]) * len(own.differences)
    if not p <= ODD_LEVEL:
        return None
    kind = assess(contrast, settings, np.delete(contrast.paired(), place)).kind
    if kind == found.kind:
        return None
    return DecidingCell(own.differences.names[place], float(own.cells.mean[place]), kind)


def odd_cells(found: HereEstimate) -> list[OddCell]:
    """Cells that are off the others' smooth course by more than scatter, and more than their own luck.

    The studentised leave-one-out residual t = r / (s₍₋ᵢ₎ √(1 − h)) on C − p − 1 df, Bonferroni over cells (Cook and
    Weisberg 1982), and the cell's own 95 % interval over its repetitions leaves out what the others predict.
    """
    cells = found.cells
    if found.scatter is None or not found.cells.is_repeated:
        return []
    p, left_out = _residual_test(found)
    odd = []
    for place in np.flatnonzero((p <= ODD_LEVEL / len(p)) & (cells.count > 1)):
        error = math.sqrt(cells.variance[place] / cells.count[place])
        if abs(left_out[place]) > t_quantile(1 - ODD_LEVEL, cells.count[place] - 1) * error:
            own = float(cells.mean[place])
            odd.append(OddCell(found.differences.names[place], own, own - float(left_out[place])))
    return odd


def _residual_test(found: HereEstimate) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided p of each cell's studentised leave-one-out residual, and the residual itself, (cells,) each.

    p is 1 where nothing is left to test with, as for a cell through which the course must pass.
    """
    scatter = found.scatter
    if scatter is None or scatter.df < 2:
        return np.ones(len(found.cells.mean)), np.zeros(len(found.cells.mean))
    free = 1 - scatter.leverage
    usable = np.maximum(free, 1e-9)
    squares = (scatter.residual**2).sum() - scatter.residual**2 / usable
    error = np.sqrt(np.maximum(squares / (scatter.df - 1), SAME**2) * usable)
    p = 2 * special.stdtr(scatter.df - 1, -np.abs(scatter.residual) / error)
    return np.where(free > 1e-9, p, 1.0), scatter.residual / usable


def growth(found: HereEstimate, level: float) -> Interval | None:
    """Slope of the difference per doubling of the cost, least squares over cells with t on C − 2 df.

    None where costs are missing or fewer than four cells or three distinct costs are known. It is never used for a
    claim at an end of the range.
    """
    cost, mean = found.differences.cost, found.cells.mean
    if cost is None or len(mean) < FEWEST_CELLS or has_one_size(cost) or len(np.unique(cost)) < FEWEST_SIZES:
        return None
    x = np.log2(cost) - np.log2(cost).mean()
    slope = float((x * mean).sum() / (x**2).sum())
    residual = mean - mean.mean() - slope * x
    error = math.sqrt(float((residual**2).sum()) / (len(x) - 2) / float((x**2).sum()))
    df = len(x) - 2
    return around(slope, t_quantile(level, df) * error, level, df) if error > SAME else None
