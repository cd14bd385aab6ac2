"""Many simulated studies whose scaling law is known: exponent, floor, and how the arms differ."""

import math
from dataclasses import dataclass

import numpy as np

from scaling.statistics.fits import correlation_of, difference_of, influence_of
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.power_law import Estimates, Points, PowerFit, fit_power

LEVEL = 0.95


@dataclass(frozen=True)
class LawDesign:
    """What simulated studies have in common; errors in percent."""

    cells: int = 12
    floor: float = 5.0
    alpha: float = 0.3
    gap: float = 0.05  # by which the exponent of the second arm is larger
    amplitude: float = 10.0  # at the geometric middle of the costs
    decades: float = 2.6  # of cost
    seeds: int = 3
    seed_sd: float = 0.3  # of one trial
    shape_sd: float = 0.0  # by which a cell's shape moves both arms

    @property
    def x(self) -> np.ndarray:
        return np.linspace(-0.5, 0.5, self.cells) * self.decades * math.log(10)

    def errors(self, arm: int, studies: int, shape: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Mean errors: (cells, studies)."""
        law = self.floor + self.amplitude * np.exp(-(self.alpha + arm * self.gap) * self.x)
        return law[:, None] + shape + rng.normal(0, self.seed_sd / math.sqrt(self.seeds), (self.cells, studies))


@dataclass(frozen=True)
class LawShares:
    """Shares of simulated studies."""

    alpha: float  # whose interval holds the truth
    floor: float
    amplitude: float
    difference: float
    predicted: float  # share of the cells of the largest third within their prediction intervals
    identified: float  # floor distinguished from 0
    open: float  # α without an upper end
    median: float  # of the exponent found


def law_shares(design: LawDesign, studies: int, seed: int) -> LawShares:
    """Fit `studies` simulated studies and count."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, 1, (design.cells, studies)) * design.shape_sd
    errors = [design.errors(arm, studies, shape, rng) for arm in (0, 1)]
    fits = [fit_power(_points(design.x, y), True, LEVEL) for y in errors]
    one = fits[0]
    return LawShares(
        alpha=_covers(one.alpha, design.alpha),
        floor=_covers(one.floor, design.floor),
        amplitude=_covers(one.amplitude, design.amplitude),
        difference=float(np.mean([_difference_covers(design, fits, errors, study) for study in range(studies)])),
        predicted=_predicted(design, errors[0]),
        identified=float(((one.floor.low > 0) & np.isfinite(one.alpha.high)).mean()),
        open=float(np.isinf(one.alpha.high).mean()),
        median=float(np.median(one.alpha.estimate)),
    )


def _points(x: np.ndarray, y: np.ndarray) -> Points:
    return Points(x, y, np.ones(len(x)), np.zeros(y.shape[1]), len(x))


def _covers(found: Estimates, truth: float) -> float:
    return float(((found.low <= truth + 1e-9) & (truth - 1e-9 <= found.high)).mean())


def _difference_covers(design: LawDesign, fits: list[PowerFit], errors: list[np.ndarray], study: int) -> bool:
    weight = np.ones(design.cells)
    residual = [y[:, study] - _law(fit, design.x, study) for y, fit in zip(errors, fits, strict=True)]
    influence = [influence_of(fit, design.x, weight, study) for fit in fits]
    one, other = (
        MeanInterval(float(of.estimate[study]), float(of.low[study]), float(of.high[study]), LEVEL, design.cells)
        for of in (fit.alpha for fit in fits)
    )
    together = correlation_of((residual[0], residual[1]), (influence[0], influence[1]))
    found = difference_of(other, one, together)
    return found.low <= design.gap <= found.high


def _law(fit: PowerFit, x: np.ndarray, study: int) -> np.ndarray:
    return fit.floor.estimate[study] + fit.amplitude.estimate[study] * np.exp(-fit.alpha.estimate[study] * x)


def _predicted(design: LawDesign, errors: np.ndarray) -> float:
    kept = max(5, design.cells - max(1, round(design.cells / 3)))
    part, ahead = _points(design.x[:kept], errors[:kept]), design.x[kept:]
    fits = [fit_power(part, has_floor, LEVEL) for has_floor in (False, True)]
    bands = [fit.band(ahead, 1.0) for fit in fits]
    low, high = np.min([band[0] for band in bands], axis=0), np.max([band[1] for band in bands], axis=0)
    return float(((low <= errors[kept:]) & (errors[kept:] <= high)).mean())
