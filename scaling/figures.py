"""Figures: what each one shows, in numbers, with its caption and its description; `scaling.plots` draws them.

Computing and drawing are apart, so that what a figure says can be tested without pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.accounts import check_memory
from scaling.analysis import Analysis, costs_of, share_of_front
from scaling.metrics import METRICS, Metric
from scaling.statistics.intervals import Interval
from scaling.statistics.verdict import interval_text, plural, points


@dataclass(frozen=True)
class Text:
    """What is said about a figure."""

    title: str
    caption: str  # how to read it, with its n
    description: str  # for those who cannot see it


@dataclass(frozen=True)
class Cloud:
    """One arm on the plane of cost and accuracy; points are cells, in order of cost."""

    arm: str
    colour: int  # place of the arm in the study
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    accuracy: np.ndarray  # (cells,) percent, mean over seeds
    sd: np.ndarray  # (cells,) points, over seeds; NaN with one seed
    front: np.ndarray  # (cells,) boolean: on the arm's own front
    trial_cost: np.ndarray  # (trials,)
    trial_accuracy: np.ndarray  # (trials,) percent


@dataclass(frozen=True)
class Accuracy:
    """Accuracy against a cost."""

    text: Text
    cost: Metric
    score: Metric
    clouds: list[Cloud]


def accuracy(analysis: Analysis, cost_name: str, note: str = "") -> Accuracy | None:
    """Test accuracy against a cost, with the front of each arm; None where no trial has both."""
    cost, score = METRICS[cost_name], METRICS["test_accuracy"]
    cells, trials = analysis.cells, analysis.finished
    trial_costs, trial_scores = cost(trials), score(trials)
    clouds = []
    for colour, arm in enumerate(analysis.arms):
        rows = np.flatnonzero((cells["arm"] == arm).to_numpy() & (cells[cost_name] > 0).to_numpy())
        if len(rows) == 0:
            continue
        rows = rows[np.argsort(cells[cost_name].to_numpy()[rows], kind="stable")]
        mine = (trials["arm"] == arm).to_numpy() & (trial_costs > 0)
        clouds.append(
            Cloud(
                arm=arm,
                colour=colour,
                label=f"{arm} ({plural(len(rows), 'cell')}, {plural(int(mine.sum()), 'trial')})",
                cost=cells[cost_name].to_numpy(dtype=float)[rows],
                accuracy=cells["test_accuracy"].to_numpy(dtype=float)[rows],
                sd=cells["test_sd"].to_numpy(dtype=float)[rows],
                front=analysis.fronts[cost_name]["own"].to_numpy()[rows],
                trial_cost=trial_costs[mine],
                trial_accuracy=trial_scores[mine],
            )
        )
    if not clouds:
        return None
    shares = ", ".join(f"{arm} {number}" for arm, number in share_of_front(analysis, cost_name).items())
    caption = f"Points are cells, faint dots trials. On the joint front of all arms: {shares}."
    ranges = "; ".join(
        f"{cloud.arm}: {plural(len(cloud.cost), 'cell')} from {cost.text(cloud.cost[0])} to"
        f" {cost.text(cloud.cost[-1])}, {cloud.accuracy.min():.1f} to {cloud.accuracy.max():.1f} %"
        for cloud in clouds
    )
    title = f"Accuracy against {cost.title}"
    return Accuracy(
        text=Text(
            title, f"{caption} {note}".rstrip(), f"Scatter plot of test accuracy against {cost.label}. {ranges}."
        ),
        cost=cost,
        score=score,
        clouds=clouds,
    )


SHARED = "Trials ran side by side on one machine: these seconds are bookkeeping, not a measurement of speed."


@dataclass(frozen=True)
class Forest:
    """One comparison: its paired cells and their mean. Differences in percentage points, each array (cells,)."""

    arm: str
    colour: int
    cells: list[str]
    estimate: np.ndarray
    low: np.ndarray  # NaN with one pair
    high: np.ndarray
    mean: Interval
    label: str  # of the mean, with its n


@dataclass(frozen=True)
class Differences:
    """Paired difference of each arm to the baseline, cell by cell."""

    text: Text
    baseline: str
    cells: list[str]  # from top to bottom
    labels: list[str]  # their names, with the number of pairs where that varies
    forests: list[Forest]
    margin: float


def differences(analysis: Analysis) -> Differences | None:
    """Paired difference in each cell and over cells; None where nothing is paired."""
    forests = []
    for verdict in analysis.verdicts:
        comparison = verdict.comparison
        if len(comparison.cells) == 0:
            continue
        cells, pairs = len(comparison.cells), len(comparison.pairs)
        over = f"mean of {plural(cells, 'cell')}" if comparison.unit == "cell" else "mean over seeds"
        forests.append(
            Forest(
                arm=comparison.arm,
                colour=analysis.arms.index(comparison.arm),
                cells=[str(cell) for cell in comparison.cells.index],
                estimate=comparison.cells["difference"].to_numpy(dtype=float),
                low=comparison.cells["low"].to_numpy(dtype=float),
                high=comparison.cells["high"].to_numpy(dtype=float),
                mean=comparison.difference,
                label=f"{over}, {plural(pairs, 'pair')}",
            )
        )
    if not forests:
        return None
    verdict = analysis.verdicts[0]
    comparisons = len(analysis.verdicts)
    means = "; ".join(
        f"{forest.arm}: {points(forest.mean.estimate, signed=True)} points ({interval_text(forest.mean, comparisons)},"
        f" {forest.label})"
        for forest in forests
    )
    caption = (
        f"Test accuracy minus that of {analysis.arms[0]} in the same cell and seed, in percentage points. Bars are 95 %"
        " intervals over the seeds of that cell alone (Student's t; among twenty about one misses the truth), an arrow"
        " where one leaves the picture. The diamond is the mean over cells with its interval. Shaded:"
        f" ±{verdict.margin:g} points, which count as no difference."
    )
    counts: dict[str, int] = {}
    for verdict in analysis.verdicts:
        cells = verdict.comparison.cells
        for cell, pairs in zip(cells.index, cells["pairs"].tolist(), strict=True):
            counts[str(cell)] = max(pairs, counts.get(str(cell), 0))
    names = list(counts)
    if len({*counts.values()}) > 1:
        caption += " In brackets: pairs of the cell."
    return Differences(
        text=Text("Difference in each cell", caption, f"Forest plot of paired differences. {means}."),
        baseline=analysis.arms[0],
        cells=names,
        labels=[f"{cell} ({counts[cell]})" for cell in names] if len({*counts.values()}) > 1 else names,
        forests=forests,
        margin=verdict.margin,
    )


@dataclass(frozen=True)
class TrendLine:
    """The difference of one arm to the baseline over a cost: one point a cell, and the line through them."""

    arm: str
    colour: int
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    difference: np.ndarray  # (cells,) points
    at: np.ndarray  # (grid,) costs
    line: np.ndarray  # (grid,) points
    half_width: np.ndarray  # (grid,) of the confidence band


@dataclass(frozen=True)
class Trends:
    """Does the difference grow with the cost?"""

    text: Text
    cost: Metric
    lines: list[TrendLine]


def trends(analysis: Analysis, cost_name: str = "macs") -> Trends | None:
    """Difference over a cost with its least squares line; None where there are too few cells for a line."""
    lines, words = [], []
    for verdict in analysis.verdicts:
        if verdict.trend is None:
            continue
        comparison = verdict.comparison
        costs = costs_of(analysis.cells, comparison.baseline, cost_name, comparison.cells.index)
        known = np.isfinite(costs)
        grid = np.geomspace(costs[known].min(), costs[known].max(), 50)
        line, half = verdict.trend.at(grid)
        lines.append(
            TrendLine(
                arm=comparison.arm,
                colour=analysis.arms.index(comparison.arm),
                label=f"{comparison.arm} − {comparison.baseline} ({plural(int(known.sum()), 'cell')})",
                cost=costs[known],
                difference=comparison.cells["difference"].to_numpy(dtype=float)[known],
                at=grid,
                line=line,
                half_width=half,
            )
        )
        words.append(
            f"{comparison.arm}: {points(verdict.trend.slope.estimate, signed=True)} points per doubling of MACs"
        )
    if not lines:
        return None
    caption = (
        "Mean paired difference of each cell against the baseline's MACs, with the least squares line over log MACs and"
        " its 95 % confidence band (pointwise; cells are the units)."
    )
    description = f"Scatter plot of the difference over MACs with a line. {'; '.join(words)}."
    return Trends(Text("Does the difference grow with size?", caption, description), METRICS[cost_name], lines)


@dataclass(frozen=True)
class Curve:
    """Learning curves of one arm."""

    arm: str
    colour: int
    label: str  # with its n
    epochs: np.ndarray  # (epochs,) counted from 1
    mean: np.ndarray  # (epochs,) percent, over cells
    cells: list[np.ndarray]  # one (epochs of the cell,) a cell, mean over its seeds


@dataclass(frozen=True)
class Curves:
    """Validation accuracy while training."""

    text: Text
    curves: list[Curve]


def curves(analysis: Analysis) -> Curves | None:
    """Validation accuracy by epoch, of finished trials; None where no trial finished with a curve."""
    found = []
    for colour, arm in enumerate(analysis.arms):
        by_cell: dict[str, list[np.ndarray]] = {}
        for record in analysis.records:
            if record.arm == arm and record.status == "finished" and record.curve:
                cell = str(record.cell)
                by_cell.setdefault(cell, []).append(np.array([epoch.val_accuracy for epoch in record.curve]))
        cells = [_mean_curve(trials) for trials in by_cell.values()]
        if cells:
            mean = _mean_curve(cells)
            trials = sum(map(len, by_cell.values()))
            label = f"{arm} ({plural(len(cells), 'cell')}, {plural(trials, 'trial')})"
            found.append(Curve(arm, colour, label, np.arange(1, len(mean) + 1), mean, cells))
    if not found:
        return None
    ends = "; ".join(
        f"{c.arm}: from {c.mean[0]:.1f} to {c.mean[-1]:.1f} % in {plural(len(c.mean), 'epoch')}" for c in found
    )
    caption = (
        "Validation accuracy after each epoch: faint lines are cells (means over their seeds), bold ones the mean over"
        " cells, as far as all of them were trained. Finished trials only."
    )
    return Curves(Text("Learning curves", caption, f"Line plot of validation accuracy by epoch. {ends}."), found)


def _mean_curve(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of curves over the epochs that all of them reached."""
    length = min(map(len, curves))
    return np.stack([curve[:length] for curve in curves]).mean(axis=0)


