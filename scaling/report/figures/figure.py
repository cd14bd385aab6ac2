"""The table of figures: how one is added, and the order in which the page shows them. Loads no drawing library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, overload

from scaling.study.registry import Registry

if TYPE_CHECKING:
    from scaling.report.analysis.analysis import Analysis
    from scaling.report.figures.drawing import Drawing

    Draw = Callable[[Analysis], Drawing | None]


class Section(StrEnum):
    """Section of the page that shows a figure; the values are the names in `page.html`."""

    ACCURACY = "explore"
    DIFFERENCE = "difference"
    FRONTS = "fronts"
    DESIGN_SPACE = "more"
    CURVES = "curves"
    RESOURCES = "took"


@dataclass(frozen=True)
class ReportFigure:
    """A registered figure; call it with an analysis to draw it."""

    draw: Draw
    section: Section
    order: int

    def __call__(self, analysis: Analysis) -> Drawing | None:
        drawing = self.draw(analysis)
        if drawing is None:
            return None
        from scaling.report.figures.drawing import Drawing  # what draws has loaded matplotlib

        if not isinstance(drawing, Drawing):
            raise FIGURES.refusal(self.draw.__name__, drawing, "a Drawing, or None where it has nothing to draw")
        return drawing


FIGURES: Registry[ReportFigure] = Registry("figure", "scaling.report.figures")


@overload
def figure(draw: Draw, /) -> Draw: ...
@overload
def figure(*, section: Section = Section.DESIGN_SPACE, order: int = 100) -> Callable[[Draw], Draw]: ...
def figure(draw: Draw | None = None, /, *, section: Section = Section.DESIGN_SPACE, order: int = 100) -> Any:
    """Register a function as a figure under its own name, which is also the name of its files.

    Write `@figure`, or `@figure(order=1)`.

    The function receives an `Analysis` and returns a `Drawing`: a matplotlib figure and its `Text`. It must

    - return None where the study has nothing to draw, be it empty, of one arm, one cell or one repetition;
    - give a title, a caption of whole sentences that ends with a full stop, and a description for screen readers;
    - write into the picture how many cells, trials, models or pairs it shows, such as `average (6 cells)`;
    - draw equal records to equal bytes: draw no random numbers without a fixed seed, and no dates;
    - take its colours from `theme.py`, so that it follows the page into dark mode (`drawing.drawn` sets the style).

    Args:
        section: section of the page that shows it.
        order: among the figures of the report, the lowest first; equal ones in the order of their files.
    """

    def register(draw: Draw) -> Draw:
        FIGURES.add(draw.__name__, ReportFigure(draw, section, order), module=draw.__module__)
        return draw

    return register if draw is None else register(draw)


def in_order() -> dict[str, ReportFigure]:
    """All figures by name, in the order in which a report shows them."""
    return dict(sorted(FIGURES.items(), key=lambda item: item[1].order))
