"""Learning curves."""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scaling import figures
from scaling.answers.analysis import Analysis
from scaling.figures import Curves
from scaling.plots.canvas import canvas, legend
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import look


@plot
def learning_curves(analysis: Analysis) -> Drawing | None:
    """Validation accuracy by epoch."""
    return drawn(figures.curves(analysis), draw_curves)


def draw_curves(info: Curves) -> Figure:
    """Draw learning curves: cells faint, their mean bold."""
    figure, axes = canvas(3.2, [curve.label for curve in info.curves])
    for curve in info.curves:
        colour, _ = look(curve.colour)
        lines = [np.column_stack([np.arange(1, len(cell) + 1), cell]) for cell in curve.cells]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.7, alpha=0.35, zorder=2))
        axes.plot(curve.epochs, curve.mean, color=colour, linewidth=2, zorder=3)
        if len(curve.epochs) == 1:
            axes.scatter(curve.epochs, curve.mean, color=colour, s=26, zorder=3)
    axes.autoscale_view()
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.set(xlabel="Epoch", ylabel="Validation accuracy (%)")
    legend(axes, [(curve.label, curve.colour) for curve in info.curves])
    return figure
