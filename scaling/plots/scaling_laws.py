"""Test error over a cost, both logarithmic, with the laws through it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.answers.analysis import Analysis
from scaling.figures.scaling_laws import LEAST_SHOWN, LawPoints, Laws, laws
from scaling.plots.canvas import canvas, legend, log_axis
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import PAPER, look
from scaling.study.metrics import METRICS

MANY = 150  # cells above which marks are small and without bars


@plot
def scaling_law_by_macs(analysis: Analysis) -> Drawing | None:
    """Test error over MACs, with the law of each arm."""
    return drawn(laws(analysis, "macs"), draw_laws)


@plot
def scaling_law_by_params(analysis: Analysis) -> Drawing | None:
    """Test error over parameters, with the law of each arm."""
    return drawn(laws(analysis, "params"), draw_laws)


def draw_laws(info: Laws) -> Figure:
    """Draw errors in log-log with their laws, bands and predictions."""
    figure, axes = canvas(3.6, [arm.label for arm in info.arms])
    errors = np.concatenate([arm.error for arm in info.arms])
    errors = errors[errors > LEAST_SHOWN]
    told = [ends for arm in info.arms if arm.foretold for ends in (arm.foretold.low, arm.foretold.high)]
    if len(errors):
        errors = np.concatenate([errors, *(np.clip(ends, errors.min() / 1.6, errors.max() * 1.3) for ends in told)])
    log_axis(axes, np.concatenate([arm.cost for arm in info.arms]), info.cost)
    log_axis(axes, errors if len(errors) else np.array([1.0, 100.0]), METRICS["test_error"], vertical=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for arm in info.arms:
        _draw_arm(axes, arm)
    axes.set(xlabel=info.cost.label, ylabel=METRICS["test_error"].label)
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return figure


def _draw_arm(axes: Axes, arm: LawPoints) -> None:
    colour, marker = look(arm.colour)
    few = len(arm.cost) <= MANY
    size = 30 if few else 7
    if arm.fit is not None:
        fit = arm.fit
        if np.isfinite(fit.low).any():
            low = np.maximum(fit.low, LEAST_SHOWN / 10)
            axes.fill_between(fit.grid, low, fit.high, color=colour, alpha=0.15, linewidth=0, zorder=1)
        axes.plot(fit.grid, fit.error, color=colour, linewidth=1.5, zorder=3)
    if arm.foretold is not None:
        told = arm.foretold
        order = np.argsort(told.cost, kind="stable")
        axes.plot(told.cost[order], told.predicted[order], color=colour, linewidth=1.2, linestyle=(0, (4, 2)), zorder=4)
        if len(np.unique(told.cost)) == 1:  # a line of one place is none
            axes.scatter(told.cost, told.predicted, s=90, marker="_", color=colour, linewidths=1.4, zorder=4)
        if few:
            low = np.maximum(told.low, LEAST_SHOWN / 10)
            axes.vlines(told.cost, low, told.high, color=colour, linewidth=0.9, linestyle=(0, (1.5, 1.5)), zorder=2)
    if few:
        low = np.minimum(arm.half_width, arm.error - LEAST_SHOWN / 10)
        bars = np.nan_to_num(np.stack([np.maximum(low, 0), arm.half_width]))
        axes.errorbar(arm.cost, arm.error, yerr=bars, fmt="none", ecolor=colour, elinewidth=1.0, zorder=4)
    faces = np.where(arm.is_held_out, PAPER, colour).tolist()
    edges = np.where(arm.is_held_out, colour, PAPER)
    axes.scatter(arm.cost, arm.error, s=size, marker=marker, c=faces, edgecolors=edges.tolist(),
                 linewidths=1.1 if few else 0.5, zorder=5)  # fmt: skip
