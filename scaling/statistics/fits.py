"""Scaling fits: which law the errors of an arm follow along a cost, with what exponent, and what it foretells.

A law needs two distinct costs more than it has parameters, over a factor of four. Intervals of α, E and A are always
those of the law with a floor, which contains the one without; choosing a law first and then trusting its interval would
be too sure.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaling.statistics.broken_law import BrokenFit, fit_broken
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.statistics.power_law import Estimates, Points, PowerFit, fit_power

Law = Literal["no floor", "floor", "broken"]
FEWEST: dict[Law, int] = {"no floor": 4, "floor": 5, "broken": 8}  # distinct costs; broken: four on each side
LEAST_RANGE = 4.0  # largest over smallest cost
SAME_COST = 1 / 250  # of the range in log cost: nearer costs are one
MOST_FOLDS = 10
TOP = 1 / 3  # of the distinct costs, the largest, are held out and predicted from the others


@dataclass(frozen=True)
class Gathered:
    """Cells of one arm along one cost, gathered at distinct costs."""

    points: Points
    reference: float  # cost at which A is given: the geometric middle of the range
    level: np.ndarray  # (cells known,) place of each cell among the distinct costs
    known: np.ndarray  # (cells,) which cells these are
    counts: np.ndarray  # (costs,) cells


@dataclass(frozen=True)
class HeldOutPrediction:
    """Prediction of the largest costs from the smaller ones; arrays are (cells held out,)."""

    law: Law
    costs: int  # distinct, that the law was fitted to
    until: float  # the largest of those
    cell: np.ndarray  # places among the cells given
    cost: np.ndarray
    measured: np.ndarray  # percent error
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def within(self) -> float:
        """Share of the measured errors that lie within their prediction intervals."""
        return float(((self.low <= self.measured) & (self.measured <= self.high)).mean())


@dataclass(frozen=True)
class ScalingFit:
    """The law of one arm along one cost."""

    law: Law  # chosen by held-out error
    held_out: dict[Law, float]  # root mean square error at costs left out, points
    alpha: MeanInterval  # of the law with a floor where costs carry it; an open end is infinite
    floor: MeanInterval | None  # E, percent; None where the costs carry no floor
    amplitude: MeanInterval  # A: points above the floor at `reference`
    plain_alpha: MeanInterval  # of the law without a floor: the slope in log-log over this range
    slopes: tuple[float, float] | None  # before and after the break, where the law is broken
    floor_is_known: bool  # whether E differs from 0 and α is bounded
    reference: float  # cost
    costs: int  # distinct
    cells: int
    spread: float  # standard deviation of cells around the law, points
    grid: np.ndarray  # (grid,) costs
    error: np.ndarray  # (grid,) percent, of the chosen law
    low: np.ndarray  # (grid,) of its pointwise band; NaN for a broken law
    high: np.ndarray
    influence: np.ndarray  # (cells,) what a cell's residual does to α; NaN where the cell is not known
    residual: np.ndarray  # (cells,) points; NaN where not known
    held_out_prediction: HeldOutPrediction | Missing


def gather(cost: np.ndarray, error: np.ndarray, weight: np.ndarray) -> Gathered | Missing:
    """Gather cells at distinct costs; Missing where they cannot carry any law.

    Args:
        cost: (cells,), not finite or not positive where unknown.
        error: (cells,) or (cells, studies), percent.
        weight: (cells,), about 1: the inverse variance of a cell's mean.
    """
    errors = error[:, None] if error.ndim == 1 else error
    known = np.flatnonzero(np.isfinite(cost) & (cost > 0) & np.isfinite(errors).all(axis=1))
    if len(known) == 0:
        return Missing("unknown cost", "no cell has both this cost and an error")
    logs = np.log(cost[known])
    low, high = float(logs.min()), float(logs.max())
    if len(known) > 1 and high - low < 1e-9:
        return Missing("equal costs", "all cells cost the same")
    order = np.argsort(logs, kind="stable")
    steps = np.floor((logs[order] - low) / max((high - low) * SAME_COST, 1e-9) + 1e-6)
    level = np.empty(len(known), dtype=int)
    level[order] = np.cumsum(np.r_[0, np.diff(steps) > 0])
    counts = np.bincount(level)
    fewest = min(FEWEST.values())
    if len(counts) < fewest:
        return Missing("too few costs", f"{len(counts)} distinct costs carry no law; {fewest} are the fewest")
    if high - low < math.log(LEAST_RANGE) - 1e-9:
        return Missing(
            "narrow range", f"costs differ by a factor of {math.exp(high - low):.2g}; a law needs {LEAST_RANGE:g}"
        )
    w, y = weight[known], errors[known]
    sums = np.bincount(level, w)
    middle = (low + high) / 2
    x = np.bincount(level, w * (logs - middle)) / sums
    means = np.zeros((len(counts), y.shape[1]))
    np.add.at(means, level, w[:, None] * y)
    means /= sums[:, None]
    within = (w[:, None] * (y - means[level]) ** 2).sum(axis=0)
    return Gathered(Points(x, means, sums, within, len(known)), math.exp(middle), level, known, counts)


def carried(costs: int) -> list[Law]:
    """The laws that so many distinct costs can carry, the simplest first."""
    return [law for law, fewest in FEWEST.items() if costs >= fewest]


def choose(points: Points, counts: np.ndarray) -> tuple[Law, dict[Law, float]]:
    """Choose the law of one study by its error at held-out blocks of neighbouring costs, both ends included.

    A law with more parameters is chosen if its squared error is smaller by more than one standard error over the
    blocks. Return the law and the root mean square errors in points.
    """
    number = len(points.x)
    block = np.arange(number) * min(number, MOST_FOLDS) // number
    blocks = np.unique(block)
    largest = max(int((block == one).sum()) for one in blocks)
    laws: list[Law] = [law for law in carried(number) if number - largest >= FEWEST[law] - 1]
    if len(laws) < 2:
        return "no floor", {}
    squares: dict[Law, np.ndarray] = {}
    for law in laws:
        errors = np.full(number, np.nan)
        for one in blocks:
            kept = block != one
            fitted = _quick(law, points.where(kept, counts)).at(points.x[~kept])
            errors[~kept] = ((fitted - points.y[~kept]) ** 2)[:, 0]
        squares[law] = np.array([np.average(errors[block == one], weights=points.w[block == one]) for one in blocks])
    best: Law = "no floor"
    for law in laws[1:]:
        gain = squares[best] - squares[law]
        if gain.mean() > gain.std(ddof=1) / math.sqrt(len(gain)):
            best = law
    return best, {law: math.sqrt(float(values.mean())) for law, values in squares.items()}


def _quick(law: Law, points: Points) -> PowerFit | BrokenFit:
    """A law for its curve alone."""
    return fit_broken(points) if law == "broken" else fit_power(points, law == "floor", 0.5, zooms=1)


def fit_scaling(
    cost: np.ndarray,
    error: np.ndarray,
    weight: np.ndarray,
    level: float,
    smallest_variance: float = 0.0,
    *,
    with_rest: bool = True,
) -> ScalingFit | Missing:
    """Fit the laws to the cells of one arm; arrays (cells,), see `gather`.

    Args:
        smallest_variance: points², of a cell's mean, where residuals come out smaller: accuracies are counted images.
        with_rest: also choose a law and foretell; without, the intervals alone are wanted.
    """
    found = gather(cost, error, weight)
    if isinstance(found, Missing):
        return found
    points, number = found.points, len(found.counts)
    law, held_out = choose(points, found.counts) if with_rest else ("no floor", {})
    plain = fit_power(points, False, level, smallest_variance)
    fullest = fit_power(points, True, level, smallest_variance) if "floor" in carried(number) else plain
    chosen = plain if law == "no floor" else fullest
    broken = fit_broken(points) if law == "broken" else None
    x = np.linspace(points.x[0], points.x[-1], 65)
    curve = (broken or chosen).at(x)[:, 0]
    low, high = (np.full(len(x), math.nan),) * 2 if broken else tuple(end[:, 0] for end in chosen.band(x))
    residual, influence = np.full((2, len(cost)), math.nan)
    logs = np.log(cost[found.known] / found.reference)
    residual[found.known] = error[found.known] - fullest.at(logs)[:, 0]
    influence[found.known] = influence_of(fullest, logs, weight[found.known])
    alpha, floor = _interval(fullest.alpha, level, points.cells), _interval(fullest.floor, level, points.cells)
    return ScalingFit(
        law=law,
        held_out=held_out,
        alpha=alpha,
        floor=floor if fullest.has_floor else None,
        amplitude=_interval(fullest.amplitude, level, points.cells),
        plain_alpha=_interval(plain.alpha, level, points.cells),
        slopes=(float(broken.slopes[0][0]), float(broken.slopes[1][0])) if broken else None,
        floor_is_known=fullest.has_floor and floor.low > 0 and math.isfinite(alpha.high),
        reference=found.reference,
        costs=number,
        cells=points.cells,
        spread=math.sqrt(float(chosen.variance[0])),
        grid=found.reference * np.exp(x),
        error=curve,
        low=low,
        high=high,
        influence=influence,
        residual=residual,
        held_out_prediction=_predict_held_out(found, cost, error, weight, level, smallest_variance)
        if with_rest
        else Missing("too few costs", "not asked"),
    )


def _interval(of: Estimates, level: float, cells: int) -> MeanInterval:
    return MeanInterval(float(of.estimate[0]), float(of.low[0]), float(of.high[0]), level, cells)


def influence_of(fit: PowerFit, x: np.ndarray, weight: np.ndarray, study: int = 0) -> np.ndarray:
    """What a residual of 1 point in each cell does to α, by the law's derivatives at its estimates: (cells,)."""
    z = np.exp(-float(fit.alpha.estimate[study]) * x)
    columns = [-float(fit.amplitude.estimate[study]) * x * z, z] + ([np.ones_like(z)] if fit.has_floor else [])
    jacobian = np.stack(columns, axis=1)
    return np.linalg.pinv(jacobian * np.sqrt(weight)[:, None])[0] * np.sqrt(weight)


