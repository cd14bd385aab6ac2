"""Scaling law: test error of every arm along a cost, its law, and the held-out prediction of the largest costs."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.scaling_fits import exponent_text
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import PAPER, look
from scaling.statistics.fits import HeldOutPrediction, ScalingFit
from scaling.statistics.intervals import t_quantile
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural

LEAST_SHOWN = 0.02  # percent; smaller values are left off the logarithmic axis
MANY = 150  # cells above which marks are small and without bars


@dataclass(frozen=True)
class ArmLaw:
    """One arm: its cells, and its law if there is one. Errors are in percent."""

    arm: str
    colour: int
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    error: np.ndarray
    half_width: np.ndarray  # of the 95 % interval over the cell's seeds; NaN with one
    is_held_out: np.ndarray  # (cells,) boolean
    fit: ScalingFit | None
    held_out: HeldOutPrediction | None


@dataclass(frozen=True)
class ScalingLaw:
    """The arms along one cost."""

    text: Text
    cost: Metric
    arms: list[ArmLaw]


def arm_laws(analysis: Analysis, cost: str) -> ScalingLaw | None:
    """Errors over a cost with their laws; None if no arm has one."""
    fits = analysis.scaling_fits.fits.get(cost, {})
    if not any(isinstance(fit, ScalingFit) for fit in fits.values()):
        return None
    shown, words = [], []
    for place, arm in enumerate(analysis.arms):
        rows = analysis.cells.take(np.flatnonzero(analysis.cells["arm"] == arm))
        costs, error = rows[cost].to_numpy(dtype=float), 100 - rows["test_accuracy"].to_numpy(dtype=float)
        known = np.isfinite(costs) & (costs > 0) & np.isfinite(error)
        if not known.any():
            continue
        found = fits[arm]
        fit = found if isinstance(found, ScalingFit) else None
        prediction = fit.held_out_prediction if fit else None
        held_out = prediction if isinstance(prediction, HeldOutPrediction) else None
        n, sd = rows["n"].to_numpy(dtype=int), rows["test_sd"].to_numpy(dtype=float)
        half = np.array([t_quantile(0.95, k - 1) * s / k**0.5 if k > 1 else np.nan for k, s in zip(n, sd, strict=True)])
        names = {analysis.scaling_fits.cells[one] for one in held_out.cell} if held_out else set()
        is_held_out = rows["cell"].isin(list(names)).to_numpy()
        law = exponent_text(fit, brief=True) if fit else "no law"
        shown.append(
            ArmLaw(arm, place, f"{arm} ({plural(int(known.sum()), 'cell')}): {law}", costs[known], error[known],
                   half[known], is_held_out[known], fit, held_out)
        )  # fmt: skip
        if fit:
            words.append(f"{arm}: {exponent_text(fit)}; the chosen law has {_named(fit)}")
        elif isinstance(found, Missing):
            words.append(f"{arm}: no law, because {found.said}")
    caption = (
        "Test error of each cell (mean over seeds; bars: 95 % t interval over its seeds) over cost, both"
        " logarithmic, with the law chosen by held-out error and its pointwise 95 % band (profile likelihood; cells are"
        " the units). Open marks: the largest costs, held out and predicted from the smaller ones; dashed: that"
        " prediction with its 95 % prediction intervals. The laws hold for tuned models only: at one fixed learning"
        " rate they mislead."
    )
    title = f"Scaling: test error over {METRICS[cost].title}"
    return ScalingLaw(Text(title, caption, f"Scatter plot in log-log. {'. '.join(words)}."), METRICS[cost], shown)


def _named(fit: ScalingFit) -> str:
    return {"no floor": "no floor", "floor": "a floor", "broken": "a break"}[fit.law]


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
    if arm.fit is not None:
        fit = arm.fit
        if np.isfinite(fit.low).any():
            low = np.maximum(fit.low, LEAST_SHOWN / 10)
            axes.fill_between(fit.grid, low, fit.high, color=colour, alpha=0.15, linewidth=0, zorder=1)
        axes.plot(fit.grid, fit.error, color=colour, linewidth=1.5, zorder=3)
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
