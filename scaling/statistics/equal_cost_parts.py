"""The difference at equal cost, on average over the range that both arms share and over its halves or thirds.

Each arm's curve is a polyline over log cost through the logits of its cells' accuracies: it supposes no shape. How far
single cells scatter about such a curve is seen from each cell against the line through its two neighbours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.statistics.estimates import SAME, Interval, Mean, only_finite
from scaling.statistics.kinds import Kind, Sizes, decide, usable_margin
from scaling.statistics.missing import Missing
from scaling.statistics.parts import Part, number_of_parts, part_level
from scaling.wording import plural

POINTS = 120  # of log cost along the shared range
LOWEST, HIGHEST = 0.005, 0.9995  # accuracies are clipped to these before their logit is taken
FEWEST_CELLS = 5  # an arm
UNPAIRED = 1.5  # by which arms with cells of their own have more degrees of freedom


@dataclass(frozen=True)
class Polyline:
    """An arm's cells in order of cost; arrays (cells,)."""

    x: np.ndarray  # log cost, rising
    p: np.ndarray  # accuracy as a share, clipped
    accuracy: np.ndarray  # percent
    names: tuple[frozenset[str], ...]  # of the cells that are averaged into each
    cells: np.ndarray  # places of the cells in the arrays that the line was made from
    group: np.ndarray  # which point of the line each of them went into

    def __len__(self) -> int:
        return len(self.x)

    def averaged(self, values: np.ndarray) -> np.ndarray:
        """Another number of the cells, averaged as their accuracies are: (cells of the arrays,) to (cells,)."""
        count = np.bincount(self.group, minlength=len(self))
        return np.bincount(self.group, values[self.cells], len(self)) / count

    @property
    def slope(self) -> np.ndarray:
        """p (1 − p): by how much the share moves with its logit."""
        return self.p * (1 - self.p)

    def hats(self, x: np.ndarray) -> np.ndarray:
        """B(x, c): the weight of each cell in the polyline at `x`, which lies in its range: (x, cells)."""
        left = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, len(self.x) - 2)
        share = (x - self.x[left]) / (self.x[left + 1] - self.x[left])
        values, rows = np.zeros((len(x), len(self.x))), np.arange(len(x))
        values[rows, left], values[rows, left + 1] = 1 - share, share
        return values

    def triples(self) -> np.ndarray:
        """Weights of each inner cell against the line through its neighbours, of length 1: (cells − 2, 3).

        (−(1 − w), 1, −w) / √(1 + w² + (1 − w)²), w the cell's place between its neighbours.
        """
        w = (self.x[1:-1] - self.x[:-2]) / (self.x[2:] - self.x[:-2])
        return np.stack([w - 1, np.ones_like(w), -w], axis=1) / np.sqrt(1 + w**2 + (1 - w) ** 2)[:, None]

    def residuals(self) -> np.ndarray:
        """Points by which inner cells are off the line through their neighbours on the logit scale; NaN at the ends."""
        logit = np.log(self.p / (1 - self.p))
        values = np.full(len(self.x), math.nan)
        neighbours = np.stack([logit[:-2], logit[1:-1], logit[2:]], axis=1)
        values[1:-1] = (self.triples() * neighbours).sum(axis=1) * self.slope[1:-1] * 100
        return values

    @property
    def freedom(self) -> float:
        """tr(A)² / tr(A²) with A = TᵀT of the triples' weights T: about half the inner cells.

        T Tᵀ has ones on its diagonal, and differs from zero on the two next to it on either side alone.
        """
        before, own, after = self.triples().T
        next_one = own[:-1] * before[1:] + after[:-1] * own[1:]
        next_but_one = after[:-2] * before[2:]
        return len(own) ** 2 / (len(own) + 2 * float((next_one**2).sum() + (next_but_one**2).sum()))


@dataclass(frozen=True)
class EqualCostParts:
    """Arm − baseline at equal cost, in points."""

    kind: Kind
    mean: Interval  # over the shared range, evenly in log cost
    parts: list[Part]
    margin: float
    low_cost: float  # of the shared range
    high_cost: float
    baseline: Polyline
    arm: Polyline
    cost: np.ndarray  # (POINTS,) at which the curves are held against each other
    difference: np.ndarray  # (POINTS,) points; no claim is made about single points


def polyline(cost: np.ndarray, accuracy: np.ndarray, names: Sequence[str]) -> Polyline:
    """An arm's cells in order of cost; cells of equal cost are averaged.

    Args:
        cost: (cells,), not finite or not positive where unknown.
        accuracy: (cells,) mean over repetitions in percent, NaN where there is none.
    """
    cost, accuracy = only_finite(cost), only_finite(accuracy)
    with np.errstate(invalid="ignore"):
        known = np.flatnonzero((cost > 0) & np.isfinite(accuracy))
    levels, place = np.unique(cost[known], return_inverse=True)
    means = np.bincount(place, accuracy[known], len(levels)) / np.bincount(place, minlength=len(levels))
    members = np.split(known[np.argsort(place, kind="stable")], np.cumsum(np.bincount(place, minlength=1))[:-1])
    groups = tuple(frozenset(str(names[i]) for i in cells) for cells in members[: len(levels)])
    return Polyline(np.log(levels), np.clip(means / 100, LOWEST, HIGHEST), means, groups, known, place)


