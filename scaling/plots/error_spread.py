"""Error distribution functions with their bands."""

import numpy as np
from matplotlib.figure import Figure

from scaling.answers.analysis import MAIN_COST, Analysis
from scaling.answers.design_space import PLAIN
from scaling.figures.error_spread import ErrorSpread, error_spread
from scaling.plots.canvas import canvas, legend
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import look


@plot
def error_distribution(analysis: Analysis) -> Drawing | None:
    """Share of cells over test error, every cell counting alike."""
    return drawn(error_spread(analysis, PLAIN), draw_spread)


@plot
def error_distribution_by_macs(analysis: Analysis) -> Drawing | None:
    """The same, normalised for MACs."""
    return drawn(error_spread(analysis, MAIN_COST), draw_spread)


def draw_spread(info: ErrorSpread) -> Figure:
    """Draw a step curve and its band for each arm."""
    figure, axes = canvas(3.2, [arm.label for arm in info.arms])
    ends = np.concatenate([arm.error for arm in info.arms])
    low, high = ends.min(), ends.max()
    margin = 0.03 * max(high - low, 0.1)
    for arm in info.arms:
        colour, _ = look(arm.colour)
        x = np.concatenate([[low - margin], arm.error, [high + margin]])
        y = np.concatenate([[0.0], arm.share, [100.0]])
        band = np.clip(y - arm.half_width, 0, 100), np.clip(y + arm.half_width, 0, 100)
        axes.fill_between(x, *band, step="post", color=colour, alpha=0.13, linewidth=0, zorder=1)
        axes.step(x, y, where="post", color=colour, linewidth=1.5, zorder=3)
    axes.set(xlabel=info.score.label, ylabel="cells (%)", xlim=(low - margin, high + margin), ylim=(0, 100))
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return figure
