"""Embed vector figures in a page with its colours and unique ids; tie numbers to their units; mark code."""

import re
from collections.abc import Mapping

from markupsafe import Markup


def tied(text: str) -> str:
    """Join numbers and their units, and `n = 8`, with no-break spaces."""
    text = re.sub(r"\bn = (?=\d)", "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", text)
    return re.sub(r"(?<=\d) (?=(?:%|[kMGTP]\b))", "\N{NO-BREAK SPACE}", text)


def coded(text: str) -> Markup:
    """Escape text and mark what is in backticks as code."""
    parts = [Markup.escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # unbalanced: keep the backticks
        return Markup.escape(text)
    return Markup("").join(Markup(f"<code>{part}</code>") if i % 2 else part for i, part in enumerate(parts))


def inline(svg: str, name: str, description: str, theme: Mapping[str, str]) -> Markup:
    """Embed a stand-alone SVG in a page: use the page's colours, and prefix its ids.

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
