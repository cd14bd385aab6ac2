"""The paired difference over the cost, with its trend."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis, costs_of
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, PAPER, look
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural, points


@dataclass(frozen=True)
class ArmTrend:
    """Difference of one arm to the baseline over a cost: a point per cell, and the line through them."""

    arm: str
    colour: int
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    difference: np.ndarray  # (cells,) points
    at: np.ndarray  # (grid,) costs
    line: np.ndarray  # (grid,) points
    half_width: np.ndarray  # (grid,) of the confidence band


@dataclass(frozen=True)
class DifferenceByCost:
    """Difference of every arm to the baseline over a cost."""

    text: Text
    cost: Metric
    arms: list[ArmTrend]


def arm_trends(analysis: Analysis, cost_name: str = "macs") -> DifferenceByCost | None:
    """Difference over a cost with its least squares line; None if there are too few cells for a line."""
    lines, words = [], []
    for verdict in analysis.verdicts:
        if verdict.trend is None:
            continue
        comparison = verdict.comparison
        costs = costs_of(analysis.cells, comparison.baseline, cost_name, comparison.cells.index)
        known = np.isfinite(costs)
        grid = np.geomspace(costs[known].min(), costs[known].max(), 50)
        line, half = verdict.trend.at(grid)
        lines.append(
            ArmTrend(
                arm=comparison.arm,
                colour=analysis.arms.index(comparison.arm),
                label=f"{comparison.arm} − {comparison.baseline} ({plural(int(known.sum()), 'cell')})",
                cost=costs[known],
                difference=comparison.cells["difference"].to_numpy(dtype=float)[known],
                at=grid,
                line=line,
                half_width=half,
            )
        )
        words.append(
            f"{comparison.arm}: {points(verdict.trend.slope.estimate, signed=True)} points per doubling of MACs"
        )
    if not lines:
        return None
    caption = (
        "Mean paired difference of each cell over the baseline's MACs, with the least squares line over log MACs and"
        " its pointwise 95 % confidence band (cells are the units)."
    )
    description = f"Scatter plot of the difference over MACs with a line. {'; '.join(words)}."
    text = Text("Does the difference grow with size?", caption, description)
    return DifferenceByCost(text, METRICS[cost_name], lines)


@figure(section=Section.DIFFERENCE)
def difference_by_macs(analysis: Analysis) -> Drawing | None:
    """The paired difference of each cell over MACs, with its trend."""
    return drawn(arm_trends(analysis), draw_trends)


def draw_trends(info: DifferenceByCost) -> Figure:
    """Draw differences over a cost with their least squares lines."""
    paper, axes = canvas(3.2, [line.label for line in info.arms])
    axes.axhline(0, color=INK, linewidth=0.9, zorder=2)
    for line in info.arms:
        colour, marker = look(line.colour)
        axes.fill_between(line.at, line.line - line.half_width, line.line + line.half_width, color=colour, alpha=0.15,
                          linewidth=0, zorder=1)  # fmt: skip
        axes.plot(line.at, line.line, color=colour, linewidth=1.4, zorder=3)
        axes.scatter(line.cost, line.difference, s=30, marker=marker, color=colour, edgecolors=PAPER, linewidths=0.6,
                     zorder=4)  # fmt: skip
    log_axis(axes, np.concatenate([line.cost for line in info.arms]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel="Difference in test accuracy (points)")
    legend(axes, [(line.label, line.colour) for line in info.arms])
    return paper
