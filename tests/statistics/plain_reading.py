"""A reading of the rest of the verdict in plain loops: equal cost, lost trials, further runs, shared seeds, grids.

It shares no code with `scaling.statistics`; HERE itself is in `reference_verdict.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

POINTS = 120
MOST = 200


def t_value(level: float, df: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, df))


# Lost trials


def filled_with_worst(own: np.ndarray, other: np.ndarray, gone: np.ndarray) -> np.ndarray | None:
    """An arm's scores with its lost trials at the worst; None where there is none, or no cell repeats.

    Only trials that the other arm finished count, and only in cells where this arm finished one.
    """
    cells, repetitions = own.shape
    lost = [
        (i, j)
        for i in range(cells)
        for j in range(repetitions)
        if gone[i, j] and math.isnan(own[i, j]) and math.isfinite(other[i, j])
    ]
    scores = [[value for value in row if math.isfinite(value)] for row in own]
    planned = max(len(row) + int((gone[i] & np.isnan(own[i])).sum()) for i, row in enumerate(scores))
    deviations = [value - sum(row) / len(row) for row in scores if len(row) > 1 for value in row]
    if not lost or not deviations or planned < 2:
        return None
    worst = min(deviations) * math.sqrt(planned / (planned - 1))
    filled = own.copy()
    for i, j in lost:
        if scores[i]:
            filled[i, j] = sum(scores[i]) / len(scores[i]) + worst
    return filled


# Further runs


def fewest_further(theta: float, have: float, units: float, sigma: float, delta: float, alpha: float) -> int | None:
    """Smallest n that shows δ in four of five cases."""
    for n in range(1, MOST + 1):
        mean = (have * abs(theta) + n * delta) / (have + n)
        luck = stats.norm.ppf(0.8) * sigma * math.sqrt(n / units) / (have + n)
        reach = t_value(1 - alpha, units * (have + n - 1)) * sigma / math.sqrt(units * (have + n))
        if mean - luck - reach >= 0:
            return n
    return None


def fewest_that_settle(have: float, units: float, sigma: float, margin: float, alpha: float) -> int | None:
    for n in range(1, MOST + 1):
        if t_value(1 - alpha, units * (have + n - 1)) * sigma / math.sqrt(units * (have + n)) <= margin / 2:
            return n
    return None


def cautious(variance: float, df: float) -> float:
    return math.sqrt(variance * df / stats.chi2.ppf(0.3, df))


# Seeds that all cells share, and grids


def half_width_over_seeds(differences: np.ndarray, level: float) -> float:
    """t over seeds of the mean over cells, for a table without holes."""
    by_seed = [float(np.mean(differences[:, j])) for j in range(differences.shape[1])]
    return t_value(level, len(by_seed) - 1) * math.sqrt(float(np.var(by_seed, ddof=1)) / len(by_seed))


def half_width_of_other_levels(grid: np.ndarray, level: float) -> float:
    """Two-way random effects: (depths, widths) of cell means."""
    d, w = grid.shape
    ms_a = w * float(np.var(grid.mean(axis=1), ddof=1))
    ms_b = d * float(np.var(grid.mean(axis=0), ddof=1))
    v_a, v_b = ms_a / (d * w), ms_b / (d * w)
    df = max((v_a + v_b) ** 2 / (v_a**2 / (d + 1) + v_b**2 / (w + 1)) - 2, min(d, w) - 1)
    return t_value(level, df) * math.sqrt(v_a + v_b)


# Equal cost


@dataclass
class Arm:
    """An arm's cells in order of cost, those of equal cost averaged."""

    x: np.ndarray
    accuracy: np.ndarray
    names: list[frozenset[str]]


def arm_of(cost: np.ndarray, accuracy: np.ndarray, names: Sequence[str]) -> Arm:
    known = [i for i in range(len(cost)) if cost[i] > 0 and math.isfinite(accuracy[i])]
    levels = sorted({float(cost[i]) for i in known})
    groups = [[i for i in known if cost[i] == level] for level in levels]
    means = [float(np.mean([accuracy[i] for i in group])) for group in groups]
    return Arm(np.log(levels), np.array(means), [frozenset(names[i] for i in group) for group in groups])


@dataclass
class Weighted:
    """An arm on the shared range."""

    share: np.ndarray  # (POINTS,)
    weights: np.ndarray  # (POINTS, cells)
    residual: np.ndarray  # (cells,), NaN at both ends
    df: float


