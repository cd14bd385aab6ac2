"""Equal costs: the difference between two arms when both cost the same, for every known cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.report.analysis.trial_scores import TrialScores, places
from scaling.statistics.bits import CellBits
from scaling.statistics.equal_cost import EqualCost, Fit, at_equal_cost, prepare
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.statistics.paired import LEVEL
from scaling.statistics.planning import more_cells
from scaling.statistics.verdict import Kind, arm_name, interval_text, judge
from scaling.study.metrics import METRICS, Metric, analysed_costs
from scaling.wording import listing, plural, points


@dataclass(frozen=True)
class EqualCostAnswer:
    """One arm compared with the baseline at equal cost."""

    cost: str  # name of the metric
    baseline: str
    arm: str
    result: EqualCost | Missing
    kind: Kind  # judged by the interval of the mean over the range
    sentence: str  # without a full stop
    more_cells: int | None  # about how many would settle it, if it is inconclusive
    runs: int | None  # trials of both arms in those cells
    others: dict[str, float]  # other cost → percent more of it that the arm has at equal cost


def at_equal_costs(
    cells: pd.DataFrame, trials: TrialScores, factor: str, margin: float, resolution: float, bits: CellBits | None
) -> list[EqualCostAnswer]:
    """Compare every arm with the baseline over every cost in the records.

    Each cost is a separate question at the level of the study; the level is divided among arms (Bonferroni), not costs.

    Args:
        cells: a row per cell and arm, from `analysis.summarise`.
        margin: percentage points within which a difference counts as none.
        resolution: smallest step of the accuracy, 100 / test images; 0 if unknown.
    """
    known = [name for name in analysed_costs() if np.isfinite(cells[name].to_numpy(dtype=float)).any()]
    wide = {name: _wide(cells, name, trials) for name in [*known, "n", "test_accuracy"]}
    level = 1 - (1 - LEVEL) / max(1, len(trials.arms) - 1)
    shared = _Comparisons(wide, known, trials, factor, margin, resolution, bits, level)
    return [_answer(shared, cost, place) for place in range(1, len(trials.arms)) for cost in known]


@dataclass(frozen=True)
class _Comparisons:
    """Data and settings that all comparisons of a study share."""

    wide: dict[str, np.ndarray]  # column of the cells → (cells, arms)
    known: Sequence[str]
    trials: TrialScores
    factor: str
    margin: float
    resolution: float
    bits: CellBits | None
    level: float


def _wide(cells: pd.DataFrame, name: str, trials: TrialScores) -> np.ndarray:
    """A column of the cells by cell and arm, NaN where missing: (cells, arms)."""
    values = np.full((len(trials.cells), len(trials.arms)), np.nan)
    values[places(trials.cells, cells["cell"]), places(trials.arms, cells["arm"])] = cells[name].to_numpy(dtype=float)
    return values


def _answer(shared: _Comparisons, cost: str, place: int) -> EqualCostAnswer:
    wide, trials, margin, level = shared.wide, shared.trials, shared.margin, shared.level
    both = [0, place]
    baseline, arm = trials.arms[0], trials.arms[place]
    fit = prepare(wide[cost][:, 0], wide[cost][:, place], level)
    if isinstance(fit, Missing):
        sentence = f"at equal {METRICS[cost].title}: no answer, because {fit.said}"
        return EqualCostAnswer(cost, baseline, arm, fit, "unknown", sentence, None, None, {})
    seeds = max(1.0, float(np.nanmean(wide["n"][:, both])))
    of_images = None if shared.bits is None else _image_variances(fit, shared.bits, place)
    smallest = shared.resolution**2 / 12 / seeds
    result = at_equal_cost(fit, wide["test_accuracy"][:, both], level, smallest_variance=smallest, of_images=of_images)
    kind = judge(result.mean, margin)
    needed = None
    if kind == "inconclusive":
        effect = max(abs(result.mean.estimate), margin)
        needed = more_cells(effect, result.spread, result.cells, level, result.freedom, result.image_variance)
    runs = None if needed is None else 2 * needed * round(seeds)
    sentence = _sentence(shared, kind, result, METRICS[cost], arm, needed, runs)
    others = _other_costs(fit, wide, [name for name in shared.known if name != cost], both)
    return EqualCostAnswer(cost, baseline, arm, result, kind, sentence, needed, runs, others)


def _image_variances(fit: Fit, bits: CellBits, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Variances of the band and of the mean due to the test images."""
    used = np.flatnonzero((fit.band.at != 0).any(axis=0))  # coefficients of the difference
    flat = fit.design.reshape(-1, fit.design.shape[2])
    weights = (fit.inverse[used] @ flat.T).reshape(len(used), -1, 2)
    at = np.concatenate([fit.band.at, fit.mean.at])[:, used]
    variances = bits.variance(at, weights, 0, place)
    return variances[:-1], variances[-1:]


