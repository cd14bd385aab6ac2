"""Fronts under noise: the probability that a configuration is on the front, and the area under an arm's front.

Each configuration's mean test accuracy is redrawn many times with the noise of seeds and test images, and the front and
hypervolume of every draw are computed. A bootstrap over the two or three seeds of a cell would underestimate the noise
by a third to a half. Deviations are therefore pooled over cells (which should be about equally noisy), drawn from a
multivariate normal over arms, because the arms of one seed share their luck, and scaled by √(df / χ²(df)), so that few
degrees of freedom widen the result as in Student's t.
"""

from dataclasses import dataclass

import numpy as np

from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing

FEW, MANY = 400, 2000  # draws: many where there are few configurations
BUDGET = 4_000_000  # draws × configurations
SURE = 0.8  # a front is stable where those on it are there in so many draws, and all others in less than 1 − this


@dataclass(frozen=True)
class Noise:
    """How much a trial's score moves, in percentage points."""

    covariance: np.ndarray  # (arms, arms) of trials of one cell and seed
    freedom: int


@dataclass(frozen=True)
class Volume:
    """The area that an arm's front covers, over log₁₀ of the cost, in points × decades."""

    volume: MeanInterval
    mean_points: MeanInterval  # the same by decade: how far the best is above the reference, on the average


@dataclass(frozen=True)
class FrontOdds:
    """Fronts over one cost, with their uncertainty. Arrays have one entry a configuration (cell and arm)."""

    cost: str
    own: np.ndarray  # probability of being on the front of its own arm
    joint: np.ndarray  # on the front of all arms together
    observed: np.ndarray  # boolean: on its own arm's front by mean test accuracy
    stable: dict[str, bool]  # by arm
    agreement: dict[str, float]  # by arm: mean of |both| / |either| of a drawn and the observed front (Jaccard)
    volumes: dict[str, Volume]
    differences: dict[str, Volume]  # arm − baseline, for the other arms
    reference: tuple[float, float]  # cost and accuracy that bound the area
    images_included: bool


def pooled_noise(cell: np.ndarray, arm: np.ndarray, seed: np.ndarray, score: np.ndarray, arms: int) -> Noise | Missing:
    """Pool the deviations of trials from the mean of their cell and arm; all arrays (trials,).

    Variances come from every repeated cell, correlations between arms from the seeds that both have.
    """
    group = cell * arms + arm
    size = int(group.max()) + 1 if len(group) else 0
    count = np.bincount(group, minlength=size)
    repeated = count[group] > 1
    if not repeated.any():
        return Missing("one seed", "each cell has one seed, so the effect of luck on a score is unknown")
    cell, arm, seed, score, group = (values[repeated] for values in (cell, arm, seed, score, group))
    mean = np.bincount(group, weights=score, minlength=size) / np.maximum(count, 1)
    deviation = (score - mean[group]) * np.sqrt(count[group] / (count[group] - 1))
    by_arm = np.bincount(np.arange(size) % arms, weights=np.maximum(count - 1, 0), minlength=arms)
    freedom = int(by_arm[by_arm > 0].min())  # of one arm: a difference of two of the same seeds has no more
    variance = float((deviation**2).mean())
    covariance = np.eye(arms) * variance
    places, which = np.unique(np.stack([cell, seed]), axis=1, return_inverse=True)
    wide = np.full((places.shape[1], arms), np.nan)
    wide[which.ravel(), arm] = deviation
    for one in range(arms):
        for other in range(one):
            both = np.isfinite(wide[:, one]) & np.isfinite(wide[:, other])
            if both.sum() > 2:
                correlation = float((wide[both, one] * wide[both, other]).mean()) / variance if variance else 0.0
                # One standard error is subtracted, because noise in the correlation costs coverage.
                certain = np.sign(correlation) * max(0.0, min(abs(correlation), 1.0) - 1 / np.sqrt(freedom))
                covariance[one, other] = covariance[other, one] = certain * variance
    return Noise(covariance, freedom)


