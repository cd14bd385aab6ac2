"""Kinds: what a comparison says in a word, decided from the interval of its mean and those of its parts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special

from scaling.statistics.estimates import Interval
from scaling.statistics.here import CellMeans
from scaling.statistics.parts import Part

RMS_LEVEL = 0.05
SEEN_TO_DIFFER = 0.2  # p below which the F test of the cells counts as seen
SHARE_OF_ERRORS = 0.1
LARGEST_NONCENTRALITY = 1e8


class Kind(StrEnum):
    """The answer of a comparison."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "practically equal"
    BY_SIZE = "depends on size"
    MIXED = "mixed"
    INCONCLUSIVE = "inconclusive"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sizes:
    """Sizes of the true means by part, for the test that their root mean square is small."""

    estimates: np.ndarray  # (parts,)
    weights: np.ndarray  # (parts,) that add up to 1
    variance: float  # Σ w_g v_g
    df: float


def usable_margin(margin: float, baseline: float) -> float:
    """The margin that counts: not above a tenth of the baseline's mean error, so that it shrinks near the ceiling.

    Args:
        baseline: mean over paired cells of the baseline's accuracy, percent.
    """
    return max(0.0, min(margin, SHARE_OF_ERRORS * (100 - baseline))) if math.isfinite(baseline) else margin


def sizes_of(parts: Sequence[Part], cells: int, df: float) -> Sizes:
    """The parts with weights w_g = n_g / C."""
    weights = np.array([len(part.cells) / cells for part in parts])
    variance = float(sum(weight * part.variance for weight, part in zip(weights, parts, strict=True)))
    return Sizes(np.array([part.interval.estimate for part in parts]), weights, variance, df)


def rms_is_within(margin: float, sizes: Sizes) -> bool:
    """Whether the root mean square of the true means is at most `margin`, at 5 %.

    F = Σ w_g m_g² / V. "RMS > m" is rejected if the noncentral F distribution with G and df degrees of freedom and
    noncentrality G m² / V has at most 5 % below F. For one mean it is the test of equivalence of Wellek (2010).
    """
    if not sizes.variance > 0:
        return False
    f = float((sizes.weights * sizes.estimates**2).sum()) / sizes.variance
    return _is_small(f, len(sizes.estimates), sizes.df, margin**2 / sizes.variance)


def cells_are_small(cells: CellMeans, df: float, margin: float) -> bool:
    """Whether single cells are not seen to differ, or the root mean square of their true means is at most `margin`.

    The second test is that of `rms_is_within` with F = mean(d_i²) / V̄, V̄ = mean s_i² / S_i. One cell cannot differ
    from itself.
    """
    count = len(cells.mean)
    if count == 1:
        return True
    if cells_differ(cells, df) >= SEEN_TO_DIFFER:
        return True
    variance = float((cells.variance / cells.count).mean())
    return variance > 0 and _is_small(float((cells.mean**2).mean()) / variance, count, df, margin**2 / variance)


def cells_differ(cells: CellMeans, df: float) -> float:
    """p of the F test that cells differ: var(d_i) / V̄ on C − 1 and df degrees of freedom, V̄ = mean s_i² / S_i."""
    variance = float((cells.variance / cells.count).mean())
    if len(cells.mean) < 2 or not variance > 0:
        return math.nan
    return float(special.fdtrc(len(cells.mean) - 1, df, float(cells.mean.var(ddof=1)) / variance))


def _is_small(f: float, count: int, df: float, ratio: float) -> bool:
    noncentrality = count * ratio
    if noncentrality > LARGEST_NONCENTRALITY:  # the numerator is as good as fixed
        return bool(special.chdtrc(df, noncentrality * df / max(count * f, 1e-300)) <= RMS_LEVEL)
    p = float(special.ncfdtr(count, df, noncentrality, f))
    return not p > RMS_LEVEL  # NaN stands for what is too far in the lower tail to compute


def part_signs(parts: Sequence[Part], wide: bool) -> bool:
    """Whether some part's interval lies above zero and another's below."""
    intervals = [part.wide if wide else part.interval for part in parts]
    return any(i.is_above_zero for i in intervals) and any(i.is_below_zero for i in intervals)


def decide(
    here: Interval,
    parts: Sequence[Part],
    sizes: Sizes,
    margin: float,
    cells: CellMeans | None,
    can_be_equal: bool = True,
) -> Kind:
    """The kind: depends on size, mixed, practically equal, better or worse, or inconclusive, the first that holds.

    Args:
        cells: for the test of single cells; None where they have one repetition.
        can_be_equal: false where the test images cannot resolve the margin.
    """
    if not here.is_known:
        return Kind.UNKNOWN
    if part_signs(parts, wide=True):
        return Kind.BY_SIZE
    if part_signs(parts, wide=False):
        return Kind.MIXED
    if can_be_equal and is_equal(here, sizes, margin, cells):
        return Kind.EQUAL
    if here.low > 0:
        return Kind.BETTER
    return Kind.WORSE if here.high < 0 else Kind.INCONCLUSIVE


def is_equal(here: Interval, sizes: Sizes, margin: float, cells: CellMeans | None) -> bool:
    """Whether the mean, the parts and, where they are repeated, the single cells are all as small as the margin."""
    if margin <= 0 or not here.lies_within(margin):
        return False
    if not rms_is_within(margin, sizes):
        return False
    return cells is None or cells_are_small(cells, sizes.df, margin)
