"""Drawings: a matplotlib figure with its text, in the style of the report, as PNG, SVG and PDF."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
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
        with mpl.rc_context(STYLE), without_glyph_warnings():
            self.figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
            self.figure.savefig(svg, format="svg", dpi=160, metadata={"Date": None, "Creator": None})
        return png.getvalue(), svg.getvalue()

    def pdf(self) -> bytes:
        """The figure as PDF with embedded fonts; equal figures give equal bytes."""
        content = io.BytesIO()
        with mpl.rc_context({**STYLE, "pdf.fonttype": 42}), without_glyph_warnings():
            self.figure.savefig(content, format="pdf", metadata={"CreationDate": None, "Creator": None})
        return content.getvalue()


@contextlib.contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Draw letters that the font lacks, such as emoji in an arm's name, as boxes without a warning for each.

    The tables and the page name the arms in the reader's own fonts.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        yield


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
    with mpl.rc_context(sns.axes_style("whitegrid") | STYLE), without_glyph_warnings():
        return Drawing(numbers.text, draw(numbers))