def _predict_held_out(
    found: Gathered, cost: np.ndarray, error: np.ndarray, weight: np.ndarray, level: float, smallest_variance: float
) -> HeldOutPrediction | Missing:
    """Fit to the smaller costs and predict the largest third, or fewer if the others could not carry a floor."""
    points, number = found.points, len(found.counts)
    fewest = FEWEST["floor"]  # without a floor in doubt, the prediction intervals would be too narrow
    kept = max(fewest, number - max(1, round(TOP * number)))
    if kept >= number:
        return Missing("too few costs", f"{number} distinct costs are too few to predict some from {fewest} others")
    if points.x[kept - 1] - points.x[0] < math.log(LEAST_RANGE) / 2:
        return Missing("narrow range", "the smaller costs span less than a factor of 2")
    small = found.level < kept
    cells, held, level_of = found.known[small], found.known[~small], found.level[small]
    within = (weight[cells] * (error[cells] - points.y[level_of, 0]) ** 2).sum()
    part = Points(points.x[:kept], points.y[:kept], points.w[:kept], np.array([within]), len(cells))
    law, _ = choose(part, found.counts[:kept])
    x = np.log(cost[held] / found.reference)
    laws = [fit_power(part, has_floor, level, smallest_variance) for has_floor in (False, True)]
    fitted = fit_broken(part) if law == "broken" else laws[law == "floor"]
    # which law is true is not known either: the widest of what the laws say of a new cell
    bands = [one.band(x, 1 / weight[held]) for one in laws]
    predicted = fitted.at(x)[:, 0]
    low = np.minimum(np.min([band[0][:, 0] for band in bands], axis=0), predicted)
    high = np.maximum(np.max([band[1][:, 0] for band in bands], axis=0), predicted)
    until = float(cost[cells].max())
    return HeldOutPrediction(law, kept, until, held, cost[held], error[held], predicted, low, high)


