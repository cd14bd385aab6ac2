"""Many simulated studies of one design at once, whose difference at equal cost and whose fronts are known.

Accuracies follow a saturating curve of log cost; a cell's shape moves both arms of it; seeds
add their luck. Everything is in percent and percentage points.
"""

import math
from dataclasses import dataclass

import numpy as np

from scaling.statistics.bits import CellBits
from scaling.statistics.equal_cost import Fit, interval, prepare, residuals
from scaling.statistics.front_noise import FrontOdds, Noise, draw_means, fronts_under_noise, pooled_noise

LEVEL = 0.95
SPAN = 6.0  # e-folds of cost that the cells cover


@dataclass(frozen=True)
class Design:
    """What simulated studies have in common."""

    name: str
    cells: int = 6
    seeds: int = 3
    seed_sd: float = 0.3  # of one trial
    cell_sd: float = 0.0  # τ: of the true difference among cells
    shape_sd: float = 0.5  # of what a cell's shape does to both arms
    extra_cost: float = 0.1  # log of what the arm costs more
    effect: float = 0.0
    slope: float = 0.0  # of the effect, per e-fold of cost, around the middle
    heavy: bool = False  # seeds with Student's t of 3 degrees of freedom
    uneven: bool = False  # seed deviations from 0.1 to 0.9, by cell
    unpaired: bool = False  # the arms have cells of their own

    @property
    def log_costs(self) -> tuple[np.ndarray, np.ndarray]:
        """Of baseline and arm, NaN where an arm does not have the cell."""
        x = np.linspace(0, SPAN, self.cells)
        if not self.unpaired:
            return x, x + self.extra_cost
        nothing = np.full(self.cells, np.nan)
        return np.concatenate([x, nothing]), np.concatenate([nothing, x + self.extra_cost])

    def truth(self, x: np.ndarray) -> np.ndarray:
        """The difference at equal cost."""
        return self.effect + self.slope * (x - SPAN / 2)


def curve(x: np.ndarray) -> np.ndarray:
    """True accuracy of the baseline over log cost."""
    return 60 + 30 * (1 - np.exp(-(x + 0.7) / 2.8))


