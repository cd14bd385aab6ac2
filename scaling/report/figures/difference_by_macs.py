"""The paired difference over the cost, with its mean over the parts by size as boxes."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis, costs_of
from scaling.report.figures.boxes import Box, boxes_of, draw_boxes
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, PAPER, look
from scaling.study.metrics import METRICS, Metric, main_cost
from scaling.wording import plural, points


@dataclass(frozen=True)
class ArmBySize:
    """Difference of one arm to the baseline over a cost: a point per cell, and a box per part."""

    arm: str
    colour: int
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    difference: np.ndarray  # (cells,) points
    boxes: list[Box]


@dataclass(frozen=True)
class DifferenceByCost:
    """Difference of every arm to the baseline over a cost."""

    text: Text
    cost: Metric
    arms: list[ArmBySize]


def arms_by_size(analysis: Analysis) -> DifferenceByCost | None:
    """Difference over the main cost; None where no arm has two cells of different, known cost."""
    cost = METRICS[main_cost()]
    shown, words = [], []
    for verdict in analysis.verdicts:
        costs = costs_of(analysis.cells, verdict.baseline, cost.name, verdict.cells.index)
        known = np.isfinite(costs) & (costs > 0)
        if len(np.unique(costs[known])) < 2:
            continue
        boxes = boxes_of(verdict.found.parts) if len(verdict.found.parts) > 1 else []
        shown.append(
            ArmBySize(
                arm=verdict.arm,
                colour=analysis.arms.index(verdict.arm),
                label=f"{verdict.arm} − {verdict.baseline} ({plural(int(known.sum()), 'cell')})",
                cost=costs[known],
                difference=verdict.cells["difference"].to_numpy(dtype=float)[known],
                boxes=boxes,
            )
        )
        if boxes:
            means = ", ".join(points(box.mean, signed=True) for box in boxes)
            words.append(f" {verdict.arm}: {means} points, from the cheapest part on.")
    if not shown:
        return None
    caption = f"Mean paired difference of each cell over the baseline's {cost.title}."
    if words:
        caption += (
            " Boxes: the mean over a half or third of the cells with its interval; the intervals of all boxes of an arm"
            " hold together."
        )
    what = "Points and boxes" if words else "Points"
    text = Text("Does the difference change with size?", caption, f"{what} over cost.{''.join(words)}")
    return DifferenceByCost(text, cost, shown)


@figure(section=Section.DIFFERENCE)
def difference_by_macs(analysis: Analysis) -> Drawing | None:
    """The paired difference of each cell over MACs, with its mean by parts."""
    return drawn(arms_by_size(analysis), draw_by_size)


def draw_by_size(info: DifferenceByCost) -> Figure:
    """Draw differences over a cost with the boxes of the parts."""
    paper, axes = canvas(3.2, [arm.label for arm in info.arms])
    axes.axhline(0, color=INK, linewidth=0.9, zorder=2)
    for arm in info.arms:
        colour, marker = look(arm.colour)
        draw_boxes(axes, arm.boxes, colour)
        axes.scatter(arm.cost, arm.difference, s=30, marker=marker, color=colour, edgecolors=PAPER, linewidths=0.6,
                     zorder=4)  # fmt: skip
    log_axis(axes, np.concatenate([arm.cost for arm in info.arms]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel="Difference in test accuracy (points)")
    axes.margins(y=0.08)
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return paper
