"""Paired differences: cell by cell, and over cells."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import canvas, legend
from scaling.report.figures.registry import Drawing, drawn, plot
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, LINE, MUTED, PAPER, look
from scaling.statistics.intervals import Interval
from scaling.statistics.verdict import interval_text
from scaling.wording import plural, points


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


MEAN = 0.34  # inches of the row of a mean


@plot
def paired_difference(analysis: Analysis) -> Drawing | None:
    """Forest plot: the paired difference in each cell, and over cells."""
    return drawn(differences(analysis), draw_differences)


def draw_differences(info: Differences) -> Figure:
    """Draw a forest plot: cells from top to bottom, the mean of each comparison below."""
    arms, rows = len(info.forests), len(info.cells)
    step = min(0.3 + 0.1 * (arms - 1), 7.5 / rows)  # inches a cell
    named = step > 0.13
    left = min(2.6, 0.35 + 0.075 * max(map(len, info.labels))) if named else 0.5
    labels = [f"{forest.arm} − {info.baseline} ({forest.label})" for forest in info.forests]
    height = step * rows + MEAN * arms + 0.25
    figure, axes = canvas(height, labels, left=left)
    place = {cell: row for row, cell in enumerate(info.cells)}
    means = [rows + (MEAN * (order + 0.5) + 0.02) / step for order in range(arms)]
    limits = _limits(info)
    axes.axvspan(-info.margin, info.margin, color=LINE, alpha=0.55, linewidth=0, zorder=1)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=2)
    for order, forest in enumerate(info.forests):
        colour, marker = look(forest.colour)
        shift = (order - (arms - 1) / 2) * 0.8 / arms
        y = np.array([place[cell] for cell in forest.cells]) + shift
        axes.hlines(
            y, np.clip(forest.low, *limits), np.clip(forest.high, *limits), color=colour, linewidth=1.3, zorder=3
        )
        for beyond, tip, end in ((forest.low < limits[0], "<", limits[0]), (forest.high > limits[1], ">", limits[1])):
            axes.scatter(np.full(beyond.sum(), end), y[beyond], marker=tip, s=20, color=colour, zorder=3, clip_on=False)
        axes.scatter(forest.estimate, y, s=26 if named else 9, marker=marker, color=colour, edgecolors=PAPER,
                     linewidths=0.6 if named else 0, zorder=4)  # fmt: skip
        ends = (forest.mean.low, forest.mean.estimate, forest.mean.high, forest.mean.estimate)
        if forest.mean.is_known:
            axes.fill(np.clip(ends, *limits), means[order] + np.array([0, -0.1, 0, 0.1]) / step, color=colour, zorder=4)
    axes.axhline(rows - 0.5 + 0.02 / step, color=MUTED, linewidth=0.6)
    axes.set_ylim(rows - 0.5 + (MEAN * arms + 0.2) / step, -0.6)
    axes.set_xlim(*limits)
    axes.set_yticks([*(range(rows) if named else []), *means], [*(info.labels if named else []), *["mean"] * arms])
    axes.tick_params(axis="y", length=0)
    if not named:
        axes.set_ylabel(f"{rows} cells, in the order of the table")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))
    axes.set_xlabel("Difference in test accuracy (points)")
    legend(axes, [(label, forest.colour) for label, forest in zip(labels, info.forests, strict=True)])
    return figure


def _limits(info: Differences) -> tuple[float, float]:
    """Ends of the axis of differences: all means fit, and most intervals; those of two seeds may be huge."""
    estimates = np.concatenate([forest.estimate for forest in info.forests])
    lows = np.concatenate([forest.low[np.isfinite(forest.low)] for forest in info.forests])
    highs = np.concatenate([forest.high[np.isfinite(forest.high)] for forest in info.forests])
    means = [end for forest in info.forests if forest.mean.is_known for end in (forest.mean.low, forest.mean.high)]
    must = np.array([*estimates, *means, -info.margin, info.margin])
    low, high = must.min(), must.max()
    spread = max(high - low, 1e-9)
    if len(lows):  # up to three times what must be seen, for the intervals of four cells in five
        low = max(min(low, np.quantile(lows, 0.2)), low - spread)
        high = min(max(high, np.quantile(highs, 0.8)), high + spread)
    pad = 0.06 * (high - low)
    return float(low - pad), float(high + pad)