def _other_costs(fit: Fit, wide: dict[str, np.ndarray], names: Sequence[str], both: list[int]) -> dict[str, float]:
    """Percent more of every other cost that the arm has at equal cost, by curves through its logarithm."""
    found = {}
    for name in names:
        values = wide[name][:, both]
        with np.errstate(invalid="ignore"):
            fine = np.isfinite(values) & (values > 0)
        if (fine | ~fit.present).all():
            logs = np.where(fit.present, np.log(np.where(fine, values, 1.0)), 0.0)
            mean = float(fit.mean.weights.reshape(1, -1)[0] @ logs.reshape(-1))
            found[name] = 100 * math.expm1(mean)
    return found


def _sentence(
    shared: _Comparisons,
    kind: Kind,
    result: EqualCost,
    metric: Metric,
    arm: str,
    needed: int | None,
    runs: int | None,
) -> str:
    comparisons = len(shared.trials.arms) - 1
    over = f"at equal {metric.title}, {span(metric, float(result.cost[0]), float(result.cost[-1]))}"
    one, other = arm_name(shared.factor, arm), arm_name(shared.factor, shared.trials.arms[0])
    mean = result.mean
    evidence = f"({interval_text(mean, comparisons)}; {plural(result.cells, 'cell')})"
    if kind == "better":
        return f"{over}, {one} beats {other} by {points(mean.estimate)} points {evidence}{_where(result, metric)}"
    if kind == "worse":
        turned = MeanInterval(-mean.estimate, -mean.high, -mean.low, mean.level, mean.n)
        evidence = f"({interval_text(turned, comparisons)}; {plural(result.cells, 'cell')})"
        return f"{over}, {one} loses to {other} by {points(turned.estimate)} points {evidence}{_where(result, metric)}"
    if kind == "practically equal":
        return f"{over}, {one} and {other} show no difference larger than {shared.margin:g} points {evidence}"
    advice = "no affordable number of runs would settle it"
    if needed is not None and runs is not None:
        advice = f"about {plural(needed, 'more cell')} ({runs} runs) needed"
    return (
        f"{over}, inconclusive: {one} differs from {other} by {points(mean.estimate, signed=True)} points"
        f" {evidence}{_where(result, metric)}; {advice}"
    )


def _where(result: EqualCost, metric: Metric) -> str:
    """Where the band excludes zero: `, by the simultaneous band better between 1.2 M and 5.1 M MACs`."""
    ranges = [
        f"{word} {span(metric, low, high)}"
        for word, found in (("better", result.above), ("worse", result.below))
        for low, high in found
    ]
    whole = len(ranges) == 1 and [*result.above, *result.below][0] == (result.cost[0], result.cost[-1])
    if whole:
        return ", all along that range"
    return f", by the simultaneous band {listing(ranges)}" if ranges else ""


def span(metric: Metric, low: float, high: float) -> str:
    """A range of a cost: `between 0.3 M and 5.1 M MACs`."""
    first, last = metric.text(low), metric.text(high)
    return f"at {last}" if first == last else f"between {first.removesuffix(' ' + metric.unit)} and {last}"
