"""Drawings: a matplotlib figure with its text, in the style of the report, as PNG, SVG and PDF."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from scaling.report.figures.text import Text
from scaling.report.figures.theme import STYLE

MOST_MARKS, MOST_LINES = 1000, 400  # drawn as vectors


class Numbers(Protocol):
    """The numbers of a figure."""

    @property
    def text(self) -> Text: ...


Shown = TypeVar("Shown", bound=Numbers)


@dataclass(frozen=True)
class Drawing:
    """A drawn figure with its text."""

    text: Text
    figure: Figure

    def render(self) -> tuple[bytes, bytes]:
        """The figure as PNG and as SVG."""
        png, svg = io.BytesIO(), io.BytesIO()
        _rasterize_crowds(self.figure)
        with mpl.rc_context(STYLE):
            self.figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
            self.figure.savefig(svg, format="svg", dpi=160, metadata={"Date": None, "Creator": None})
        return png.getvalue(), svg.getvalue()

    def pdf(self) -> bytes:
        """The figure as PDF with embedded fonts; equal figures give equal bytes."""
        content = io.BytesIO()
        with mpl.rc_context({**STYLE, "pdf.fonttype": 42}):
            self.figure.savefig(content, format="pdf", metadata={"CreationDate": None, "Creator": None})
        return content.getvalue()


def _rasterize_crowds(figure: Figure) -> None:
    """Embed very many marks as a bitmap in the vector figure, so that files do not grow with the study."""
    for axes in figure.axes:
        for marks in axes.collections:
            if max(len(marks.get_offsets()), len(marks.get_paths())) > MOST_MARKS:  # pyright: ignore[reportArgumentType]
                marks.set_rasterized(True)
        if len(axes.lines) > MOST_LINES:
            for line in axes.lines:
                line.set_rasterized(True)


def drawn(numbers: Shown | None, draw: Callable[[Shown], Figure]) -> Drawing | None:
    """Draw `numbers` in the style of all figures; None stays None."""
    if numbers is None:
        return None
    with mpl.rc_context(sns.axes_style("whitegrid") | STYLE):
        return Drawing(numbers.text, draw(numbers))
