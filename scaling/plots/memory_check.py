"""Predicted against measured memory."""

import numpy as np
from matplotlib.figure import Figure

from scaling import figures
from scaling.answers.analysis import Analysis
from scaling.figures import Memory
from scaling.plots.canvas import canvas, legend, log_axis
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import MUTED, PAPER, look


@plot
def memory_prediction(analysis: Analysis) -> Drawing | None:
    """Predicted against measured memory of a training step."""
    return drawn(figures.memory(analysis), draw_memory)


def draw_memory(info: Memory) -> Figure:
    """Draw predicted over measured memory, with the line of equality; both axes have one range."""
    figure, axes = canvas(3.7, [cloud.label for cloud in info.clouds])
    everything = np.concatenate([[*cloud.predicted, *cloud.measured] for cloud in info.clouds])
    log_axis(axes, everything, info.measured)
    log_axis(axes, everything, info.predicted, vertical=True)
    axes.plot(axes.get_xlim(), axes.get_xlim(), color=MUTED, linewidth=0.9, zorder=2)
    for cloud in info.clouds:
        colour, marker = look(cloud.colour)
        axes.scatter(cloud.measured, cloud.predicted, s=30, marker=marker, color=colour, edgecolors=PAPER,
                     linewidths=0.6, zorder=3)  # fmt: skip
    axes.set(xlabel=info.measured.label, ylabel=info.predicted.label)
    legend(axes, [(cloud.label, cloud.colour) for cloud in info.clouds])
    return figure