def draw_means(
    mean: np.ndarray,
    trials: np.ndarray,
    cell: np.ndarray,
    arm: np.ndarray,
    noise: Noise,
    rng: np.random.Generator,
    of_images: np.ndarray | None = None,
) -> np.ndarray:
    """Redraw the configurations' means: (configurations, draws) float32.

    Args:
        mean, trials, cell, arm: of each configuration, (configurations,).
        of_images: share of its trials that got each image right, (configurations, images), scaled so that the variance
            of a mean over images is right (see `image_factors`).
    """
    draws = int(np.clip(BUDGET // max(1, len(mean)), FEW, MANY))
    arms = len(noise.covariance)
    values, vectors = np.linalg.eigh(noise.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)
    cells = int(cell.max()) + 1
    scale = np.sqrt(noise.freedom / rng.chisquare(noise.freedom, draws)).astype(np.float32)
    moved = np.empty((len(mean), draws), dtype=np.float32)
    drawn = [rng.standard_normal((cells, draws), dtype=np.float32) for _ in range(arms)]
    for place in range(arms):
        rows = arm == place
        total = sum(root[place, k] * drawn[k][cell[rows]] for k in range(arms) if root[place, k] != 0)
        moved[rows] = total * scale / np.sqrt(trials[rows])[:, None]
    moved += mean[:, None].astype(np.float32)
    if of_images is not None:
        images = of_images.shape[1]
        moved += of_images @ (rng.standard_normal((images, draws), dtype=np.float32) / np.float32(np.sqrt(images)))
    return moved


def image_factors(shares: np.ndarray, images: int) -> np.ndarray:
    """Centre shares (configurations, kept) so that their product with standard normals / √kept is the images' noise."""
    centred = shares - shares.mean(axis=1, keepdims=True)
    return np.float32(100 / np.sqrt(images)) * centred


def fronts_under_noise(
    cost_name: str,
    cost: np.ndarray,
    mean: np.ndarray,
    arm: np.ndarray,
    arms: list[str],
    drawn: np.ndarray,
    level: float,
    images_included: bool,
) -> FrontOdds | Missing:
    """Fronts and hypervolumes of all draws.

    Args:
        cost: lower is better; NaN where unknown, which is on no front.
        arm: place in `arms` of each configuration.
        drawn: (configurations, draws), from `draw_means`.
    """
    known = np.isfinite(cost) & (cost > 0) & np.isfinite(mean)
    if not known.any():
        return Missing("unknown cost", "no configuration with a score has this cost")
    low, high = float(cost[known].min()), float(cost[known].max())
    reference = (high, float(np.floor(mean[known].min())))
    own, joint = np.full(len(cost), np.nan), np.full(len(cost), np.nan)
    observed = np.zeros(len(cost), dtype=bool)
    stable, agreement, volumes, all_volumes = {}, {}, {}, {}
    decades = float(np.log10(high / low))
    for place, name in enumerate(arms):
        rows = np.flatnonzero(known & (arm == place))
        if len(rows) == 0:
            continue
        rows = rows[np.argsort(cost[rows], kind="stable")]
        front, best, at = _fronts(cost[rows], drawn[rows])
        first, best_first, _ = _fronts(cost[rows], mean[rows, None].astype(np.float32))
        own[rows] = front.mean(axis=1)
        observed[rows] = first[:, 0]
        either = (front | first).sum(axis=0)
        agreement[name] = float(((front & first).sum(axis=0) / np.maximum(either, 1)).mean())
        stable[name] = bool((own[rows][first[:, 0]] >= SURE).all() and (own[rows][~first[:, 0]] <= 1 - SURE).all())
        widths = np.diff(np.append(np.log10(at), np.log10(high)))
        drawn_volume = widths @ np.maximum(best - reference[1], 0)
        volume = float((widths @ np.maximum(best_first - reference[1], 0))[0])
        all_volumes[name] = (volume, drawn_volume)
        volumes[name] = _volume(volume, drawn_volume, level, decades, len(rows))
    rows = np.flatnonzero(known)
    rows = rows[np.argsort(cost[rows], kind="stable")]
    joint[rows] = _fronts(cost[rows], drawn[rows])[0].mean(axis=1)
    differences = {}
    if arms and arms[0] in all_volumes:
        base, drawn_base = all_volumes[arms[0]]
        for name in arms[1:]:
            if name in all_volumes:
                own_volume, drawn_own = all_volumes[name]
                cells = min(volumes[name].volume.n, volumes[arms[0]].volume.n)
                differences[name] = _volume(own_volume - base, drawn_own - drawn_base, level, decades, cells)
    return FrontOdds(
        cost_name, own, joint, observed, stable, agreement, volumes, differences, reference, images_included
    )


def _fronts(cost: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fronts of many draws of scores (n, draws) at ascending costs (n,): membership (n, draws), best score so far at
    each distinct cost (levels, draws), and these costs (levels,). The rule is that of `pareto.on_front`."""
    at, firsts, level_of = np.unique(cost, return_index=True, return_inverse=True)
    at_level = scores if len(at) == len(cost) else np.maximum.reduceat(scores, firsts, axis=0)
    best = np.maximum.accumulate(at_level, axis=0)
    improves = np.ones(best.shape, dtype=bool)
    improves[1:] = at_level[1:] > best[:-1]
    if len(at) == len(cost):
        return improves, best, at
    return improves[level_of] & (scores == at_level[level_of]), best, at


def _volume(observed: float, drawn: np.ndarray, level: float, decades: float, n: int) -> Volume:
    """The basic bootstrap interval.

    The best of noisy scores is too good on the average, and the draws, noisy twice, show by how
    much. 2 · observed − quantiles of the draws takes
    that out (Davison and Hinkley 1997, section 5.2).
    """
    low, high = 2 * observed - np.quantile(drawn, [(1 + level) / 2, (1 - level) / 2])
    estimate = 2 * observed - float(drawn.mean())
    volume = MeanInterval(estimate, float(low), float(high), level, n)
    if decades == 0:
        return Volume(volume, MeanInterval(float("nan"), float("nan"), float("nan"), level, n))
    return Volume(volume, MeanInterval(estimate / decades, float(low) / decades, float(high) / decades, level, n))
