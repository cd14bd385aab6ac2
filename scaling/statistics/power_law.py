"""Power laws with and without a floor: error = E + A · (cost / reference)^−α, by least squares and profile likelihood.

For a fixed α the law is linear in E and A (variable projection; Golub and Pereyra 1973). So the sum of squares is
computed along a grid of α, and every interval is a union over that grid of the intervals of a linear model: the
profile likelihood intervals of Bates and Watts (1988, chapter 6), with E ≥ 0 and A ≥ 0 held. Everything works on many
studies of one design at once: the last axis, (studies,).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

GRID, ZOOMS = 97, 3
FLOORED = (np.log(0.02), np.log(40.0))  # of log(α · range): below a straight line, above a step at the cheapest cost
UNFLOORED = (-8.0, 16.0)  # of α · range
SMALLEST = 1e-9  # points²; below it a sum of squares is rounding


@dataclass(frozen=True)
class Points:
    """Mean errors at distinct costs, of (studies,) with the same costs; see `fits.gather`."""

    x: np.ndarray  # (costs,) log of cost over the reference, rising
    y: np.ndarray  # (costs, studies) weighted mean error there, percent
    w: np.ndarray  # (costs,) sum of the weights of the cells there
    within: np.ndarray  # (studies,) weighted squares of cells around the mean of their cost
    cells: int

    def where(self, kept: np.ndarray, counts: np.ndarray) -> "Points":
        """The costs that are marked, (costs,) boolean; `counts` are cells by cost."""
        return Points(self.x[kept], self.y[kept], self.w[kept], self.within, int(counts[kept].sum()))


@dataclass(frozen=True)
class Estimates:
    """A parameter with its interval, arrays (studies,). An end that the data leave open is infinite."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class _Lines:
    """The linear model at each α of a grid; arrays (grid, studies)."""

    alpha: np.ndarray
    rss: np.ndarray  # with E ≥ 0 and A ≥ 0
    floor: np.ndarray
    amplitude: np.ndarray  # at the cheapest cost
    free: tuple[np.ndarray, np.ndarray, np.ndarray]  # E, its variance and the rss, where E may be negative
    tilt: np.ndarray  # by which A falls as E rises by one
    constant: tuple[np.ndarray, np.ndarray]  # (studies,) E and the rss where A = 0
    base: np.ndarray  # variance of the fitted value is base + (z − middle)² · slope
    middle: np.ndarray
    slope: np.ndarray