def weighted(arm: Arm, at: np.ndarray, sign: int) -> Weighted:
    count = len(arm.x)
    p = np.clip(arm.accuracy / 100, 0.005, 0.9995)
    logit = np.log(p / (1 - p))
    share = 1 / (1 + np.exp(-np.interp(at, arm.x, logit)))
    hats = np.stack([np.interp(at, arm.x, np.eye(count)[c]) for c in range(count)], axis=1)
    triples, residual = np.zeros((count - 2, count)), np.full(count, math.nan)
    for c in range(1, count - 1):
        w = (arm.x[c] - arm.x[c - 1]) / (arm.x[c + 1] - arm.x[c - 1])
        root = math.sqrt(1 + w**2 + (1 - w) ** 2)
        triples[c - 1, c - 1 : c + 2] = np.array([-(1 - w), 1, -w]) / root
        off = logit[c] - ((1 - w) * logit[c - 1] + w * logit[c + 1])
        residual[c] = off * p[c] * (1 - p[c]) * 100 / root
    a = triples.T @ triples
    effect = sign * (share * (1 - share))[:, None] * hats / (p * (1 - p))
    return Weighted(share, effect, residual, float(np.trace(a) ** 2 / np.trace(a @ a)))


@dataclass
class AtEqualCost:
    theta: float
    half: float
    parts: list[tuple[float, float]]  # mean and half-width


def at_equal_cost(a: Arm, b: Arm, level: float) -> AtEqualCost | None:
    """None where an arm has fewer than five cells or no range is shared."""
    low, high = max(a.x[0], b.x[0]), min(a.x[-1], b.x[-1])
    if min(len(a.x), len(b.x)) < 5 or high - low < 1e-9:
        return None
    at = low + (np.arange(POINTS) + 0.5) / POINTS * (high - low)
    one, other = weighted(a, at, -1), weighted(b, at, 1)
    pairs = [(a.names.index(name), j) for j, name in enumerate(b.names) if name in a.names]
    df = other.df if pairs else 1.5 * min(one.df, other.df)
    h = 100 * (other.share - one.share)
    size = 2 if min(len(a.x), len(b.x)) < 9 else 3

    def variances(places: slice) -> tuple[float, float]:
        w_a, w_b = one.weights[places].mean(axis=0), other.weights[places].mean(axis=0)
        return pooled(w_a, w_b, one.residual, other.residual, pairs), local(
            w_a, w_b, one.residual, other.residual, pairs
        )

    variance = variances(slice(None))[0]
    parts = []
    for g in range(size):
        places = slice(g * POINTS // size, (g + 1) * POINTS // size)
        parts.append((float(h[places].mean()), t_value(level ** (1 / size), df) * math.sqrt(max(variances(places)))))
    half = t_value(level, df) * math.sqrt(variance) if variance > 0 else math.nan
    return AtEqualCost(float(h.mean()), half, parts)


Pairs = list[tuple[int, int]]


def pooled(w_a: np.ndarray, w_b: np.ndarray, r_a: np.ndarray, r_b: np.ndarray, pairs: Pairs) -> float:
    total = float((w_a**2).sum() * np.nanmean(r_a**2) + (w_b**2).sum() * np.nanmean(r_b**2))
    products = [r_a[i] * r_b[j] for i, j in pairs if math.isfinite(r_a[i] * r_b[j])]
    if products:
        total += 2 * sum(w_a[i] * w_b[j] for i, j in pairs) * float(np.mean(products))
    return max(total, 0.0)


def local(w_a: np.ndarray, w_b: np.ndarray, r_a: np.ndarray, r_b: np.ndarray, pairs: Pairs) -> float:
    parts_a, parts_b = np.nan_to_num(w_a * r_a), np.nan_to_num(w_b * r_b)
    total = sum((parts_a[i] + parts_b[j]) ** 2 for i, j in pairs)
    total += sum(parts_a[i] ** 2 for i in range(len(w_a)) if i not in {i for i, _ in pairs})
    total += sum(parts_b[j] ** 2 for j in range(len(w_b)) if j not in {j for _, j in pairs})
    every = float((w_a**2).sum() + (w_b**2).sum())
    inner = float((w_a[np.isfinite(r_a)] ** 2).sum() + (w_b[np.isfinite(r_b)] ** 2).sum())
    return float(total) * every / inner if inner else 0.0
