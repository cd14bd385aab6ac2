"""Read a page as a browser without scripts does: open elements, links, text, and the packed data."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from scaling.report.analysis.analysis import Analysis
from scaling.report.page import render_page
from scaling.report.tables.table import tables


class Page(HTMLParser):
    """The elements, links and text of a page."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, path: Path | str) -> None:
        """Read a file, or the text of a page."""
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8") if isinstance(path, Path) else path
        self.feed(self.source)

    @property
    def words(self) -> str:
        """The text with plain spaces, one between two words."""
        return " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [
            value or "" for name, value in attrs if name in {"href", "src", "xlink:href", "srcset", "action"}
        ]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text += data


def page_of(analysis: Analysis) -> Page:
    """The page of an analysis without its figures, which take longer than all the rest."""
    return Page(render_page(analysis, {}, tables(analysis), [], []))


def data_of(page: Page) -> dict[str, Any]:
    """The header of a page's packed data."""
    found = re.search(r'<script type="application/octet-stream" id="data">([^<]*)</script>', page.source)
    assert found
    content = gzip.decompress(base64.b64decode(found[1]))
    return json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")])
