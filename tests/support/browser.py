"""A page in a real browser, with helpers to read it and to act on it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import playwright.sync_api as sync_api

from scaling.report.analysis.analysis import analyse
from scaling.report.analysis.context import Context
from scaling.report.page import render_page
from scaling.report.tables import TABLES
from scaling.study.records import Record, Study


@dataclass
class Seen:
    """A page with its network requests and console messages."""

    page: sync_api.Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def axis(self, figure: str, which: str = "x") -> str:
        return self.page.locator(f"#{figure}-plot .{which}title").text_content() or ""

    def drawn(self) -> int:
        return int(self.page.locator("#explore-plot").get_attribute("data-models") or -1)

    def rows(self) -> list[list[str]]:
        rows = self.page.locator("#trials-body tr")
        return [rows.nth(i).locator("td").all_inner_texts() for i in range(rows.count())]

    def column(self, name: str) -> list[str]:
        names = [th.get_attribute("data-column") for th in self.page.locator("#trials-head th").all()]
        return [row[names.index(name)] for row in self.rows()]

    def hover(self) -> tuple[float, float]:
        """Point at a model, and return its position on the screen."""
        plot = self.page.locator("#explore-plot")
        plot.scroll_into_view_if_needed()
        x, y = plot.evaluate(
            """plot => {
                const models = plot.data.findLast(trace => trace.customdata?.[0]?.[0] === "model");
                const { xaxis, yaxis } = plot._fullLayout;
                const frame = plot.getBoundingClientRect();
                const at = (axis, value) => axis._offset + axis.d2p(value);
                return [frame.x + at(xaxis, models.x[0]), frame.y + at(yaxis, models.y[0])];
            }"""
        )
        self.page.mouse.move(x + 40, y)
        self.page.mouse.move(x, y)
        self.page.locator("#explore-tip").wait_for()
        return x, y

    def ringed(self) -> float | None:
        """The score at the centre of the ring around the selected model; None if there is no ring."""
        return self.page.locator("#explore-ring").evaluate(
            """ring => {
                const { yaxis } = document.getElementById("explore-plot")._fullLayout;
                return ring.hidden ? null : yaxis.p2d(Number.parseFloat(ring.style.top) - yaxis._offset);
            }"""
        )


def opened(
    browser: sync_api.Browser, path: Path, *, width: int = 1280, dark: bool = False, scripts: bool = True
) -> Seen:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light",
        java_script_enabled=scripts, accept_downloads=True,
    )  # fmt: skip
    seen = Seen(context.new_page())
    seen.page.set_default_timeout(60_000)  # a busy machine takes long to start plotly.js
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    seen.page.goto(path.as_uri())
    if scripts:
        seen.page.wait_for_selector("html[data-figures=ready]", state="attached")
    return seen


def laid_out(folder: Path, records: list[Record], study: Study, context: Context | None = None) -> Path:
    """Write the page only, without static figures, which take seconds."""
    analysis = analyse(study, records)
    if context is not None:
        analysis = replace(analysis, context=context)
    tables = {name: build(analysis) for name, build in TABLES.items()}
    page = folder / "index.html"
    page.write_text(render_page(analysis, {}, tables, [], []), encoding="utf-8")
    return page
