"""Paired difference to the baseline: in each cell, and over cells."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import canvas, legend
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, LINE, MUTED, PAPER, look
from scaling.statistics.estimates import Interval
from scaling.statistics.sentences import bare, level_text
from scaling.wording import plural, points

MEAN = 0.34  # inches of the row of a mean


@dataclass(frozen=True)
class ArmDifference:
    """One arm: its paired cells and their mean. Differences are in percentage points, arrays (cells,)."""

    arm: str
    colour: int
    cells: list[str]
    estimate: np.ndarray
    low: np.ndarray  # NaN with one pair
    high: np.ndarray
    mean: Interval
    label: str  # of the mean, with its n


@dataclass(frozen=True)
class PairedDifference:
    """Paired difference of each arm to the baseline, cell by cell."""

    text: Text
    baseline: str
    cells: list[str]  # from top to bottom
    labels: list[str]  # their names, with the number of pairs if it varies
    arms: list[ArmDifference]
    margin: float


def arm_differences(analysis: Analysis) -> PairedDifference | None:
    """Paired difference in each cell and over cells; None if nothing is paired."""
    arms = []
    for verdict in analysis.verdicts:
        if len(verdict.cells) == 0:
            continue
        over = f"mean of {plural(len(verdict.cells), 'model')}, {plural(verdict.pairs, 'pair')}"
        arms.append(
            ArmDifference(
                arm=verdict.arm,
                colour=analysis.arms.index(verdict.arm),
                cells=[str(cell) for cell in verdict.cells.index],
                estimate=verdict.cells["difference"].to_numpy(dtype=float),
                low=verdict.cells["low"].to_numpy(dtype=float),
                high=verdict.cells["high"].to_numpy(dtype=float),
                mean=verdict.difference,
                label=over if analysis.look.is_verdict else f"{over} so far",
            )
        )
    if not arms:
        return None
    means = "; ".join(f"{one.arm}: {_mean_text(one.mean)} ({one.label})" for one in arms)
    caption = (
        f"Test accuracy minus that of {analysis.arms[0]} in the same cell and repetition, in percentage points. Bars"
        " are 95 % intervals over the repetitions of that cell alone (Student's t; about one in twenty misses the"
        f" true value); an arrow marks one that leaves the picture. Shaded: ±{analysis.settings.margin:g} points, which"
        " count as no difference."
    )
    if any(one.mean.is_known for one in arms):
        caption += " The diamond is the mean over cells with the interval of the luck of training."
    counts = _pairs(analysis)
    names = list(counts)
    if len({*counts.values()}) > 1:
        caption += " In brackets: pairs of the cell."
    return PairedDifference(
        text=Text("Difference in each cell", caption, f"Forest plot of paired differences. {means}."),
        baseline=analysis.arms[0],
        cells=names,
        labels=[f"{cell} ({counts[cell]})" for cell in names] if len({*counts.values()}) > 1 else names,
        arms=arms,
        margin=analysis.settings.margin,
    )


def _mean_text(mean: Interval) -> str:
    if not mean.is_known:
        return f"{points(mean.estimate, signed=True)} points"
    return f"{bare(mean, signed=True)} points, {level_text(mean.level)}"


def _pairs(analysis: Analysis) -> dict[str, int]:
    """The largest number of pairs that any comparison has in each cell."""
    counts: dict[str, int] = {}
    for verdict in analysis.verdicts:
        for cell, pairs in zip(verdict.cells.index, verdict.cells["pairs"].tolist(), strict=True):
            counts[str(cell)] = max(pairs, counts.get(str(cell), 0))
    return counts


@figure(section=Section.DIFFERENCE, order=0)
def paired_difference(analysis: Analysis) -> Drawing | None:
    """Forest plot of the paired difference in each cell and over cells."""
    return drawn(arm_differences(analysis), draw_differences)


def draw_differences(info: PairedDifference) -> Figure:
    """Draw a forest plot: cells from top to bottom, the mean of each arm below."""
    arms, rows = len(info.arms), len(info.cells)
    step = min(0.3 + 0.1 * (arms - 1), 7.5 / rows)  # inches per cell
    named = step > 0.13
    left = min(2.6, 0.35 + 0.075 * max(map(len, info.labels))) if named else 0.5
    labels = [f"{one.arm} − {info.baseline} ({one.label})" for one in info.arms]
    height = step * rows + MEAN * arms + 0.25
    paper, axes = canvas(height, labels, left=left)
    place = {cell: row for row, cell in enumerate(info.cells)}
    means = [rows + (MEAN * (order + 0.5) + 0.02) / step for order in range(arms)]
    limits = _limits(info)
    axes.axvspan(-info.margin, info.margin, color=LINE, alpha=0.55, linewidth=0, zorder=1)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=2)
    for order, one in enumerate(info.arms):
        colour, marker = look(one.colour)
        shift = (order - (arms - 1) / 2) * 0.8 / arms
        y = np.array([place[cell] for cell in one.cells]) + shift
        axes.hlines(y, np.clip(one.low, *limits), np.clip(one.high, *limits), color=colour, linewidth=1.3, zorder=3)
        for beyond, tip, end in ((one.low < limits[0], "<", limits[0]), (one.high > limits[1], ">", limits[1])):
            axes.scatter(np.full(beyond.sum(), end), y[beyond], marker=tip, s=20, color=colour, zorder=3, clip_on=False)
        axes.scatter(one.estimate, y, s=26 if named else 9, marker=marker, color=colour, edgecolors=PAPER,
                     linewidths=0.6 if named else 0, zorder=4)  # fmt: skip
        ends = (one.mean.low, one.mean.estimate, one.mean.high, one.mean.estimate)
        if one.mean.is_known:
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
    legend(axes, [(label, one.colour) for label, one in zip(labels, info.arms, strict=True)])
    return paper


def _limits(info: PairedDifference) -> tuple[float, float]:
    """Ends of the axis of differences: fit all means and most intervals; those of two repetitions may be huge."""
    estimates = np.concatenate([one.estimate for one in info.arms])
    lows = np.concatenate([one.low[np.isfinite(one.low)] for one in info.arms])
    highs = np.concatenate([one.high[np.isfinite(one.high)] for one in info.arms])
    means = [end for one in info.arms if one.mean.is_known for end in (one.mean.low, one.mean.high)]
    must = np.array([*estimates, *means, -info.margin, info.margin])
    low, high = must.min(), must.max()
    spread = max(high - low, 1e-9)
    if len(lows):  # fit the intervals of four cells in five, within three times the range that must be visible
        low = max(min(low, np.quantile(lows, 0.2)), low - spread)
        high = min(max(high, np.quantile(highs, 0.8)), high + spread)
    pad = 0.06 * (high - low)
    return float(low - pad), float(high + pad)
