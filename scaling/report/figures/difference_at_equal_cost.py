"""Bands: the difference at equal cost along each cost."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import legend, log_axis
from scaling.report.figures.registry import Drawing, drawn, plot
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, MUTED, WIDTH, look
from scaling.statistics.equal_cost import EqualCost
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural, points


@dataclass(frozen=True)
class Band:
    """One arm minus the baseline along one cost; arrays (grid,)."""

    arm: str
    colour: int
    cost: np.ndarray
    difference: np.ndarray  # points
    low: np.ndarray  # of the simultaneous band
    high: np.ndarray


@dataclass(frozen=True)
class Panel:
    """The bands of all arms along one cost."""

    cost: Metric
    bands: list[Band]


@dataclass(frozen=True)
class Bands:
    """A panel a cost."""

    text: Text
    panels: list[Panel]
    labels: list[tuple[str, int]]  # of the arms, with their n, and their colours
    margin: float  # points


def bands(analysis: Analysis) -> Bands | None:
    """The difference at equal cost, a panel for every cost that has an answer; None where none has."""
    panels: dict[str, list[Band]] = {}
    cells: dict[str, int] = {}
    words = []
    for answer in analysis.equal_cost:
        result = answer.result
        if isinstance(result, Missing):
            continue
        colour = analysis.arms.index(answer.arm)
        band = Band(answer.arm, colour, result.cost, result.difference, result.low, result.high)
        panels.setdefault(answer.cost, []).append(band)
        cells[answer.arm] = max(result.cells, cells.get(answer.arm, 0))
        mean = points(result.mean.estimate, signed=True)
        words.append(f"{answer.arm} at equal {METRICS[answer.cost].title}: {mean} points on the average")
    if not panels:
        return None
    baseline = analysis.arms[0]
    labels = [
        (f"{arm} − {baseline} ({plural(cells[arm], 'cell')})", place)
        for place, arm in enumerate(analysis.arms)
        if arm in cells
    ]
    included = any(isinstance(a.result, EqualCost) and a.result.images_included for a in analysis.equal_cost)
    caption = (
        f"Test accuracy minus that of {baseline} at equal cost: the distance of two curves through the cells, over the"
        " range that both arms cover, with its simultaneous 95 % band (cells are the units"
        f"{'; the choice of the test images is included' if included else ''}). Where a band leaves out zero, the"
        f" difference is sure. Shaded: ±{analysis.verdicts[0].margin:g} points, which count as no difference."
    )
    return Bands(
        Text("Difference at equal cost", caption, f"Lines with bands, a panel a cost. {'; '.join(words)}."),
        [Panel(METRICS[cost], found) for cost, found in panels.items()],
        labels,
        analysis.verdicts[0].margin,
    )


PANEL, BELOW, LEFT = 1.25, 0.6, 0.68  # inches


@plot
def difference_at_equal_cost(analysis: Analysis) -> Drawing | None:
    """The difference at equal cost along each cost, with its simultaneous band."""
    return drawn(bands(analysis), draw_bands)


def draw_bands(info: Bands) -> Figure:
    """Draw a panel a cost, one below the other, all with one scale of points."""
    top = 0.14 + 0.22 * len(info.labels)
    whole = top + len(info.panels) * (PANEL + BELOW)
    figure = Figure(figsize=(WIDTH, whole))
    ends = np.concatenate(
        [end for panel in info.panels for band in panel.bands for end in _middle(band.low, band.high)]
    )
    low, high = min(ends.min(), -2 * info.margin), max(ends.max(), 2 * info.margin)
    room = 0.06 * (high - low)
    first = None
    for place, panel in enumerate(info.panels):
        bottom = whole - top - place * (PANEL + BELOW) - PANEL
        axes = figure.add_axes((LEFT / WIDTH, bottom / whole, (WIDTH - LEFT - 0.2) / WIDTH, PANEL / whole))
        first = first or axes
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.axhspan(-info.margin, info.margin, color=MUTED, alpha=0.14, linewidth=0, zorder=0)
        axes.axhline(0, color=INK, linewidth=0.9, zorder=2)
        for band in panel.bands:
            colour, _ = look(band.colour)
            axes.fill_between(band.cost, band.low, band.high, color=colour, alpha=0.18, linewidth=0, zorder=1)
            axes.plot(band.cost, band.difference, color=colour, linewidth=1.4, zorder=3)
        log_axis(axes, np.concatenate([band.cost for band in panel.bands]), panel.cost)
        axes.set(xlabel=panel.cost.label, ylim=(low - room, high + room))
        axes.set_ylabel("Points")
    if first is not None:
        legend(first, info.labels)
    return figure


def _middle(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A band without its outermost tenths, where few cells make it wide: what the scale is chosen from."""
    cut = len(low) // 10
    return low[cut:-cut], high[cut:-cut]
