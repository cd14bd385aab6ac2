"""How surely each configuration is on the front of its arm."""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from scaling.answers.analysis import Analysis
from scaling.figures.front_certainty import Certainties, front_certainty
from scaling.plots.canvas import canvas, legend, log_axis
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import look


@plot
def front_probability(analysis: Analysis) -> Drawing | None:
    """Cells over MACs, filled by how likely they are on the front."""
    return drawn(front_certainty(analysis), draw_certainty)


def draw_certainty(info: Certainties) -> Figure:
    """Draw cells whose filling is the probability, and the observed fronts."""
    figure, axes = canvas(3.4, [arm.label for arm in info.arms])
    for arm in info.arms:
        colour, marker = look(arm.colour)
        axes.plot(arm.cost[arm.observed], arm.accuracy[arm.observed], color=colour, linewidth=1.0, zorder=2)
        fill = np.array([to_rgba(colour, float(p)) for p in arm.probability])
        axes.scatter(arm.cost, arm.accuracy, s=34, marker=marker, facecolors=fill, edgecolors=colour, linewidths=0.9,
                     zorder=3)  # fmt: skip
    log_axis(axes, np.concatenate([arm.cost for arm in info.arms]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel=info.score.label)
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return figure
