"""Scaling laws whose scatter changes with the error: error = E + A · cost^−α, variance ∝ μ^(2ρ).

μ is the error by a quadratic in log-log, so that the weights do not depend on the law. For given α and ρ the law is
linear in E ≥ 0 and A ≥ 0; intervals are those of the profile likelihood over both (Bates and Watts 1988, chapter 6;
variance functions: Carroll and Ruppert 1988). A hinge in log-log is the rival that a floor must stand up to.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize

from scaling.statistics.estimates import Interval, t_quantile
from scaling.statistics.missing import Missing

RHOS = np.linspace(-1.5, 1.5, 7)
ALPHAS = 241
FINE = 33  # more of them between the neighbours of the likeliest
SPAN = (math.log(0.02), math.log(40.0))  # of log(α · range): from a straight line to a step at the cheapest cost
FEWEST_CELLS, FEWEST_COSTS = 6, 4
LEAST_RANGE = 4.0  # most over least cost
LEAST_ERROR = 1e-6  # percent
HINGES = 41
HINGE_EDGE = 0.2  # of the range, at either end, where no kink is looked for
HINGE_WINS = 2.0  # by which its −2 log-likelihood must be smaller
STEPS = 4  # of Gauss and Newton
SMALLEST = 1e-12


@dataclass(frozen=True)
class LawFit:
    """The law of an arm's test error along a cost."""

    alpha: Interval  # an end that the data leave open is 0 or infinite
    floor: Interval  # E, percent
    rho: float  # the likeliest
    amplitude: float  # points above the floor at `reference`
    reference: float
    low_cost: float
    high_cost: float
    likelihood: "_Likelihood"

    @property
    def tells_alpha(self) -> bool:
        """Whether the costs rule out any exponent at all."""
        return self.alpha.low > 0 or math.isfinite(self.alpha.high)

    @property
    def hinge_gain(self) -> float:
        """By how much a hinge's −2 log-likelihood is smaller."""
        return self.likelihood.hinge_gain

    @property
    def floor_is_known(self) -> bool:
        """Whether E = 0 is rejected, and a hinge is not the better law."""
        without = self.likelihood.without_floor - self.likelihood.least
        return without > self.likelihood.room(self.alpha.level) and self.hinge_gain <= HINGE_WINS

    def at(self, cost: np.ndarray) -> np.ndarray:
        """Error by the law: (costs,)."""
        x = np.log(np.asarray(cost, dtype=float) / self.reference)
        return self.floor.estimate + self.amplitude * np.exp(-self.alpha.estimate * x)

    def predict(self, cost: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the interval for a new cell at each cost: the wider of ρ = 0 and ρ profiled."""
        x = np.log(np.asarray(cost, dtype=float) / self.reference)
        bands = [self.likelihood.band(x, level, only_constant) for only_constant in (True, False)]
        low, high = np.minimum(bands[0][0], bands[1][0]), np.maximum(bands[0][1], bands[1][1])
        return np.maximum(low, 0.0), high


def fit_law(cost: np.ndarray, error: np.ndarray, level: float = 0.95) -> LawFit | Missing:
    """Fit the law to the cells of one arm.

    The interval of α holds where C log RSS_w − Σ log w is within C log(1 + t² / (C − 4)) of its minimum.

    Args:
        cost: (cells,), not finite or not positive where unknown.
        error: (cells,) mean over repetitions, percent.
    """
    cost, error = np.asarray(cost, dtype=float), np.asarray(error, dtype=float)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(cost) & (cost > 0) & np.isfinite(error)
    cost, error = cost[known], error[known]
    if len(cost) == 0:
        return Missing("unknown cost", "no cell has both this cost and an error")
    if len(cost) < FEWEST_CELLS or len(np.unique(cost)) < FEWEST_COSTS:
        said = f"{len(cost)} cells of {len(np.unique(cost))} costs; a law needs {FEWEST_CELLS} of {FEWEST_COSTS}"
        return Missing("too few costs", said)
    if cost.max() / cost.min() < LEAST_RANGE:
        said = f"costs differ by a factor of {cost.max() / cost.min():.2g}; a law needs {LEAST_RANGE:g}"
        return Missing("narrow range", said)
    reference = math.exp(float(np.log(cost).mean()))
    found = _Likelihood(np.log(cost / reference), error)
    row, column = found.best
    alpha = found.alphas[column]
    return LawFit(
        alpha=found.alpha_interval(level),
        floor=found.floor_interval(level),
        rho=float(RHOS[row]),
        amplitude=float(found.law[1][row, column] * math.exp(alpha * found.x.min())),
        reference=reference,
        low_cost=float(cost.min()),
        high_cost=float(cost.max()),
        likelihood=found,
    )


def exponent_difference(baseline: LawFit | Missing, arm: LawFit | Missing, level: float) -> Interval | Missing:
    """The exponent of an arm minus that of the baseline.

    The ends lie √(l² + u²) from the estimate, l and u the distances of the two exponents to the ends of their own
    intervals (MOVER; Zou and Donner 2008). Cells that both arms share make the interval wider than it need be.
    """
    for law in (baseline, arm):
        if isinstance(law, Missing):
            return law
    assert isinstance(baseline, LawFit)
    assert isinstance(arm, LawFit)
    one, other = (law.likelihood.alpha_interval(level) for law in (arm, baseline))
    difference = one.estimate - other.estimate
    low = difference - math.hypot(one.estimate - one.low, other.high - other.estimate)
    high = difference + math.hypot(one.high - one.estimate, other.estimate - other.low)
    return Interval(difference, low, high, level, min(one.df, other.df))


class _Likelihood:
    """−2 log-likelihood of the law, up to a constant, on a grid of ρ and α: arrays (rhos, alphas)."""

    def __init__(self, x: np.ndarray, error: np.ndarray) -> None:
        self.x, self.y = x, error
        self.count = len(x)
        self.curve = np.polyfit(x, np.log(np.maximum(error, LEAST_ERROR)), 2)
        self.log_w = self.log_weights(x)
        coarse = np.linspace(*SPAN, ALPHAS) - math.log(np.ptp(x))
        least = int(self._value(self._law(self._sums(np.exp(coarse)))[2]).min(axis=0).argmin())
        ends = coarse[max(least - 1, 0)], coarse[min(least + 1, ALPHAS - 1)]
        likeliest = _minimum(self._profile_alpha, *ends)
        self.alphas = np.exp(np.unique(np.concatenate([coarse, np.linspace(*ends, FINE), [likeliest]])))
        self.sums = self._sums(self.alphas)
        self.law = self._law(self.sums)
        self.values = self._value(self.law[2])
        self.best = divmod(int(self.values.argmin()), len(self.alphas))
        self.least = float(self.values.min())

    def log_weights(self, x: np.ndarray) -> np.ndarray:
        """Log of w = μ^(−2ρ), with 1 where the mean of log μ over the cells lies: (rhos, costs)."""
        log_mu = np.polyval(self.curve, x) - np.polyval(self.curve, self.x).mean()
        return -2 * RHOS[:, None] * np.clip(log_mu, -20, 20)

    def room(self, level: float, parameters: int = 4) -> float:
        """By how much −2 log-likelihood may exceed its minimum: C log(1 + t² / (C − parameters))."""
        freedom = self.count - parameters
        return self.count * math.log1p(t_quantile(level, freedom) ** 2 / freedom)

    def _sums(self, alphas: np.ndarray) -> tuple[np.ndarray, ...]:
        """Weighted sums of 1, z, z², y, zy and y², z = exp(−α (x − x₀)): (rhos, alphas) or (rhos, 1) each."""
        w, z, y = np.exp(self.log_w), np.exp(-np.outer(alphas, self.x - self.x.min())), self.y
        rows = (w.sum(axis=1), (w * y).sum(axis=1), (w * y**2).sum(axis=1))
        one, of_y, of_yy = (row[:, None] for row in rows)
        return one, w @ z.T, w @ (z**2).T, of_y, w @ (z * y).T, of_yy

    def _law(self, sums: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """E ≥ 0, A ≥ 0 (at the cheapest cost) and RSS_w."""
        one, sz, szz, sy, szy, syy = sums
        spread = np.maximum(szz - sz**2 / one, 1e-12 * szz)
        amplitude = np.maximum((szy - sz * sy / one) / spread, 0.0)
        floor = (sy - amplitude * sz) / one
        bound = np.maximum(szy / szz, 0.0)
        amplitude = np.where(floor < 0, bound, amplitude)
        floor = np.maximum(floor, 0.0)
        rss = syy - 2 * (floor * sy + amplitude * szy)
        rss += floor**2 * one + 2 * floor * amplitude * sz + amplitude**2 * szz
        return floor, amplitude, np.maximum(rss, SMALLEST)

    def _value(self, rss: np.ndarray) -> np.ndarray:
        return self.count * np.log(rss) - self.log_w.sum(axis=1, keepdims=True)

    def _profile_alpha(self, log_alpha: float) -> float:
        return float(self._value(self._law(self._sums(np.array([math.exp(log_alpha)])))[2]).min())

    def alpha_interval(self, level: float) -> Interval:
        """Where the profile over ρ, E and A stays within the room."""
        logs, limit = np.log(self.alphas), self.least + self.room(level)
        inside = np.flatnonzero(self.values.min(axis=0) <= limit)
        first, last = int(inside[0]), int(inside[-1])

        def crossing(one: int, other: int) -> float:
            return math.exp(_root(lambda a: self._profile_alpha(a) - limit, logs[one], logs[other]))

        low = crossing(first - 1, first) if first > 0 else 0.0
        high = crossing(last, last + 1) if last < len(logs) - 1 else math.inf
        return Interval(float(self.alphas[self.best[1]]), low, high, level, self.count - 4)

    def _profile_floor(self, floor: float) -> float:
        return float(self._values_with(floor, self.sums).min())

    def _values_with(self, floor: float, sums: tuple[np.ndarray, ...]) -> np.ndarray:
        """The values with a given E: (rhos, alphas)."""
        one, sz, szz, sy, szy, syy = sums
        product = szy - floor * sz
        rss = syy - 2 * floor * sy + floor**2 * one - np.maximum(product, 0.0) ** 2 / szz
        return self._value(np.maximum(rss, SMALLEST))

    @cached_property
    def without_floor(self) -> float:
        """The least value with E = 0."""
        logs = np.log(self.alphas)
        least = int(self._values_with(0.0, self.sums).min(axis=0).argmin())
        ends = logs[max(least - 1, 0)], logs[min(least + 1, len(logs) - 1)]

        def value(log_alpha: float) -> float:
            return float(self._values_with(0.0, self._sums(np.array([math.exp(log_alpha)]))).min())

        return min(value(_minimum(value, *ends)), self._profile_floor(0.0))

    def floor_interval(self, level: float) -> Interval:
        """Where the profile over ρ, α and A stays within the room, from E = 0 up."""
        limit, estimate = self.least + self.room(level), float(self.law[0][self.best])

        def excess(floor: float) -> float:
            return self._profile_floor(floor) - limit

        low = _root(excess, 0.0, estimate) if estimate > 0 and excess(0.0) > 0 > excess(estimate) else 0.0
        top = float(self.y.max()) * 2
        high = _root(excess, estimate, top) if excess(top) > 0 > excess(estimate) else math.inf
        return Interval(estimate, low, high, level, self.count - 4)

    @cached_property
    def hinge_gain(self) -> float:
        """By how much two slopes in log-log with a kink between are likelier: the law's least value minus the hinge's.

        log error = a + b x + c max(x − d, 0), by weighted least squares of the errors with ρ and d along grids.
        """
        edge = np.ptp(self.x) * HINGE_EDGE
        hinges = np.linspace(self.x.min() + edge, self.x.max() - edge, HINGES)
        bend = np.maximum(self.x - hinges[:, None], 0.0)
        design = np.stack([np.ones_like(bend), np.broadcast_to(self.x, bend.shape), bend], axis=2)  # (d, C, 3)
        w = np.exp(self.log_w)[:, None, :]  # (rhos, 1, C)
        log_y = np.log(np.maximum(self.y, LEAST_ERROR))
        theta = _solve(design, w * np.exp(2 * np.polyval(self.curve, self.x)), log_y)
        least = np.full(theta.shape[:2], np.inf)
        for _ in range(STEPS):
            logs = (design @ theta.transpose(1, 2, 0)).transpose(2, 0, 1)
            fitted = np.exp(np.clip(logs, -50, 50))
            residual = self.y - fitted
            least = np.minimum(least, (w * residual**2).sum(axis=2))
            theta = theta + _solve(design, w * fitted**2, residual / np.maximum(fitted, LEAST_ERROR))
        return self.least - float(self._value(np.maximum(least, SMALLEST)).min())

    def band(self, x: np.ndarray, level: float, only_constant: bool) -> tuple[np.ndarray, np.ndarray]:
        """Ends for a new cell at log costs, over all ρ and α that are within the room: ((x,), (x,)).

        Args:
            only_constant: take ρ = 0 for granted.
        """
        rows = np.flatnonzero(RHOS == 0) if only_constant else np.arange(len(RHOS))
        limit = self.values[rows].min() + self.room(level, 3 if only_constant else 4)
        most = np.exp((limit + self.log_w[rows].sum(axis=1, keepdims=True)) / self.count)  # RSS_w
        floor, amplitude, rss = (part[rows] for part in self.law)
        room = most - rss
        one, sz, szz = (np.broadcast_to(part[rows], rss.shape) for part in self.sums[:3])
        bound = floor <= 0
        spread = np.maximum(szz - sz**2 / one, 1e-12 * szz)
        noise = np.exp(-self.log_weights(x)[rows])  # (rhos, x)
        lows, highs = np.empty(len(x)), np.empty(len(x))
        for place, at in enumerate(x):
            z = np.exp(-self.alphas * (at - self.x.min()))
            law = np.where(bound, z**2 / szz, 1 / one + (z - sz / one) ** 2 / spread)
            half = np.sqrt(np.maximum(room, 0.0) * (noise[:, place : place + 1] + law))
            middle = floor + amplitude * z
            lows[place] = np.where(room >= 0, middle - half, np.inf).min()
            highs[place] = np.where(room >= 0, middle + half, -np.inf).max()
        return lows, highs


def _minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least."""
    found = optimize.minimize_scalar(function, bounds=(low, high), method="bounded", options={"xatol": 1e-7})
    return float(found.x)  # pyright: ignore[reportAttributeAccessIssue]


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function changes its sign; where rounding hides that it does, the end that is nearer to it."""
    ends = function(low), function(high)
    if ends[0] * ends[1] >= 0:
        return low if abs(ends[0]) <= abs(ends[1]) else high
    return float(optimize.brentq(function, low, high))  # pyright: ignore[reportArgumentType] # without full_output


def _solve(design: np.ndarray, weight: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weighted least squares for each ρ and hinge: design (d, C, p), weight (rhos, d or 1, C), target (…, C)."""
    hinges, cells, size = design.shape
    weight = np.broadcast_to(weight, (weight.shape[0], hinges, cells)).swapaxes(0, 1)  # (d, rhos, C), for matmul
    target = np.broadcast_to(target, (weight.shape[1], hinges, cells)).swapaxes(0, 1)
    products = (design[..., :, None] * design[..., None, :]).reshape(hinges, cells, size**2)
    gram = (weight @ products).swapaxes(0, 1).reshape(-1, hinges, size, size)
    right = ((weight * target) @ design).swapaxes(0, 1)
    scale = np.sqrt(np.maximum(np.einsum("rdpp->rdp", gram), 1e-300))
    gram = gram / (scale[..., :, None] * scale[..., None, :]) + 1e-12 * np.eye(design.shape[2])
    return np.linalg.solve(gram, (right / scale)[..., None])[..., 0] / scale
