"""The first screen in a real browser: question, verdict and Pareto plot at a glance, on a desk and on a phone."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import playwright.sync_api as sync_api
import pytest

from tests.support.browser import Seen, laid_out, opened
from tests.support.studies import Truth, describe, simulated_records

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(BROWSER is None, reason="needs chromium"),
]
TRUTH = Truth(depths=(2, 4, 8), widths=(32, 64), seeds=3, effect=1.0, test_examples=500, epochs=6)
RECORDS = simulated_records(TRUTH)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    page = laid_out(tmp_path_factory.mktemp("first"), RECORDS, describe(RECORDS, TRUTH, "pools"))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield opened(browser, page)
        browser.close()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_question_verdict_and_plot_are_on_the_first_screen(seen: Seen, width: int, height: int) -> None:
    seen.page.set_viewport_size({"width": width, "height": height})
    seen.page.evaluate("() => scrollTo(0, 0)")

    for selector in ("h1", "#verdict .sentence", "#pareto .plot"):
        box = seen.page.locator(selector).first.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height, selector


def test_the_differences_stand_beside_the_plot(seen: Seen) -> None:
    seen.page.set_viewport_size({"width": 1440, "height": 900})
    rows = seen.page.locator(".answers li .of").all_inner_texts()

    assert rows[:2] == ["In these models", "Models between"]
    assert {"Cheaper half", "Costlier half", "At equal MACs", "At equal parameters"} <= set(rows)
    plot, answers = (seen.page.locator(one).first.bounding_box() for one in ("#pareto", ".answers"))
    assert plot
    assert answers
    assert answers["x"] > plot["x"] + plot["width"]
    assert answers["y"] == plot["y"]


def test_every_front_is_a_step_line_that_never_falls(seen: Seen) -> None:
    fronts = seen.page.locator("#explore-plot").evaluate(
        "plot => plot.data.filter(t => t.meta === 'front').map(t => [t.line.shape, t.y])"
    )

    assert len(fronts) == 2
    for shape, heights in fronts:
        assert shape == "hv"
        assert heights == sorted(heights)


def test_cells_and_arms_are_named_in_the_plot(seen: Seen) -> None:
    seen.page.set_viewport_size({"width": 1440, "height": 900})
    named = seen.page.locator("#explore-plot .annotation-text").all_text_contents()

    assert {"average", "attention"} <= set(named)
    assert sum(bool(re.fullmatch(r"d[248] w(32|64)", name)) for name in named) >= 8
    seen.page.uncheck("#explore-lines")
    assert seen.page.locator("#explore-plot").evaluate("p => p.data.filter(t => t.meta === 'join').length") == 0
    seen.page.check("#explore-lines")
    assert seen.page.locator("#explore-plot").evaluate("p => p.data.filter(t => t.meta === 'join').length") == 2


@pytest.mark.parametrize("figure", ["explore", "curves", "predicted"])
def test_a_downloaded_picture_has_the_legend_inside(seen: Seen, tmp_path: Path, figure: str) -> None:
    with seen.page.expect_download() as download:
        seen.page.click(f"#{figure}-tools button:text-is('SVG')")
    picture = tmp_path / "picture.svg"
    download.value.save_as(picture)
    legend = re.findall(r'class="legendtext"[^>]*>([^<]*)<', picture.read_text())

    assert legend == ["average", "attention"]


def test_a_caveat_is_a_heading_that_unfolds(seen: Seen) -> None:
    listed = seen.page.locator(".headings a").all_inner_texts()
    folded = seen.page.locator("details.caveat")

    assert listed == seen.page.locator("details.caveat summary").all_inner_texts()
    assert not folded.first.locator("p").is_visible()
    folded.first.locator("summary").click()
    assert folded.first.locator("p").is_visible()
    folded.first.locator("summary").click()
