"""The difference at equal cost, a panel a cost."""

import numpy as np
from matplotlib.figure import Figure

from scaling.answers.analysis import Analysis
from scaling.figures.bands import Bands, bands
from scaling.plots.canvas import legend, log_axis
from scaling.plots.registry import Drawing, drawn, plot
from scaling.plots.theme import INK, MUTED, WIDTH, look

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
