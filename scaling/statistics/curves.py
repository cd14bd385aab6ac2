"""Curves through cells: natural cubic splines of the logarithm of a cost, as flexible as the cells support."""

import bisect
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

# Functions of the difference between two curves, and of the curve that both share, from so many cells an arm on. The
# difference is smoother than the curves; a few cells must not be spent on bends that they cannot show.
FEWEST_CELLS = 3
FROM_CELLS = (3, 5, 8, 16, 32, 64, 200)
DIFFERENCE = (1, 2, 2, 3, 4, 5, 6)
SHARED = (2, 3, 4, 5, 6, 8, 10)
APART = 1 / 40  # of the range; log costs that are closer are one place for a curve


@dataclass(frozen=True)
class Basis:
    """Natural cubic spline by its values at the knots: one function is a constant, two are a line."""

    knots: np.ndarray  # (functions,) ascending

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values of the functions at `x`, which lies between the outer knots: (…, functions)."""
        count = len(self.knots)
        if count == 1:
            return np.ones((*np.shape(x), 1))
        scaled = (np.asarray(x) - self.knots[0]) / (self.knots[-1] - self.knots[0])
        if count == 2:
            return np.stack([1 - scaled, scaled], axis=-1)
        places = (self.knots - self.knots[0]) / (self.knots[-1] - self.knots[0])
        return CubicSpline(places, np.eye(count), bc_type="natural")(scaled)


def natural_basis(x: np.ndarray, functions: int) -> Basis:
    """Knots at evenly spaced quantiles of the distinct values in `x`, ends included; fewer where there are fewer."""
    distinct = np.unique(x)
    functions = max(1, min(functions, len(distinct)))
    return Basis(np.quantile(distinct, np.linspace(0, 1, functions)) if functions > 1 else distinct[:1])


def places_along(x: np.ndarray) -> int:
    """How many places along the range the values of `x` take: a curve cannot bend within a heap of equal costs."""
    width = float(np.ptp(x)) * APART
    return len(np.unique(np.floor((x - x.min()) / width + 0.5))) if width > 0 else 1


def richness(cells: int) -> tuple[int, int]:
    """How many functions the difference and the shared curve may have, by the places of the arm that has fewer."""
    row = max(0, bisect.bisect_right(FROM_CELLS, cells) - 1)
    return DIFFERENCE[row], SHARED[row]
