"""Registry: a plot is a decorated function from an analysis to a drawing; its name is the file it writes."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.text import Text
from scaling.report.figures.theme import STYLE


class Info(Protocol):
    """What `scaling.report.figures` computes."""

    @property
    def text(self) -> Text: ...


Shown = TypeVar("Shown", bound=Info)
Draw = Callable[[Analysis], "Drawing | None"]
PLOTS: dict[str, Draw] = {}
MOST_MARKS, MOST_LINES = 1000, 400  # drawn as vectors


@dataclass(frozen=True)
class Drawing:
    """A drawn figure with what is said about it."""

    text: Text
    figure: Figure

    def render(self) -> tuple[bytes, bytes]:
        """The figure as PNG and as SVG."""
        png, svg = io.BytesIO(), io.BytesIO()
        _thin(self.figure)
        with mpl.rc_context(STYLE):
            self.figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
            self.figure.savefig(svg, format="svg", dpi=160, metadata={"Date": None, "Creator": None})
        return png.getvalue(), svg.getvalue()

    def pdf(self) -> bytes:
        """The figure as PDF, its letters embedded; equal figures give equal bytes."""
        content = io.BytesIO()
        with mpl.rc_context({**STYLE, "pdf.fonttype": 42}):
            self.figure.savefig(content, format="pdf", metadata={"CreationDate": None, "Creator": None})
        return content.getvalue()


def _thin(figure: Figure) -> None:
    """Let what has very many marks be a picture within the vector figure, so that files do not grow with the study."""
    for axes in figure.axes:
        for marks in axes.collections:
            if max(len(marks.get_offsets()), len(marks.get_paths())) > MOST_MARKS:  # pyright: ignore[reportArgumentType]
                marks.set_rasterized(True)
        if len(axes.lines) > MOST_LINES:
            for line in axes.lines:
                line.set_rasterized(True)


def plot(draw: Draw) -> Draw:
    """Register a function as a plot under its own name; to be used as a decorator.

    It returns None where the study has nothing to draw.
    """
    name = draw.__name__
    if name in PLOTS:
        raise ValueError(f"a plot named '{name}' is registered already")
    PLOTS[name] = draw
    return draw


def drawn(info: Shown | None, draw: Callable[[Shown], Figure]) -> Drawing | None:
    """Draw `info` in the style of all figures; None stays None."""
    if info is None:
        return None
    with mpl.rc_context(sns.axes_style("whitegrid") | STYLE):
        return Drawing(info.text, draw(info))
