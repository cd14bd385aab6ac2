"""Many simulated studies of one design, whose fronts are known.

Accuracies follow a saturating curve of log cost; a cell's shape moves both arms of it; repetitions add their luck.
Everything is in percent and percentage points.
"""

import math
from dataclasses import dataclass

import numpy as np

from scaling.statistics import LEVEL
from scaling.statistics.front_noise import FrontOdds, Noise, draw_means, fronts_under_noise, pooled_noise

SPAN = 6.0  # e-folds of cost that the cells cover


def curve(x: np.ndarray) -> np.ndarray:
    """True accuracy of the baseline over log cost."""
    return 60 + 30 * (1 - np.exp(-(x + 0.7) / 2.8))


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
