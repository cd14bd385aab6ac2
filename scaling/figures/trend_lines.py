"""Trends: does the difference grow with the cost?"""

from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import Analysis, costs_of
from scaling.figures.text import Text
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural, points


@dataclass(frozen=True)
class TrendLine:
    """The difference of one arm to the baseline over a cost: one point a cell, and the line through them."""

    arm: str
    colour: int
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    difference: np.ndarray  # (cells,) points
    at: np.ndarray  # (grid,) costs
    line: np.ndarray  # (grid,) points
    half_width: np.ndarray  # (grid,) of the confidence band


@dataclass(frozen=True)
class Trends:
    """Does the difference grow with the cost?"""

    text: Text
    cost: Metric
    lines: list[TrendLine]


def trends(analysis: Analysis, cost_name: str = "macs") -> Trends | None:
    """Difference over a cost with its least squares line; None where there are too few cells for a line."""
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
            TrendLine(
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
        "Mean paired difference of each cell against the baseline's MACs, with the least squares line over log MACs and"
        " its 95 % confidence band (pointwise; cells are the units)."
    )
    description = f"Scatter plot of the difference over MACs with a line. {'; '.join(words)}."
    return Trends(Text("Does the difference grow with size?", caption, description), METRICS[cost_name], lines)
