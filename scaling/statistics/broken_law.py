"""A smoothly broken power law: two slopes in log-log, as in Caballero et al. 2022 (arXiv 2210.14891, equation 1, one
break, no floor).

    log error = log b − c₀ x − c₁ f · log(1 + exp((x − d) / f))          x: log cost; d: place of the break

For a fixed break d and width f it is linear, so that both are found along a grid.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from scaling.statistics.power_law import Points

BREAKS = 41  # places of the break that are tried, in the middle three fifths of the range
WIDTHS = (1 / 200, 1 / 12)  # of the break, in ranges: a hinge, and a smooth one
LEAST_ERROR = 1e-6  # percent; a mean error of nothing has no logarithm


@dataclass(frozen=True)
class BrokenFit:
    """A fitted law with a break; arrays (studies,)."""

    coefficients: np.ndarray  # (3, studies): log b, −c₀, −c₁
    place: np.ndarray  # x of the break
    width: np.ndarray

    @property
    def slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """The exponents α before and after the break."""
        return -self.coefficients[1], -self.coefficients[1] - self.coefficients[2]

    def at(self, x: np.ndarray) -> np.ndarray:
        """Error at log costs: (x, studies)."""
        bend = self.width * np.logaddexp(0, (x[:, None] - self.place) / self.width)
        log = self.coefficients[0] + self.coefficients[1] * x[:, None] + self.coefficients[2] * bend
        return np.exp(np.clip(log, -700, 700))


def fit_broken(points: Points) -> BrokenFit:
    """Least squares of log errors, weighted so that they count as squares of points."""
    x, count = points.x, points.y.shape[1]
    span = x[-1] - x[0]
    y = np.maximum(points.y, LEAST_ERROR)
    weight = points.w[:, None] * y**2
    weight = np.maximum(weight, 1e-12 * weight.max(axis=0))
    best = np.full(count, np.inf)
    found, where, wide = np.zeros((3, count)), np.zeros(count), np.ones(count)
    places = np.linspace(x[0] + span / 5, x[-1] - span / 5, BREAKS)
    for place, width in itertools.product(places, [share * span for share in WIDTHS]):
        design = np.stack([np.ones_like(x), x, width * np.logaddexp(0, (x - place) / width)], axis=1)
        gram = np.einsum("li,ls,lj->sij", design, weight, design)
        right = np.einsum("li,ls->si", design, weight * np.log(y))
        solved = np.linalg.pinv(gram, hermitian=True) @ right[:, :, None]
        coefficients = solved[:, :, 0].T
        rss = (weight * (np.log(y) - design @ coefficients) ** 2).sum(axis=0)
        is_better = rss < best
        best = np.where(is_better, rss, best)
        found, where = np.where(is_better, coefficients, found), np.where(is_better, place, where)
        wide = np.where(is_better, width, wide)
    return BrokenFit(found, where, wide)