def compare_at_equal_cost(baseline: Polyline, arm: Polyline, margin: float, level: float) -> EqualCostParts | Missing:
    """Compare two arms over the costs that both have.

    θ is the mean over 120 points of h(x) = 100 (p_arm − p_baseline), θ_g that over a half (fewer than nine cells in an
    arm) or a third of the range. Intervals: θ ± t(df) √V at `level`, θ_g ± t(df) √max(V, V_l) at level^(1/G).

    Args:
        margin: points within which a difference counts as none; not above a tenth of the baseline's mean error.
        level: 1 − α/k.
    """
    lines = (baseline, arm)
    fewest = min(len(line) for line in lines)
    if fewest < FEWEST_CELLS:
        said = f"too few: an arm has {plural(fewest, 'cell')} of different cost, and {FEWEST_CELLS} are needed"
        return Missing("too few cells", said)
    low, high = max(line.x[0] for line in lines), min(line.x[-1] for line in lines)
    if high - low < SAME:
        return Missing("no overlap", "no range of this cost is covered by both arms")
    x = low + (np.arange(POINTS) + 0.5) / POINTS * (high - low)
    curves = [_curve(line, x) for line in lines]
    difference = 100 * (curves[1] - curves[0])
    effects = [_effects(line, curve, x) * sign for line, curve, sign in zip(lines, curves, (-1, 1), strict=True)]
    pairs = _pairs(lines)
    df = arm.freedom if len(pairs) else UNPAIRED * min(line.freedom for line in lines)
    noise = _Noise(lines, pairs)
    count = number_of_parts(fewest)
    whole = Mean(float(difference.mean()), noise.pooled([own.mean(axis=0) for own in effects]), df)
    parts = []
    for places in np.array_split(np.arange(POINTS), count):
        weights = [own[places].mean(axis=0) for own in effects]
        mean = Mean(float(difference[places].mean()), max(noise.pooled(weights), noise.local(weights)), df)
        ends = (
            math.exp(low + places[0] / POINTS * (high - low)),
            math.exp(low + (places[-1] + 1) / POINTS * (high - low)),
        )
        interval = mean.interval(part_level(level, count))
        parts.append(Part(*ends, interval, interval, variance=mean.variance))
    weights = np.full(count, 1 / count)
    sizes = Sizes(np.array([p.interval.estimate for p in parts]), weights, sum(p.variance for p in parts) / count, df)
    used = usable_margin(margin, _baseline_mean(baseline, pairs))
    kind = decide(whole.interval(level), parts, sizes, used, None)
    ends = (math.exp(low), math.exp(high))
    return EqualCostParts(kind, whole.interval(level), parts, used, *ends, baseline, arm, np.exp(x), difference)


def _curve(line: Polyline, x: np.ndarray) -> np.ndarray:
    """The arm's accuracy as a share at log costs: (x,)."""
    return 1 / (1 + np.exp(-np.interp(x, line.x, np.log(line.p / (1 - line.p)))))


def _effects(line: Polyline, curve: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What a point of accuracy in each cell does to the curve at each x, in points: (x, cells).

    p (1 − p)(x) B(x, c) / (p_c (1 − p_c)), the derivative of the polyline on the logit scale.
    """
    return (curve * (1 - curve))[:, None] * line.hats(x) / line.slope


def _pairs(lines: tuple[Polyline, Polyline]) -> list[tuple[int, int]]:
    """Places in both arms of the cells that are the same."""
    where = {names: place for place, names in enumerate(lines[0].names)}
    return [(where[names], place) for place, names in enumerate(lines[1].names) if names in where]


def _baseline_mean(baseline: Polyline, pairs: list[tuple[int, int]]) -> float:
    """Mean accuracy of the baseline over the paired cells, or over all of its own where none is paired."""
    chosen = [place for place, _ in pairs] or list(range(len(baseline)))
    return float(baseline.accuracy[chosen].mean())


class _Noise:
    """The scatter of cells about their neighbours, and what it does to a mean with given weights of the cells."""

    def __init__(self, lines: tuple[Polyline, Polyline], pairs: list[tuple[int, int]]) -> None:
        self.residuals = [line.residuals() for line in lines]
        self.pairs = np.array(pairs, dtype=int).reshape(-1, 2)

    def pooled(self, weights: list[np.ndarray]) -> float:
        """V = Σ W_a² mean r_a² + Σ W_b² mean r_b² + 2 Σ W_a W_b mean r_a r_b, the last of paired cells; not below 0."""
        total = sum(float((own**2).sum() * np.nanmean(r**2)) for own, r in zip(weights, self.residuals, strict=True))
        if len(self.pairs):
            a, b = self.pairs.T
            products = self.residuals[0][a] * self.residuals[1][b]
            if np.isfinite(products).any():
                total += 2 * float((weights[0][a] * weights[1][b]).sum() * np.nanmean(products))
        return 0.0 if total < SAME**2 else total

    def local(self, weights: list[np.ndarray]) -> float:
        """V_l = Σ_inner (W_a r_a + W_b r_b)² · Σ_all W² / Σ_inner W²: the cells that carry the mean speak for it."""
        products = [own * np.nan_to_num(r) for own, r in zip(weights, self.residuals, strict=True)]
        together = products[1].copy()
        alone = products[0].copy()
        if len(self.pairs):
            a, b = self.pairs.T
            together[b] += products[0][a]
            alone[a] = 0.0
        squares = float((together**2).sum() + (alone**2).sum())
        every = sum(float((own**2).sum()) for own in weights)
        inner = sum(float((own[np.isfinite(r)] ** 2).sum()) for own, r in zip(weights, self.residuals, strict=True))
        return squares * every / inner if inner > 0 else 0.0
