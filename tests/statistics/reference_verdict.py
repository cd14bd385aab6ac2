"""A second implementation of the verdict's numbers, cell by cell and in scipy.stats' words, to hold the first against.

It shares no code with `scaling.statistics`, and favours plainness over speed.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass
class Reference:
    """What `comparison.assess` should find."""

    kind: str
    theta: float
    variance: float
    df: float
    half: float
    beyond_half: float | None
    parts: list[tuple[float, float, float]]  # mean, first and second half-width
    margin: float


def cells_of(baseline: np.ndarray, arm: np.ndarray) -> list[list[tuple[float, float]]]:
    return [
        [(b, a) for b, a in zip(row_b, row_a, strict=True) if math.isfinite(b) and math.isfinite(a)]
        for row_b, row_a in zip(baseline, arm, strict=True)
    ]


def satterthwaite(v: list[float], nu: list[int]) -> float:
    if not any(nu):
        return 1.0
    bottom = sum(x**2 / (n + 1) for x, n in zip(v, nu, strict=True) if n > 0)
    df = sum(v) ** 2 / bottom - 1 if bottom else math.inf
    return min(max(df, min(n for n in nu if n > 0)), sum(nu))


def smooth(d: np.ndarray, x: np.ndarray | None, axes: list[np.ndarray]) -> tuple[float, int]:
    """s² and C − p."""
    count = len(d)
    columns = [np.ones(count)]
    usable = [axis for axis in axes if len(set(axis)) > 1]
    if len(usable) >= 2:
        for axis in usable:
            logs = [math.log(v) if min(axis) > 0 else sorted(set(axis)).index(v) for v in axis]
            columns.append(np.array(logs, dtype=float))
        while count - len(columns) < 3 and len(columns) > 1:
            columns.pop()
    elif x is not None and len(set(x)) > 1:
        if count >= 5:
            columns.append(x - x.mean())
        if count >= 9:
            columns.append((x - x.mean()) ** 2)
    design = np.column_stack(columns)
    beta = np.linalg.lstsq(design, d, rcond=None)[0]
    df = count - len(columns)
    return float(((d - design @ beta) ** 2).sum()) / df, df


def reference(
    baseline: np.ndarray,
    arm: np.ndarray,
    cost: np.ndarray | None,
    names: list[str],
    axes: list[np.ndarray] | None = None,
    *,
    margin: float = 0.2,
    alpha: float = 0.05,
    arms: int = 1,
    images: int | None = None,
) -> Reference:
    pairs = [(i, cell) for i, cell in enumerate(cells_of(baseline, arm)) if cell]
    count = len(pairs)
    d = np.array([np.mean([a - b for b, a in cell]) for _, cell in pairs])
    reps = [len(cell) for _, cell in pairs]
    nu = [n - 1 for n in reps]
    floor = (100 / images) ** 2 / 6 if images else 0.0
    s2 = [
        max(float(np.var([a - b for b, a in cell], ddof=1)), floor) if len(cell) > 1 else math.nan for _, cell in pairs
    ]
    level = 1 - alpha / arms
    order_cost = np.array([math.nan if cost is None else cost[i] for i, _ in pairs])
    x = None if cost is None else np.log(order_cost)
    kept_axes = [np.array([axis[i] for i, _ in pairs]) for axis in axes or []]
    scatter = smooth(d, x, kept_axes) if count > 1 else (math.nan, 0)
    theta = float(d.mean())
    mean_error = 100 - float(np.mean([np.mean([b for b, _ in cell]) for _, cell in pairs]))
    m = max(0.0, min(margin, mean_error / 10))
    repeated = sum(nu) >= 2 or (count == 1 and sum(nu) == 1)
    if repeated:
        pooled = sum(n * s for n, s in zip(nu, s2, strict=True) if n) / sum(nu)
        s2 = [s if n else pooled for n, s in zip(nu, s2, strict=True)]
        v = [s / n / count**2 for s, n in zip(s2, reps, strict=True)]
        variance, df = sum(v), satterthwaite(v, nu)
    elif count > 1:
        scatter = (max(scatter[0], floor * float(np.mean([1 / n for n in reps]))), scatter[1])
        variance, df = scatter[0] / count, float(scatter[1])
    else:
        return Reference("unknown", theta, math.nan, math.nan, math.nan, None, [], m)
    half = float(stats.t.ppf((1 + level) / 2, df)) * math.sqrt(variance)

    groups = [list(range(count))]
    if x is not None and len(set(x)) > 1 and count > 3:
        order = sorted(range(count), key=lambda i: (order_cost[i], names[pairs[i][0]]))
        size = 2 if count < 9 else 3
        groups, start = [], 0
        for g in range(size):
            stop = start + count // size + (1 if g < count % size else 0)
            groups.append(order[start:stop])
            start = stop
    each = level ** (1 / len(groups))
    parts, variances = [], []
    for group in groups:
        n = len(group)
        if repeated:
            own = [s2[i] / reps[i] / n**2 for i in group]
            variances.append(sum(own))
            first = float(stats.t.ppf((1 + each) / 2, satterthwaite(own, [nu[i] for i in group]))) * math.sqrt(sum(own))
        else:
            variances.append(scatter[0] / n)
            first = float(stats.t.ppf((1 + each) / 2, scatter[1])) * math.sqrt(scatter[0] / n)
        wide = first
        if count > 1:
            wide = max(first, float(stats.t.ppf((1 + each) / 2, scatter[1])) * math.sqrt(scatter[0] / n))
        parts.append((float(d[group].mean()), first, wide))

    beyond = None
    sized = len(set(x)) > 1 if x is not None else len([a for a in kept_axes if len(set(a)) > 1]) > 1
    if count >= 3 and sized:
        beyond = max(half, float(stats.t.ppf((1 + level) / 2, scatter[1])) * math.sqrt(scatter[0] / count))

    def signs(which: int) -> bool:
        return any(p[0] - p[which] > 0 for p in parts) and any(p[0] + p[which] < 0 for p in parts)

    weights = [len(group) / count for group in groups]
    mean_variance = sum(w * v for w, v in zip(weights, variances, strict=True))

    def small(f: float, k: int, nc: float) -> bool:
        return not float(stats.ncf.cdf(f, k, df, nc)) > 0.05  # NaN far in the lower tail

    def equal() -> bool:
        if m <= 0 or abs(theta) + half > m or (images and 100 / images > m):
            return False
        f = sum(w * p[0] ** 2 for w, p in zip(weights, parts, strict=True)) / mean_variance
        if not small(f, len(parts), len(parts) * m**2 / mean_variance):
            return False
        if not repeated or count == 1:
            return True
        v_bar = float(np.mean([s / n for s, n in zip(s2, reps, strict=True)]))
        if stats.f.sf(d.var(ddof=1) / v_bar, count - 1, df) >= 0.2:
            return True
        return small(float((d**2).mean()) / v_bar, count, count * m**2 / v_bar)

    if signs(2):
        kind = "depends on size"
    elif signs(1):
        kind = "mixed"
    elif equal():
        kind = "practically equal"
    elif theta - half > 0:
        kind = "better"
    else:
        kind = "worse" if theta + half < 0 else "inconclusive"
    return Reference(kind, theta, variance, df, half, beyond, parts, m)
