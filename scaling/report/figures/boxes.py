"""Boxes: the mean difference over a part of the range of cost, with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from scaling.statistics.parts import Part


@dataclass(frozen=True)
class Box:
    """One part: its range of cost, its mean and the ends of its interval, in points."""

    start: float
    end: float
    mean: float
    low: float
    high: float


def boxes_of(parts: Sequence[Part]) -> list[Box]:
    """Boxes of the parts whose cost and interval are known."""
    return [
        Box(part.low_cost, part.high_cost, part.interval.estimate, part.interval.low, part.interval.high)
        for part in parts
        if part.low_cost is not None and part.high_cost is not None and part.interval.is_known
    ]


def draw_boxes(axes: Axes, boxes: Sequence[Box], colour: str) -> None:
    """Draw a shaded rectangle a part, with a line at its mean."""
    for box in boxes:
        size = (box.end - box.start, box.high - box.low)
        axes.add_patch(Rectangle((box.start, box.low), *size, facecolor=colour, alpha=0.16, linewidth=0, zorder=1))
        axes.add_patch(Rectangle((box.start, box.low), *size, fill=False, edgecolor=colour, linewidth=0.8, zorder=2))
        axes.hlines(box.mean, box.start, box.end, color=colour, linewidth=1.8, zorder=4)