def cell_means(design: Design, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Mean accuracy of each cell and arm: (cells, 2, studies), NaN where an arm does not have the cell."""
    x = np.stack(design.log_costs, axis=1)
    cells = len(x)
    size = (cells, 2, studies)
    sd = np.linspace(0.9, 0.1, cells)[:, None, None] if design.uneven else design.seed_sd
    luck = rng.standard_t(3, size) / math.sqrt(3) if design.heavy else rng.standard_normal(size)
    true = curve(x)
    true[:, 1] += design.truth(x[:, 1])
    means = true[..., None] + sd / math.sqrt(design.seeds) * luck
    shapes = rng.standard_normal((cells, 2 if design.unpaired else 1, studies))
    means += design.shape_sd * shapes
    means[:, 1] += design.cell_sd * rng.standard_normal((cells, studies))
    return means


@dataclass(frozen=True)
class Shares:
    """Of the simulated studies, how many."""

    band_covers: float  # the whole true curve lies in the band
    mean_covers: float
    band_differs: float  # the band leaves out zero somewhere
    mean_differs: float
    naive_covers: float  # a percentile bootstrap over cells, of the mean, covers


def fit_of(design: Design) -> Fit:
    """The fit of the design; raise `AssertionError` where there is none."""
    baseline, arm = design.log_costs
    fit = prepare(np.exp(baseline), np.exp(arm), LEVEL)
    assert isinstance(fit, Fit)
    return fit


def equal_cost_shares(design: Design, studies: int, seed: int, naive: int = 0) -> Shares:
    """How the band and the mean at equal cost do in `studies` studies; in `naive` of them also a naive bootstrap."""
    rng = np.random.default_rng(seed)
    fit = fit_of(design)
    means = cell_means(design, studies, rng)
    truth = design.truth(fit.grid)
    band = interval(fit, fit.band, means, fit.sup_t)
    mean = interval(fit, fit.mean, means, LEVEL)
    weights = np.full(len(truth), 1.0)
    weights[[0, -1]] = 0.5
    mean_truth = float(weights @ truth / weights.sum())
    inside = ((band.low <= truth[:, None]) & (truth[:, None] <= band.high)).all(axis=0)
    zero = ((band.low <= 0) & (band.high >= 0)).all(axis=0)
    covers = (mean.low[0] <= mean_truth) & (mean_truth <= mean.high[0])
    differs = (mean.low[0] > 0) | (mean.high[0] < 0)
    covers_naively = [_naive(design, fit, means[..., study], mean_truth, rng) for study in range(naive)]
    return Shares(
        float(inside.mean()),
        float(covers.mean()),
        1 - float(zero.mean()),
        float(differs.mean()),
        float(np.mean(covers_naively)) if naive else math.nan,
    )


def _naive(design: Design, fit: Fit, means: np.ndarray, truth: float, rng: np.random.Generator) -> bool:
    """Whether a percentile bootstrap over cells covers the mean: what not to do with few cells."""
    left = residuals(fit, means[..., None])[..., 0]
    cells = len(means)
    drawn = left[rng.integers(0, cells, (500, cells))]
    estimates = np.einsum("cs,cs->", fit.mean.weights[0], np.nan_to_num(means)) + np.einsum(
        "cs,bcs->b", fit.mean.weights[0], drawn
    )
    low, high = np.quantile(estimates, [0.025, 0.975])
    return bool(low <= truth <= high)


@dataclass(frozen=True)
class FrontShares:
    """How fronts under noise do."""

    volume_covers: float
    difference_covers: float
    difference_differs: float  # the interval of the difference leaves out zero
    calibration: list[tuple[float, float, int]]  # mean probability given, share that is on the true front, how many
    sure_are_right: float  # of configurations with 95 % or more, how many are on the true front


def front_shares(
    cells: int, seeds: int, effect: float, extra_cost: float, shape_sd: float, studies: int, seed: int
) -> FrontShares:
    """Hypervolumes and front probabilities in simulated studies of two arms."""
    rng = np.random.default_rng(seed)
    covers = np.zeros((studies, 3), dtype=bool)
    given, true_on = [], []
    for study in range(studies):
        x = np.sort(rng.uniform(0, SPAN, cells))
        base = curve(x) + shape_sd * rng.standard_normal(cells)
        mu = np.stack([base, base + effect], axis=1)
        cost = np.exp(np.stack([x, x + extra_cost], axis=1)).ravel()
        scores = mu[:, :, None] + 0.3 * rng.standard_normal((cells, 2, seeds))
        cell, arm, number = (values.ravel() for values in np.indices(scores.shape))
        noise = pooled_noise(cell, arm, number, scores.ravel(), 2)
        assert isinstance(noise, Noise)
        place, of_arm = (values.ravel() for values in np.indices(mu.shape))
        mean = scores.mean(axis=2).ravel()
        drawn = draw_means(mean, np.full(2 * cells, seeds), place, of_arm, noise, np.random.default_rng(study))
        odds = fronts_under_noise("macs", cost, mean, of_arm, ["a", "b"], drawn[:, :400], LEVEL, False)
        assert isinstance(odds, FrontOdds)
        volumes = [_volume(cost[of_arm == side], mu[:, side], odds.reference) for side in (0, 1)]
        own, other = odds.volumes["a"].volume, odds.differences["b"].volume
        covers[study] = (
            own.low <= volumes[0] <= own.high,
            other.low <= volumes[1] - volumes[0] <= other.high,
            other.low > 0 or other.high < 0,
        )
        given.append(odds.own)
        true_on.append(np.stack([_on_front(cost[of_arm == side], mu[:, side]) for side in (0, 1)], axis=1).ravel())
    probability, on = np.concatenate(given), np.concatenate(true_on)
    fifths = np.minimum((probability * 5).astype(int), 4)
    calibration = [
        (float(probability[fifths == k].mean()), float(on[fifths == k].mean()), int((fifths == k).sum()))
        for k in range(5)
    ]
    shares = covers.mean(axis=0)
    return FrontShares(
        float(shares[0]), float(shares[1]), float(shares[2]), calibration, float(on[probability >= 0.95].mean())
    )


def _on_front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The front by its definition: nothing else costs no more and scores no less."""
    beaten = (cost[None, :] <= cost[:, None]) & (score[None, :] > score[:, None])
    return np.logical_not(beaten.any(axis=1))


def _volume(cost: np.ndarray, score: np.ndarray, reference: tuple[float, float]) -> float:
    """Area under the staircase of a front, over log₁₀ cost, above the reference; cell by cell."""
    area, best = 0.0, -math.inf
    order = np.argsort(cost)
    for here, after in zip(order, [*cost[order[1:]], reference[0]], strict=True):
        best = max(best, float(score[here]))
        area += max(0.0, best - reference[1]) * math.log10(after / cost[here])
    return area


@dataclass(frozen=True)
class ImageShares:
    """Of simulated studies whose test images are drawn too, how many."""

    covers: float  # the interval of the mean at equal cost, the images included
    covers_without: float  # without their share


def image_shares(cells: int, seeds: int, images: int, image_sd: float, studies: int, seed: int) -> ImageShares:
    """The mean at equal cost where the test set is a sample too; `image_sd`: points by which arms differ by image."""
    rng = np.random.default_rng(seed)
    design = Design("images", cells=cells, seeds=seeds, extra_cost=0.0)
    fit = fit_of(design)
    x = design.log_costs[0]
    right = np.empty((studies, 2), dtype=bool)
    for study in range(studies):
        gain = rng.normal(0.02, image_sd / 100, images)
        chance = (0.45 + 0.02 * x[:, None] + np.clip(rng.normal(0, 0.05, images), -0.1, 0.1))[:, None, :]
        chance = np.concatenate([chance, np.clip(chance + gain, 0, 1)], axis=1)
        bits = rng.random((cells, 2, seeds, images)) < chance[:, :, None, :]
        shares = bits.mean(axis=2).astype(np.float32)
        weights = (fit.inverse @ fit.design.reshape(-1, fit.design.shape[2]).T).reshape(-1, cells, 2)
        variance = CellBits(shares, images).variance(fit.mean.at, weights, 0, 1)
        means = 100.0 * shares.mean(axis=2)[..., None]
        for column, of_images in enumerate((variance, None)):
            ends = interval(fit, fit.mean, means, LEVEL, of_images=of_images)
            right[study, column] = ends.low[0, 0] <= 2.0 <= ends.high[0, 0]
    return ImageShares(float(right[:, 0].mean()), float(right[:, 1].mean()))