@dataclass(frozen=True)
class PowerFit:
    """A fitted law; arrays (studies,)."""

    has_floor: bool
    alpha: Estimates
    floor: Estimates  # percent
    amplitude: Estimates  # points above the floor at the reference cost
    variance: np.ndarray  # points², of a cell of weight 1
    freedom: int
    lines: _Lines
    room: np.ndarray  # (grid, studies) by which squares may rise; negative where α is outside its interval
    first: float  # x of the cheapest cost

    def at(self, x: np.ndarray) -> np.ndarray:
        """Error at log costs: (x, studies)."""
        z = np.exp(-self.alpha.estimate * (x[:, None] - self.first))
        return self.floor.estimate + self.amplitude.estimate * np.exp(-self.alpha.estimate * self.first) * z

    def band(self, x: np.ndarray, noise: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the interval of the law at log costs, or of a new cell with variance `noise` × `variance` there."""
        lines, inside = self.lines, self.room >= 0
        noise = np.broadcast_to(np.asarray(noise, dtype=float), x.shape)
        lows, highs = [], []
        for place, extra in zip(x, noise, strict=True):
            z = np.exp(-lines.alpha * (place - self.first))
            middle = lines.floor + lines.amplitude * z
            half = np.sqrt(np.maximum(self.room, 0) * (extra + lines.base + (z - lines.middle) ** 2 * lines.slope))
            lows.append(np.where(inside, middle - half, np.inf).min(axis=0))
            highs.append(np.where(inside, middle + half, -np.inf).max(axis=0))
        return np.maximum(np.array(lows), 0.0), np.array(highs)


def fit_power(
    points: Points, has_floor: bool, level: float, smallest_variance: float = 0.0, zooms: int = ZOOMS
) -> PowerFit:
    """Fit the law with or without a floor, with profile likelihood intervals of `level`.

    Args:
        smallest_variance: of a cell of weight 1, where the residuals come out smaller.
        zooms: how often the grid is narrowed; with one, α is right to about a hundredth.
    """
    count = points.y.shape[1]
    span = points.x[-1] - points.x[0]
    ends = FLOORED if has_floor else UNFLOORED
    steps = np.repeat(np.linspace(*ends, GRID)[:, None], count, axis=1)
    parameters = 3 if has_floor else 2
    freedom = max(1, points.cells - parameters)
    quantile = float(stats.t.ppf((1 + level) / 2, freedom)) ** 2
    best, never = np.full(count, np.inf), np.zeros(count, dtype=bool)
    touches = never, never
    for zoom in range(zooms + 1):
        alpha = (np.exp(steps) if has_floor else steps) / span
        lines = _solve(alpha if zoom else alpha[:, :1], points, has_floor)
        best = np.minimum(best, lines.rss.min(axis=0))
        variance = np.maximum(np.maximum(best, SMALLEST) / freedom, smallest_variance)
        room = best + quantile * variance - lines.rss
        inside = room >= 0
        touches = touches if zoom else (inside[0], inside[-1])
        if zoom == zooms:
            return _summarised(points, has_floor, lines, room, variance, freedom, touches)
        places = np.arange(GRID)[:, None]  # closer around what is inside
        first, last = np.where(inside, places, GRID).min(axis=0), np.where(inside, places, -1).max(axis=0)
        low = np.take_along_axis(steps, np.maximum(first - 1, 0)[None], axis=0)
        high = np.take_along_axis(steps, np.minimum(last + 1, GRID - 1)[None], axis=0)
        steps = low + (high - low) * np.linspace(0, 1, GRID)[:, None]
    raise AssertionError("the last zoom returns")


def _solve(alpha: np.ndarray, points: Points, has_floor: bool) -> _Lines:
    """Least squares at each α (grid, studies or 1)."""
    shift = points.x - points.x[0]
    z = np.exp(-alpha[:, None, :] * shift[:, None])  # (grid, costs, studies or 1)
    w, y = points.w[:, None], points.y
    sw, sy, syy = points.w.sum(), (w * y).sum(axis=0), (w * y**2).sum(axis=0) + points.within
    sz, szz = np.einsum("l,gls->gs", points.w, z), np.einsum("l,gls->gs", points.w, z**2)
    wy = w * y
    szy = z[:, :, 0] @ wy if z.shape[2] == 1 else np.einsum("gls,ls->gs", z, wy)
    alpha = np.broadcast_to(alpha, szy.shape)
    sz, szz = np.broadcast_to(sz, szy.shape), np.broadcast_to(szz, szy.shape)
    bound = np.maximum(szy / szz, 0.0)  # A where E = 0
    rss = np.maximum(syy - 2 * bound * szy + bound**2 * szz, 0.0)
    zero = np.zeros_like(szy)
    if not has_floor:
        return _Lines(alpha, rss, zero, bound, (zero, zero, rss), zero, (zero[0], zero[0]), zero, zero, 1 / szz)
    mean_y, mean_z = sy / sw, sz / sw
    centred = np.maximum(szz - sz * mean_z, 1e-12 * szz)
    total = np.maximum(syy - sy * mean_y, 0.0)
    product = szy - mean_z * sy
    amplitude = np.maximum(product / centred, 0.0)
    free_rss = np.maximum(total - amplitude * (2 * product - amplitude * centred), 0.0)
    floor = mean_y - amplitude * mean_z
    free = floor, 1 / sw + mean_z**2 / centred, free_rss
    is_bound = floor < 0
    return _Lines(
        alpha,
        np.where(is_bound, rss, free_rss),
        np.where(is_bound, 0.0, floor),
        np.where(is_bound, bound, amplitude),
        free,
        mean_z / centred / free[1],
        (mean_y, total),
        np.where(is_bound, 0.0, 1 / sw),
        np.where(is_bound, 0.0, mean_z),
        np.where(is_bound, 1 / szz, np.where(amplitude > 0, 1 / centred, 0.0)),
    )


def _summarised(
    points: Points,
    has_floor: bool,
    lines: _Lines,
    room: np.ndarray,
    variance: np.ndarray,
    freedom: int,
    touches: tuple[np.ndarray, np.ndarray],
) -> PowerFit:
    """Estimates and intervals from the last grid."""
    inside, first = room >= 0, points.x[0]

    def at_best(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, lines.rss.argmin(axis=0)[None], axis=0)[0]

    def union(low: np.ndarray, high: np.ndarray, mark: np.ndarray, estimate: np.ndarray) -> Estimates:
        ends = np.where(mark, low, np.inf).min(axis=0), np.where(mark, high, -np.inf).max(axis=0)
        return Estimates(estimate, np.minimum(ends[0], estimate), np.maximum(ends[1], estimate))

    alpha = union(lines.alpha, lines.alpha, inside, at_best(lines.alpha))
    lowest = 0.0 if has_floor else -np.inf
    alpha = Estimates(alpha.estimate, np.where(touches[0], lowest, alpha.low), np.where(touches[1], np.inf, alpha.high))
    value, spread, rss = lines.free
    free_room = np.maximum(room + lines.rss - rss, 0.0)
    half = np.sqrt(free_room * spread)
    # where the largest E would need a negative A, it is that of A = 0
    level = lines.constant[0] + np.sqrt(np.maximum(room + lines.rss - lines.constant[1], 0.0) / points.w.sum())
    most = np.where(lines.amplitude < lines.tilt * half, np.minimum(value + half, level), value + half)
    floor = union(np.maximum(value - half, 0.0), most, inside & (most >= 0), at_best(lines.floor))
    scale = np.exp(np.clip(lines.alpha * first, -700, 700))  # from the cheapest cost to the reference, where x = 0
    half = np.sqrt(np.maximum(room, 0.0) * lines.slope)
    amplitude = union(
        np.maximum(lines.amplitude - half, 0.0) * scale,
        (lines.amplitude + half) * scale,
        inside,
        at_best(lines.amplitude * scale),
    )
    return PowerFit(has_floor, alpha, floor, amplitude, variance, freedom, lines, room, float(first))
