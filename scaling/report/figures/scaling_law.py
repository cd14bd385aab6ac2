"""Scaling law: test error of every arm along a cost, its law, and the held-out prediction of the largest costs."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.scaling_fits import law_text
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import PAPER, look
from scaling.statistics.estimates import t_quantile
from scaling.statistics.held_out import HeldOut
from scaling.statistics.weighted_law import LawFit
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural

LEAST_SHOWN = 0.02  # percent; smaller values are left off the logarithmic axis
GRID = 60  # costs at which a law is drawn
MANY = 150  # cells above which marks are small and without bars


@dataclass(frozen=True)
class ArmLaw:
    """One arm: its cells, and its law if there is one. Errors are in percent."""

    arm: str
    colour: int
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    error: np.ndarray
    half_width: np.ndarray  # of the 95 % interval over repetitions; NaN with one
    is_held_out: np.ndarray  # (cells,) boolean
    law: LawFit | None
    held_out: HeldOut | None


@dataclass(frozen=True)
class ScalingLaw:
    """The arms along one cost."""

    text: Text
    cost: Metric
    arms: list[ArmLaw]


def arm_laws(analysis: Analysis, cost: str) -> ScalingLaw | None:
    """Errors over a cost with their laws; None if no arm has one."""
    fits = analysis.scaling_fits.along(cost)
    if not any(isinstance(fit.law, LawFit) for fit in fits):
        return None
    shown = []
    for place, fit in enumerate(fits):
        rows = analysis.cells.take(np.flatnonzero(analysis.cells["arm"] == fit.arm))
        costs, error = rows[cost].to_numpy(dtype=float), 100 - rows["test_accuracy"].to_numpy(dtype=float)
        known = np.isfinite(costs) & (costs > 0) & np.isfinite(error)
        if not known.any():
            continue
        law = fit.law if isinstance(fit.law, LawFit) else None
        held_out = fit.held_out if isinstance(fit.held_out, HeldOut) else None
        n, sd = rows["n"].to_numpy(dtype=int), rows["test_sd"].to_numpy(dtype=float)
        half = np.array([t_quantile(0.95, k - 1) * s / k**0.5 if k > 1 else np.nan for k, s in zip(n, sd, strict=True)])
        names = {analysis.scaling_fits.cells[one] for one in held_out.cell} if held_out else set()
        is_held_out = rows["cell"].isin(list(names)).to_numpy()
        label = f"{fit.arm} ({plural(fit.cells, 'cell')}): {law_text(law) if law else 'no law'}"
        shown.append(
            ArmLaw(fit.arm, place, label, costs[known], error[known], half[known], is_held_out[known], law, held_out)
        )
    caption = (
        "Test error of each cell (mean over repetitions; bars: 95 % t interval over them) over cost, both logarithmic,"
        " with the law of each arm and the 95 % interval for a new cell (profile likelihood; cells are the units). Open"
        " marks: the largest costs, held out and predicted from the smaller ones; dashed: that prediction with its"
        " intervals. The laws hold for tuned models only: at one fixed learning rate they mislead."
    )
    title = f"Scaling: test error over {METRICS[cost].title}"
    said = " ".join(fit.sentence for fit in fits)
    return ScalingLaw(Text(title, caption, f"Scatter plot in log-log. {said}"), METRICS[cost], shown)


@figure()
def scaling_law_by_macs(analysis: Analysis) -> Drawing | None:
    """Test error over MACs, with the law of each arm."""
    return drawn(arm_laws(analysis, "macs"), draw_laws)


@figure()
def scaling_law_by_params(analysis: Analysis) -> Drawing | None:
    """Test error over parameters, with the law of each arm."""
    return drawn(arm_laws(analysis, "params"), draw_laws)


def draw_laws(info: ScalingLaw) -> Figure:
    """Draw errors in log-log with their laws, bands and predictions."""
    paper, axes = canvas(3.6, [arm.label for arm in info.arms])
    errors = np.concatenate([arm.error for arm in info.arms])
    errors = errors[errors > LEAST_SHOWN]
    predicted = [ends for arm in info.arms if arm.held_out for ends in (arm.held_out.low, arm.held_out.high)]
    if len(errors):
        low, high = errors.min() / 1.6, errors.max() * 1.3
        errors = np.concatenate([errors, *(np.clip(ends, low, high) for ends in predicted)])
    log_axis(axes, np.concatenate([arm.cost for arm in info.arms]), info.cost)
    log_axis(axes, errors if len(errors) else np.array([1.0, 100.0]), METRICS["test_error"], vertical=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for arm in info.arms:
        _draw_arm(axes, arm)
    axes.set(xlabel=info.cost.label, ylabel=METRICS["test_error"].label)
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return paper


def _draw_arm(axes: Axes, arm: ArmLaw) -> None:
    colour, marker = look(arm.colour)
    few = len(arm.cost) <= MANY
    size = 30 if few else 7
    if arm.law is not None:
        grid = np.geomspace(arm.law.low_cost, arm.law.high_cost, GRID)
        low, high = arm.law.predict(grid)
        if np.isfinite(high).all():
            axes.fill_between(grid, np.maximum(low, LEAST_SHOWN / 10), high, color=colour, alpha=0.15, linewidth=0,
                              zorder=1)  # fmt: skip
        axes.plot(grid, arm.law.at(grid), color=colour, linewidth=1.5, zorder=3)
    if (held := arm.held_out) is not None:
        order = np.argsort(held.cost, kind="stable")
        axes.plot(held.cost[order], held.predicted[order], color=colour, linewidth=1.2, linestyle=(0, (4, 2)), zorder=4)
        if len(np.unique(held.cost)) == 1:  # a line through one cost is invisible
            axes.scatter(held.cost, held.predicted, s=90, marker="_", color=colour, linewidths=1.4, zorder=4)
        if few:
            low = np.maximum(held.low, LEAST_SHOWN / 10)
            axes.vlines(held.cost, low, held.high, color=colour, linewidth=0.9, linestyle=(0, (1.5, 1.5)), zorder=2)
    if few:
        low = np.minimum(arm.half_width, arm.error - LEAST_SHOWN / 10)
        bars = np.nan_to_num(np.stack([np.maximum(low, 0), arm.half_width]))
        axes.errorbar(arm.cost, arm.error, yerr=bars, fmt="none", ecolor=colour, elinewidth=1.0, zorder=4)
    faces = np.where(arm.is_held_out, PAPER, colour).tolist()
    edges = np.where(arm.is_held_out, colour, PAPER)
    axes.scatter(arm.cost, arm.error, s=size, marker=marker, c=faces, edgecolors=edges.tolist(),
                 linewidths=1.1 if few else 0.5, zorder=5)  # fmt: skip
