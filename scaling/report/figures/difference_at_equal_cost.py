"""The difference at equal cost along each cost, with its mean over the parts of the range as boxes."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.boxes import Box, boxes_of, draw_boxes
from scaling.report.figures.canvas import legend, log_axis
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, MUTED, WIDTH, look
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural, points

PANEL, BELOW, LEFT = 1.25, 0.6, 0.68  # inches


@dataclass(frozen=True)
class ArmAtEqualCost:
    """One arm minus the baseline along one cost; arrays are (grid,)."""

    arm: str
    colour: int
    cost: np.ndarray
    difference: np.ndarray  # points, between the two polylines
    boxes: list[Box]


@dataclass(frozen=True)
class CostPanel:
    """All arms along one cost."""

    cost: Metric
    arms: list[ArmAtEqualCost]


@dataclass(frozen=True)
class DifferenceAtEqualCost:
    """A panel per cost."""

    text: Text
    panels: list[CostPanel]
    labels: list[tuple[str, int]]  # of the arms with their n, and their colours
    margin: float  # points


def cost_panels(analysis: Analysis) -> DifferenceAtEqualCost | None:
    """The difference at equal cost, a panel for every cost that has one; None if none has."""
    panels: dict[str, list[ArmAtEqualCost]] = {}
    cells: dict[str, int] = {}
    words = []
    for answer in analysis.equal_cost:
        result = answer.result
        if isinstance(result, Missing):
            continue
        place = analysis.arms.index(answer.arm)
        boxes = boxes_of(result.parts)
        line = ArmAtEqualCost(answer.arm, place, result.cost, result.difference, boxes)
        panels.setdefault(answer.cost, []).append(line)
        cells[answer.arm] = max(len(result.arm), cells.get(answer.arm, 0))
        mean = points(result.mean.estimate, signed=True)
        words.append(f"{answer.arm} at equal {METRICS[answer.cost].title}: {mean} points on average")
    if not panels:
        return None
    baseline = analysis.arms[0]
    labels = [
        (f"{arm} − {baseline} ({plural(cells[arm], 'cell')})", place)
        for place, arm in enumerate(analysis.arms)
        if arm in cells
    ]
    caption = (
        f"Test accuracy minus that of {baseline} at equal cost, over the range that both arms cover. Dotted: the"
        " distance between straight lines through the cells of each arm. Boxes: its mean over a half or third of the"
        " range with its interval; those of one arm and cost hold together with 95 %. Nothing is claimed between the"
        f" ends of a box. Shaded: ±{analysis.settings.margin:g} points, which count as no difference."
    )
    return DifferenceAtEqualCost(
        Text("Difference at equal cost", caption, f"Lines and boxes, a panel per cost. {'; '.join(words)}."),
        [CostPanel(METRICS[cost], found) for cost, found in panels.items()],
        labels,
        analysis.settings.margin,
    )


@figure(section=Section.DIFFERENCE, order=1)
def difference_at_equal_cost(analysis: Analysis) -> Drawing | None:
    """The difference at equal cost along each cost, with its mean over parts of the range."""
    return drawn(cost_panels(analysis), draw_panels)


def draw_panels(info: DifferenceAtEqualCost) -> Figure:
    """Draw a panel per cost, one below the other, all with the same scale of points."""
    top = 0.14 + 0.22 * len(info.labels)
    whole = top + len(info.panels) * (PANEL + BELOW)
    paper = Figure(figsize=(WIDTH, whole))
    shown = [arm for panel in info.panels for arm in panel.arms]
    ends = np.array([end for arm in shown for box in arm.boxes for end in (box.low, box.high)])
    ends = np.concatenate([ends, *(arm.difference for arm in shown)])
    low, high = min(ends.min(), -2 * info.margin), max(ends.max(), 2 * info.margin)
    room = 0.06 * (high - low)
    first = None
    for place, panel in enumerate(info.panels):
        bottom = whole - top - place * (PANEL + BELOW) - PANEL
        axes = paper.add_axes((LEFT / WIDTH, bottom / whole, (WIDTH - LEFT - 0.2) / WIDTH, PANEL / whole))
        first = first or axes
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.axhspan(-info.margin, info.margin, color=MUTED, alpha=0.14, linewidth=0, zorder=0)
        axes.axhline(0, color=INK, linewidth=0.9, zorder=2)
        for arm in panel.arms:
            colour, _ = look(arm.colour)
            draw_boxes(axes, arm.boxes, colour)
            axes.plot(arm.cost, arm.difference, color=colour, linewidth=1.0, linestyle=":", zorder=3)
        log_axis(axes, np.concatenate([arm.cost for arm in panel.arms]), panel.cost)
        axes.set(xlabel=panel.cost.label, ylim=(low - room, high + room))
        axes.set_ylabel("Points")
    if first is not None:
        legend(first, info.labels)
    return paper
