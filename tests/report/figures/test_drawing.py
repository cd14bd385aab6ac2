"""Figures are drawn whatever the arms are called, without raw warnings of the drawing library."""

import warnings

import pytest
from matplotlib.figure import Figure

from scaling.report.figures.drawing import drawn
from scaling.report.figures.text import Text

EVIL = [
    *[r"$\frac{a$", "50% & #1 {x} ~^", "<b>bold</b>", r"a_b^c \alpha", "β→🚀 日本", "two\nlines", "x" * 150],
    *["עברית", "ไทย", "हिन्दी", "\u200b", "$", "_hidden"],
]


class Named:
    """Numbers of a figure that draws names."""

    text = Text("title", "caption", "description")

    def __init__(self, name: str) -> None:
        self.name = name


def draw(named: Named) -> Figure:
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.plot([1, 2], [3, 4], label=named.name)
    axes.set_title(named.name)
    axes.legend()
    return figure


@pytest.mark.parametrize("name", EVIL, ids=ascii)
def test_odd_names_are_drawn_without_warnings(name: str, recwarn: pytest.WarningsRecorder) -> None:
    drawing = drawn(Named(name), draw)
    assert drawing is not None

    png, svg = drawing.render()

    assert (png[:4], drawing.pdf()[:4]) == (b"\x89PNG", b"%PDF")
    assert b"<svg" in svg
    assert [str(warning.message) for warning in recwarn if "lyph" in str(warning.message)] == []


def test_other_warnings_while_drawing_are_kept() -> None:
    def draw_and_warn(named: Named) -> Figure:
        warnings.warn("something else", UserWarning, stacklevel=1)
        return draw(named)

    with pytest.warns(UserWarning, match="something else"):
        drawn(Named("a"), draw_and_warn)
