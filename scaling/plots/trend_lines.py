"""The paired difference over a cost, with its trend."""

import numpy as np
from matplotlib.figure import Figure

from scaling import figures
from scaling.answers.analysis import Analysis
from scaling.figures import Trends
from scaling.plots.canvas import canvas, legend, log_axis
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import INK, PAPER, look


@plot
def difference_by_macs(analysis: Analysis) -> Drawing | None:
    """The paired difference of each cell over MACs, with its trend."""
    return drawn(figures.trends(analysis), draw_trends)


def draw_trends(info: Trends) -> Figure:
    """Draw differences over a cost with their least squares lines."""
    figure, axes = canvas(3.2, [line.label for line in info.lines])
    axes.axhline(0, color=INK, linewidth=0.9, zorder=2)
    for line in info.lines:
        colour, marker = look(line.colour)
        axes.fill_between(line.at, line.line - line.half_width, line.line + line.half_width, color=colour, alpha=0.15,
                          linewidth=0, zorder=1)  # fmt: skip
        axes.plot(line.at, line.line, color=colour, linewidth=1.4, zorder=3)
        axes.scatter(line.cost, line.difference, s=30, marker=marker, color=colour, edgecolors=PAPER, linewidths=0.6,
                     zorder=4)  # fmt: skip
    log_axis(axes, np.concatenate([line.cost for line in info.lines]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel="Difference in test accuracy (points)")
    legend(axes, [(line.label, line.colour) for line in info.lines])
    return figure
