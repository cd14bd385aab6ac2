"""Vector figures as parts of a page: colours that follow its style, ids of their own; numbers tied to their units."""

import re
from collections.abc import Mapping

from markupsafe import Markup


def tied(text: str) -> str:
    """Keep numbers and their units on one line, and `n = 8`."""
    text = re.sub(r"\bn = (?=\d)", "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", text)
    return re.sub(r"(?<=\d) (?=(?:%|[kMGTP]\b))", "\N{NO-BREAK SPACE}", text)


def coded(text: str) -> Markup:
    """Escaped text in which what stands in backticks is code."""
    parts = [Markup.escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # a backtick too many is a backtick
        return Markup.escape(text)
    return Markup("").join(Markup(f"<code>{part}</code>") if i % 2 else part for i, part in enumerate(parts))


def inline(svg: str, name: str, description: str, theme: Mapping[str, str]) -> Markup:
    """Make a stand-alone SVG part of a page: its colours become the page's, its ids its own.

    Args:
        theme: colour (`#rrggbb`) → variable of the page's style.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in theme.items():
        svg = svg.replace(colour, f"var({variable})")
    label = Markup.escape(description)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", svg[: svg.index(">")])
    return Markup(f'{opening} role="img" aria-label="{label}"{svg[svg.index(">") :]}')