@dataclass(frozen=True)
class MemoryCloud:
    """Memory of a training step of one arm: points are cells, each array (cells,) in bytes."""

    arm: str
    colour: int
    label: str  # with its n
    predicted: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True)
class Memory:
    """Predicted against measured memory."""

    text: Text
    predicted: Metric
    measured: Metric
    clouds: list[MemoryCloud]


def memory(analysis: Analysis) -> Memory | None:
    """Predicted against measured memory of a training step; None where no finished trial has both."""
    check = check_memory(analysis)
    if check is None:
        return None
    metric = METRICS["measured_memory"]
    clouds = []
    for colour, arm in enumerate(analysis.arms):
        mine = np.array([other == arm for other in check.arms])
        if mine.any():
            label = f"{arm} ({plural(int(mine.sum()), 'cell')})"
            clouds.append(MemoryCloud(arm, colour, label, check.predicted[mine], check.measured[mine]))
    caption = (
        "Peak of a training step at the recipe's batch size; points are cells. On the line a prediction is right, above"
        " it too high. Measured: the peak of CUDA's allocator on a GPU, the bytes of the tensors alive on a CPU."
    )
    ranges = "; ".join(
        f"{cloud.arm}: {plural(len(cloud.measured), 'cell')}, measured {metric.text(cloud.measured.min())} to"
        f" {metric.text(cloud.measured.max())}"
        for cloud in clouds
    )
    description = f"Scatter plot of predicted against measured memory with the line of equality. {ranges}."
    text = Text("Memory, predicted and measured", caption, description)
    return Memory(text, METRICS["training_memory"], metric, clouds)


Info = Accuracy | Differences | Trends | Curves | Memory
