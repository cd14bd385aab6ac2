"""Plots: one decorated function a figure; its name is the file it writes. Only this file knows seaborn.

A plot maps an analysis to a drawing of what `scaling.figures` computed. Colours are a fixed palette that colour-blind
readers can tell apart, with a marker shape for each arm; each stands for a variable of the page's style (`THEME`), by
which a figure follows the page into dark mode.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from scaling import figures
from scaling.analysis import Analysis
from scaling.figures import Accuracy, Curves, Differences, Memory, Text, Trends
from scaling.metrics import Metric

WIDTH = 5.0  # inches; narrow, so that letters stay readable on a phone
MEAN = 0.34  # inches of the row of a mean in the forest plot
INK, MUTED, LINE, PAPER = "#1d2733", "#66717f", "#dfe3e8", "#ffffff"
ARM_COLOURS = [str(colour).lower() for colour in sns.color_palette("colorblind").as_hex()]
MARKERS = "osD^vPX*"
THEME = {INK: "--ink", MUTED: "--muted", LINE: "--line", PAPER: "--paper"} | {
    colour: f"--arm-{place}" for place, colour in enumerate(ARM_COLOURS)
}
STYLE: Any = {
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.bottom": True,
    "xtick.major.size": 3,
    "axes.linewidth": 0.8,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "text.parse_math": False,  # a $ in a name is a $
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's letters
    "svg.hashsalt": "scaling",  # equal figures are equal files
}

Draw = Callable[[Analysis], "Drawing | None"]
PLOTS: dict[str, Draw] = {}


@dataclass(frozen=True)
class Drawing:
    """A drawn figure with what is said about it."""

    text: Text
    figure: Figure

    def render(self) -> tuple[bytes, bytes]:
        """The figure as PNG and as SVG."""
        png, svg = io.BytesIO(), io.BytesIO()
        with mpl.rc_context(STYLE):
            self.figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
            self.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        return png.getvalue(), svg.getvalue()


def plot(draw: Draw) -> Draw:
    """Register a function as a plot under its own name; to be used as a decorator.

    It returns None where the study has nothing to draw.
    """
    name = draw.__name__
    if name in PLOTS:
        raise ValueError(f"a plot named '{name}' is registered already")
    PLOTS[name] = draw
    return draw


@plot
def paired_difference(analysis: Analysis) -> Drawing | None:
    """Forest plot: the paired difference in each cell, and over cells."""
    return _drawn(figures.differences(analysis), draw_differences)


@plot
def difference_by_macs(analysis: Analysis) -> Drawing | None:
    """The paired difference of each cell over MACs, with its trend."""
    return _drawn(figures.trends(analysis), draw_trends)


@plot
def accuracy_by_macs(analysis: Analysis) -> Drawing | None:
    """Test accuracy against MACs."""
    return _drawn(figures.accuracy(analysis, "macs"), draw_accuracy)


@plot
def accuracy_by_params(analysis: Analysis) -> Drawing | None:
    """Test accuracy against parameters."""
    return _drawn(figures.accuracy(analysis, "params"), draw_accuracy)


@plot
def accuracy_by_activations(analysis: Analysis) -> Drawing | None:
    """Test accuracy against activations."""
    return _drawn(figures.accuracy(analysis, "activations"), draw_accuracy)


@plot
def accuracy_by_train_seconds(analysis: Analysis) -> Drawing | None:
    """Test accuracy against training seconds, with a warning where trials shared a machine."""
    note = figures.SHARED if analysis.trials_overlap else ""
    return _drawn(figures.accuracy(analysis, "train_seconds", note), draw_accuracy)


@plot
def learning_curves(analysis: Analysis) -> Drawing | None:
    """Validation accuracy by epoch."""
    return _drawn(figures.curves(analysis), draw_curves)


@plot
def memory_prediction(analysis: Analysis) -> Drawing | None:
    """Predicted against measured memory of a training step."""
    return _drawn(figures.memory(analysis), draw_memory)


def _drawn(info: figures.Info | None, draw: Callable[..., Figure]) -> Drawing | None:
    if info is None:
        return None
    with mpl.rc_context(sns.axes_style("whitegrid") | STYLE):
        return Drawing(info.text, draw(info))


def draw_accuracy(info: Accuracy) -> Figure:
    """Draw accuracy over a cost: cells, single trials, fronts."""
    figure, axes = _canvas(3.7, [cloud.label for cloud in info.clouds])
    for cloud in info.clouds:
        colour, marker = _look(cloud.colour)
        axes.plot(cloud.cost[cloud.front], cloud.accuracy[cloud.front], color=colour, linewidth=1.4, zorder=3)
        axes.scatter(cloud.trial_cost, cloud.trial_accuracy, s=7, color=colour, alpha=0.28, linewidths=0, zorder=2)
        axes.errorbar(
            cloud.cost, cloud.accuracy, cloud.sd, fmt="none", ecolor=colour, elinewidth=1, alpha=0.7, zorder=3
        )
        for chosen, fill in ((cloud.front, colour), (~cloud.front, PAPER)):
            axes.scatter(
                cloud.cost[chosen], cloud.accuracy[chosen], s=30, marker=marker, color=fill, edgecolors=colour,
                linewidths=1.2, zorder=4,
            )  # fmt: skip
    _log_axis(axes, np.concatenate([cloud.trial_cost for cloud in info.clouds]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel=info.score.label)
    _legend(axes, [(cloud.label, cloud.colour) for cloud in info.clouds])
    return figure


def draw_differences(info: Differences) -> Figure:
    """Draw a forest plot: cells from top to bottom, the mean of each comparison below."""
    arms, rows = len(info.forests), len(info.cells)
    step = min(0.3 + 0.1 * (arms - 1), 7.5 / rows)  # inches a cell
    named = step > 0.13
    left = min(2.6, 0.35 + 0.075 * max(map(len, info.labels))) if named else 0.5
    labels = [f"{forest.arm} − {info.baseline} ({forest.label})" for forest in info.forests]
    height = step * rows + MEAN * arms + 0.25
    figure, axes = _canvas(height, labels, left=left)
    place = {cell: row for row, cell in enumerate(info.cells)}
    means = [rows + (MEAN * (order + 0.5) + 0.02) / step for order in range(arms)]
    limits = _limits(info)
    axes.axvspan(-info.margin, info.margin, color=LINE, alpha=0.55, linewidth=0, zorder=1)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=2)
    for order, forest in enumerate(info.forests):
        colour, marker = _look(forest.colour)
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
    _legend(axes, [(label, forest.colour) for label, forest in zip(labels, info.forests, strict=True)])
    return figure


def draw_trends(info: Trends) -> Figure:
    """Draw differences over a cost with their least squares lines."""
    figure, axes = _canvas(3.2, [line.label for line in info.lines])
    axes.axhline(0, color=INK, linewidth=0.9, zorder=2)
    for line in info.lines:
        colour, marker = _look(line.colour)
        axes.fill_between(line.at, line.line - line.half_width, line.line + line.half_width, color=colour, alpha=0.15,
                          linewidth=0, zorder=1)  # fmt: skip
        axes.plot(line.at, line.line, color=colour, linewidth=1.4, zorder=3)
        axes.scatter(line.cost, line.difference, s=30, marker=marker, color=colour, edgecolors=PAPER, linewidths=0.6,
                     zorder=4)  # fmt: skip
    _log_axis(axes, np.concatenate([line.cost for line in info.lines]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel="Difference in test accuracy (points)")
    _legend(axes, [(line.label, line.colour) for line in info.lines])
    return figure


def draw_curves(info: Curves) -> Figure:
    """Draw learning curves: cells faint, their mean bold."""
    figure, axes = _canvas(3.2, [curve.label for curve in info.curves])
    for curve in info.curves:
        colour, _ = _look(curve.colour)
        for cell in curve.cells:
            axes.plot(np.arange(1, len(cell) + 1), cell, color=colour, linewidth=0.7, alpha=0.35, zorder=2)
        axes.plot(curve.epochs, curve.mean, color=colour, linewidth=2, zorder=3)
        if len(curve.epochs) == 1:
            axes.scatter(curve.epochs, curve.mean, color=colour, s=26, zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.set(xlabel="Epoch", ylabel="Validation accuracy (%)")
    _legend(axes, [(curve.label, curve.colour) for curve in info.curves])
    return figure


def draw_memory(info: Memory) -> Figure:
    """Draw predicted over measured memory, with the line of equality; both axes have one range."""
    figure, axes = _canvas(3.7, [cloud.label for cloud in info.clouds])
    everything = np.concatenate([[*cloud.predicted, *cloud.measured] for cloud in info.clouds])
    _log_axis(axes, everything, info.measured)
    _log_axis(axes, everything, info.predicted, vertical=True)
    axes.plot(axes.get_xlim(), axes.get_xlim(), color=MUTED, linewidth=0.9, zorder=2)
    for cloud in info.clouds:
        colour, marker = _look(cloud.colour)
        axes.scatter(cloud.measured, cloud.predicted, s=30, marker=marker, color=colour, edgecolors=PAPER,
                     linewidths=0.6, zorder=3)  # fmt: skip
    axes.set(xlabel=info.measured.label, ylabel=info.predicted.label)
    _legend(axes, [(cloud.label, cloud.colour) for cloud in info.clouds])
    return figure


def _canvas(height: float, labels: Sequence[str], left: float = 0.68) -> tuple[Figure, Axes]:
    """A figure whose axes are `height` inches high, with room above for the legend; no layout engine, which is slow."""
    top, bottom = 0.14 + 0.22 * len(labels), 0.52
    whole = height + top + bottom
    figure = Figure(figsize=(WIDTH, whole))
    axes = figure.add_axes((left / WIDTH, bottom / whole, (WIDTH - left - 0.2) / WIDTH, height / whole))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _legend(axes: Axes, labels: Sequence[tuple[str, int]]) -> None:
    handles = [
        Line2D([], [], color=_look(place)[0], marker=_look(place)[1], markersize=5.5, linewidth=1.4, label=label)
        for label, place in labels
    ]
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.06 / WIDTH, axes.get_position().y1),
        bbox_transform=axes.figure.transFigure, frameon=False, borderaxespad=0.1,
        handlelength=1.6, labelspacing=0.35, borderpad=0.2,
    )  # fmt: skip


def _look(place: int) -> tuple[str, str]:
    """Colour and marker of the arm at `place` in the study."""
    return ARM_COLOURS[place % len(ARM_COLOURS)], MARKERS[place % len(MARKERS)]


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


def _log_axis(axes: Axes, values: np.ndarray, metric: Metric, *, vertical: bool = False) -> None:
    """Make the x axis, or the y axis, logarithmic over `values` of `metric`, with ticks at round numbers."""
    low, high = values.min() / 1.25, values.max() * 1.25
    if vertical:
        axes.set(yscale="log", ylim=(low, high))
    else:
        axes.set(xscale="log", xlim=(low, high))
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = np.array([step * decade for decade in decades for step in steps])
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 4:
            break
    axis = axes.yaxis if vertical else axes.xaxis
    axis.set_major_locator(FixedLocator(ticks[:: max(1, len(ticks) // 6)].tolist()))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: metric.number(value)))