def difference_of(one: MeanInterval, other: MeanInterval, correlation: float) -> MeanInterval:
    """`one` minus `other` from their intervals, which may be lopsided or open (MOVER; Zou 2007, equations 4 and 5)."""
    estimate = one.estimate - other.estimate

    def end(near: float, far: float) -> float:
        if not (math.isfinite(near) and math.isfinite(far)):
            return math.inf
        return math.sqrt(max(0.0, near**2 + far**2 - 2 * correlation * near * far))

    low = estimate - end(one.estimate - one.low, other.high - other.estimate)
    high = estimate + end(one.high - one.estimate, other.estimate - other.low)
    return MeanInterval(estimate, low, high, one.level, min(one.n, other.n))


def correlation_of(residual: tuple[np.ndarray, np.ndarray], influence: tuple[np.ndarray, np.ndarray]) -> float:
    """How far the exponents of two arms err together, as both were trained in the same cells.

    Args:
        residual: of each arm, (cells,) points, NaN where it has none.
        influence: of each arm, (cells,), see `influence_of`.
    """
    shared = np.isfinite(residual[0]) & np.isfinite(residual[1])
    if shared.sum() < min(FEWEST.values()):
        return 0.0
    residuals = _cosine(residual[0][shared], residual[1][shared])
    scale = math.sqrt(float(np.nansum(influence[0] ** 2) * np.nansum(influence[1] ** 2)))
    overlap = float((influence[0] * influence[1])[shared].sum()) / scale if scale > 0 else 0.0
    return max(-0.99, min(0.99, residuals * overlap))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    scale = math.sqrt(float((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0
