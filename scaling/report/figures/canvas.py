"""Canvas: the parts that figures share: paper, legend, logarithmic axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from scaling.report.figures.theme import WIDTH, look
from scaling.study.metrics import Metric

ABOVE = 0.07  # inches between axes and legend; the label of the last tick reaches into it
LONGEST = 62  # characters of a legend line


def canvas(height: float, labels: Sequence[str], left: float = 0.68, bottom: float = 0.52) -> tuple[Figure, Axes]:
    """Make a figure whose axes are `height` inches high, with room for the legend above; layout engines are slow."""
    top = 0.14 + ABOVE + 0.22 * len(labels)
    whole = height + top + bottom
    figure = Figure(figsize=(WIDTH, whole))
    axes = figure.add_axes((left / WIDTH, bottom / whole, (WIDTH - left - 0.2) / WIDTH, height / whole))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def legend(axes: Axes, labels: Sequence[tuple[str, int]]) -> None:
    """Draw the legend above the axes and their highest tick; cut off a name that is too long for the paper."""
    handles = [
        Line2D([], [], color=look(place)[0], marker=look(place)[1], markersize=5.5, linewidth=1.4, label=_cut(label))
        for label, place in labels
    ]
    whole = axes.figure.bbox.height / axes.figure.dpi
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.06 / WIDTH, axes.get_position().y1 + ABOVE / whole),
        bbox_transform=axes.figure.transFigure, frameon=False, borderaxespad=0.1,
        handlelength=1.6, labelspacing=0.35, borderpad=0.2,
    )  # fmt: skip


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"


def log_axis(axes: Axes, values: np.ndarray, metric: Metric, *, vertical: bool = False) -> None:
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
