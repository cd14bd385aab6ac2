"""Accuracy against each cost."""

import numpy as np
from matplotlib.figure import Figure

from scaling import figures
from scaling.answers.analysis import Analysis
from scaling.figures import Accuracy
from scaling.plots.canvas import canvas, legend, log_axis
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import MUTED, PAPER, look

PUBLISHED = "x+1"  # markers of published series; arms have filled ones


@plot
def accuracy_by_macs(analysis: Analysis) -> Drawing | None:
    """Test accuracy against MACs."""
    return drawn(figures.accuracy(analysis, "macs"), draw_accuracy)


@plot
def accuracy_by_params(analysis: Analysis) -> Drawing | None:
    """Test accuracy against parameters."""
    return drawn(figures.accuracy(analysis, "params"), draw_accuracy)


@plot
def accuracy_by_activations(analysis: Analysis) -> Drawing | None:
    """Test accuracy against activations."""
    return drawn(figures.accuracy(analysis, "activations"), draw_accuracy)


@plot
def accuracy_by_train_seconds(analysis: Analysis) -> Drawing | None:
    """Test accuracy against training seconds, with a warning where trials shared a machine."""
    note = figures.SHARED if analysis.trials_overlap else ""
    return drawn(figures.accuracy(analysis, "train_seconds", note), draw_accuracy)


def draw_accuracy(info: Accuracy) -> Figure:
    """Draw accuracy over a cost: cells, single trials, fronts."""
    figure, axes = canvas(3.7, [cloud.label for cloud in info.clouds])
    for cloud in info.clouds:
        colour, marker = look(cloud.colour)
        axes.plot(cloud.cost[cloud.front], cloud.accuracy[cloud.front], color=colour, linewidth=1.4, zorder=3)
        axes.scatter(
            cloud.trial_cost[cloud.trials_drawn], cloud.trial_accuracy[cloud.trials_drawn], s=7, color=colour,
            alpha=0.28, linewidths=0, zorder=2,
        )  # fmt: skip
        cost, accuracy, front = cloud.cost[cloud.drawn], cloud.accuracy[cloud.drawn], cloud.front[cloud.drawn]
        axes.errorbar(
            cost, accuracy, cloud.sd[cloud.drawn], fmt="none", ecolor=colour, elinewidth=1, alpha=0.7, zorder=3
        )
        for chosen, fill in ((front, colour), (~front, PAPER)):
            axes.scatter(
                cost[chosen], accuracy[chosen], s=30, marker=marker, color=fill, edgecolors=colour,
                linewidths=1.2, zorder=4,
            )  # fmt: skip
    for order, (series, cost, accuracy) in enumerate(info.published):
        axes.scatter(
            cost, accuracy, s=34, marker=PUBLISHED[order % len(PUBLISHED)], color=MUTED, linewidths=1, zorder=5
        )
        axes.annotate(f"{series} (paper)", (float(cost[-1]), float(accuracy[-1])), xytext=(-5, -9), color=MUTED,
                      textcoords="offset points", ha="right", va="top", fontsize=8)  # fmt: skip
    costs = [*(cloud.trial_cost for cloud in info.clouds), *(cost for _, cost, _ in info.published)]
    log_axis(axes, np.concatenate(costs), info.cost)
    axes.set(xlabel=info.cost.label, ylabel=info.score.label)
    legend(axes, [(cloud.label, cloud.colour) for cloud in info.clouds])
    return figure
