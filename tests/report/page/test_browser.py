"""The page in a real browser: it starts without requests or errors, and its controls work."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import playwright.sync_api as sync_api
import pytest

from scaling.report.analysis.context import Context
from scaling.report.references import read_references
from scaling.report.write import write_report
from scaling.study.records import Record, Study
from tests.support.browser import Seen, laid_out, opened
from tests.support.studies import Truth, describe, failed, simulated_records, write_simulation

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),  # one process runs all of it
    pytest.mark.skipif(BROWSER is None, reason="needs chromium"),
]
TRUTH = Truth(depths=(2, 4, 8), widths=(32, 64), seeds=3, effect=1.0, test_examples=500, epochs=6)
RECORDS = simulated_records(TRUTH)
EVERYTHING = [*RECORDS[:-1], failed(RECORDS[-1], reason="out of memory: 12 GB")]
NASTY = "</script><img src=x onerror=\"document.title='hit'\"><b>&amp;<!-- \u2028 ' \" javascript:alert(1)"


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def written(folder: Path, records: list[Record], study: Study) -> Path:
    return write_report(write_simulation(folder / "results" / "pools", records, study), folder / "reports").page


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("whole"), EVERYTHING, describe(RECORDS, TRUTH, "pools"))


@pytest.fixture(scope="module")
def shared(chromium: sync_api.Browser, reported: Path) -> Iterator[Seen]:
    """The page of a whole study on a wide screen; no test may cause a request or a console message."""
    seen = opened(chromium, reported)
    yield seen
    asked = [url for url in seen.requests if not url.startswith(("data:", "blob:", reported.as_uri()))]
    seen.page.context.close()
    assert asked == []
    assert seen.complaints == []


@pytest.fixture
def seen(shared: Seen) -> Seen:
    """The page in its initial state: no filter, no hidden arm, the first cost and score."""
    shared.page.mouse.move(0, 0)
    shared.page.emulate_media(media="screen")
    shared.page.click("#trials-clear")
    for button in shared.page.locator("#explore-legend button[aria-pressed=false]").all():
        button.click()
    shared.page.select_option("#explore-cost", "macs")
    shared.page.select_option("#explore-score", "test_accuracy")
    shared.page.check("#explore-log-cost")
    shared.page.check("#explore-trials")
    return shared


def test_the_page_starts_without_requests_and_draws_all_models(seen: Seen) -> None:
    assert seen.drawn() == 12
    assert "12 models drawn, 35 single trials drawn" in seen.text("#explore-said")
    assert not seen.page.locator("#accuracy_by_macs").is_visible()  # the interactive figure replaces the static one
    assert seen.page.locator("#curves-plot .scatterlayer path.js-line").count() >= 4
    assert seen.page.locator("#predicted-plot .point").count() == 12


def test_pointing_at_a_model_shows_its_config_and_rows(seen: Seen) -> None:
    at = seen.hover()

    shown = seen.text("#explore-tip")
    assert "depth=" in shown
    assert "test accuracy:" in shown
    assert "arch.width = " in shown
    details = seen.text("#explore-details")
    config = RECORDS[0].config
    for name in ("recipe.epochs", "recipe.learning_rate", "data.source", "arch.pooling", "arch.patch_size"):
        assert name in details
    assert str(config["recipe"]["learning_rate"]) in details
    seen.page.mouse.click(*at)
    pointed = seen.page.locator("#trials-body tr.pointed")
    assert pointed.count() >= 1
    assert pointed.first.locator("td").first.inner_text() in details


def test_a_row_points_at_its_dot(seen: Seen) -> None:
    row = seen.page.locator("#trials-body tr").nth(4)

    row.hover()

    assert seen.page.locator("#trials-body tr.pointed").count() == 1
    assert seen.ringed() == pytest.approx(float(seen.column("test_accuracy")[4]), abs=0.02)
    assert seen.page.locator("#curves-over polyline").count() == 1
    assert seen.rows()[4][0] in seen.text("#explore-details")


def test_the_legend_hides_and_shows_an_arm_in_every_figure(seen: Seen) -> None:
    arm = seen.page.locator("#explore-legend button").nth(1)

    arm.click()
    assert seen.drawn() == 6
    assert arm.get_attribute("aria-pressed") == "false"
    assert seen.page.locator("#curves-legend button").nth(1).get_attribute("aria-pressed") == "false"
    assert "18 trials drawn" in seen.text("#curves-said")
    assert seen.page.locator("#predicted-plot .point").count() == 6
    arm.click()
    assert seen.drawn() == 12


def test_another_cost_changes_the_axis_and_it_can_be_linear(seen: Seen) -> None:
    assert seen.axis("explore") == "MACs per image"
    seen.page.select_option("#explore-cost", "params")
    assert seen.axis("explore") == "Parameters"
    seen.page.select_option("#explore-score", "test_error")
    assert seen.axis("explore", "y") == "Test error (%)"

    ticks = seen.page.locator("#explore-plot .xtick").all_text_contents()
    seen.page.uncheck("#explore-log-cost")
    assert seen.page.locator("#explore-plot .xtick").all_text_contents() != ticks
    costs = seen.page.locator("#explore-cost option").count()
    for name in [seen.page.locator("#explore-cost option").nth(i).get_attribute("value") for i in range(costs)]:
        seen.page.select_option("#explore-cost", name)
        assert seen.drawn() == 12


def test_the_figures_zoom_and_go_back(seen: Seen) -> None:
    for _ in range(4):
        seen.page.click("#explore-tools button[aria-label='Zoom in']")
    sync_api.expect(seen.page.locator("#explore-said")).to_contain_text("in this view, of 12")

    seen.page.get_by_role("button", name="Reset").first.click()
    sync_api.expect(seen.page.locator("#explore-said")).not_to_contain_text("in this view")


def test_the_table_sorts_by_every_column(seen: Seen) -> None:
    seen.page.locator("#trials-head button").first.wait_for()
    names = [th.get_attribute("data-column") or "" for th in seen.page.locator("#trials-head th").all()]
    for name in names:
        head = seen.page.locator(f"#trials-head th[data-column='{name}']")
        head.locator("button").click()
        assert head.get_attribute("aria-sort") in {"ascending", "descending"}
    seen.page.click("#trials-head th[data-column='test_accuracy'] button")
    best = sorted((r.scores.test_accuracy for r in EVERYTHING if r.scores), reverse=True)
    assert seen.column("test_accuracy") == [f"{value:.2f}" for value in best[:25]]
    seen.page.click("#trials-head th[data-column='test_accuracy'] button")
    assert seen.column("test_accuracy") == [f"{value:.2f}" for value in best[::-1][:25]]
    seen.page.get_by_role("button", name="Next").click()
    assert seen.column("test_accuracy")[-1] == "–"  # missing values sort last in both directions


FILTERS: dict[str, Callable[[Record], object]] = {
    "attention": lambda r: r.arm == "attention",
    "depth=4": lambda r: r.cell["depth"] == 4,
    "depth>=4 width<64": lambda r: r.cell["depth"] >= 4 and r.cell["width"] < 64,
    "status!=finished": lambda r: r.status != "finished",
    "reason:memory": lambda r: "memory" in (r.reason or ""),
    "test_accuracy>85 arm=average": lambda r: r.scores and r.scores.test_accuracy > 85 and r.arm == "average",
    "macs<500k": lambda r: r.cost and (r.cost.macs or 0) < 500_000,
    EVERYTHING[7].key: lambda r: r.key == EVERYTHING[7].key,
    "no-such-thing": lambda r: False,
}


def test_different_learning_rates_are_a_column_sorted_by_number(chromium: sync_api.Browser, tmp_path: Path) -> None:
    rates = [0.003, 0.0003, 0.00003]
    records = [
        record.model_copy(update={"config": {**record.config, "recipe": {"learning_rate": rates[number % 3]}}})
        for number, record in enumerate(RECORDS)
    ]
    seen = opened(chromium, written(tmp_path, records, describe(records, TRUTH, "pools")))

    button = seen.page.locator('#trials-head th[data-column="recipe.learning_rate"] button')
    assert button.inner_text() == "learning rate"
    place = seen.page.locator("#trials-head th").evaluate_all(
        "all => all.findIndex((th) => th.dataset.column === 'recipe.learning_rate')"
    )
    tops = []
    for _ in range(2):
        button.click()
        tops.append(float(seen.page.locator(f"#trials-body tr:first-child td:nth-child({place + 1})").inner_text()))
    assert tops == [min(rates), max(rates)]
    assert seen.complaints == []


def test_the_filter_keeps_what_fits_in_table_and_figures(seen: Seen) -> None:
    for query, fits in FILTERS.items():
        wanted = [record for record in EVERYTHING if fits(record)]

        seen.page.fill("#trials-query", query)

        said = f"{len(wanted)} trial{'' if len(wanted) == 1 else 's'} of 36 match"
        sync_api.expect(seen.page.locator("#trials-said")).to_contain_text(said)
        assert len(seen.column("key")) == min(25, len(wanted))
        assert set(seen.column("key")) <= {record.key for record in wanted}
        assert seen.drawn() == len({(record.arm, str(record.cell)) for record in wanted})  # each has a different seed


def test_a_filter_on_an_unknown_column_says_so(seen: Seen) -> None:
    seen.page.fill("#trials-query", "deepth=4")

    sync_api.expect(seen.page.locator("#trials-said")).to_contain_text("there is no column “deepth”")


def test_the_whole_data_can_be_kept_as_csv(seen: Seen) -> None:
    with seen.page.expect_download() as kept:
        seen.page.click("#trials-all")

    rows = list(csv.DictReader(io.StringIO(Path(kept.value.path()).read_text(encoding="utf-8"))))
    by_key = {record.key: record for record in EVERYTHING}
    assert {row["key"] for row in rows} == set(by_key)
    for row in rows:
        record = by_key[row["key"]]
        assert record.cost
        assert int(row["params"]) == record.cost.params
        assert row["arch.depth"] == str(record.cell["depth"])
        assert row["reason"] == (record.reason or "")
        accuracy = record.scores.test_accuracy if record.scores else np.nan
        assert float(row["test_accuracy"] or "nan") == pytest.approx(accuracy, rel=1e-6, nan_ok=True)


def test_the_tab_key_reaches_every_control_with_a_visible_focus(seen: Seen) -> None:
    reached, plain = [], []
    seen.page.focus("a.skip")
    for _ in range(300):  # more than there are
        seen.page.keyboard.press("Tab")
        found = seen.page.evaluate_handle("document.activeElement")
        name, outline = seen.page.evaluate(
            "e => [e.id || e.getAttribute('href') || e.dataset.column || e.textContent.slice(0, 30),"
            " getComputedStyle(e).outlineStyle !== 'none']", found
        )  # fmt: skip
        if name.startswith("\nSkip to the verdict"):  # back at the start of the page
            break
        reached.append(name)
        if not outline:
            plain.append(name)
    ids = ["explore-score", "explore-cost", "explore-log-cost", "explore-keys", "explore-details", "trials-query",
           "trials-arm", "trials-all", "curves-field", "#verdict", "#method"]  # fmt: skip
    assert [name for name in ids if name not in reached] == []
    assert sum(name.endswith(("models", "trials")) for name in reached) >= 4  # arms in two legends
    assert plain == []


def test_the_arrow_keys_go_through_models_and_rows(seen: Seen) -> None:
    seen.page.focus("#explore-keys")
    costs = []
    for _ in range(3):
        seen.page.keyboard.press("ArrowRight")
        costs.append(seen.text("#explore-tip"))
    assert len(set(costs)) == 3
    seen.page.keyboard.press("Enter")

    row = seen.page.locator("#trials-body tr:focus")
    assert row.count() == 1
    assert row.locator("td").first.inner_text() in costs[-1]
    before = int(row.get_attribute("aria-rowindex") or -1)
    seen.page.keyboard.press("ArrowDown")
    assert int(row.get_attribute("aria-rowindex") or -1) == before + 1


def test_the_page_fits_a_phone_and_has_a_dark_mode(seen: Seen) -> None:
    for width, dark in ((360, True), (360, False), (500, False), (1000, True), (1280, False)):
        seen.page.set_viewport_size({"width": width, "height": 900})
        seen.page.emulate_media(color_scheme="dark" if dark else "light")

        assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert (_brightness(seen, "html", "backgroundColor") < 150) == dark
        for _ in range(40):  # the figures follow after a redraw
            if (_brightness(seen, "#explore-plot .xtitle", "fill") > 450) == dark:
                break
            seen.page.wait_for_timeout(50)
        else:
            pytest.fail(f"the figure did not follow: {dark=}")


def _brightness(seen: Seen, selector: str, of: str) -> int:
    read = f"selector => {{ const e = document.querySelector(selector); return e ? getComputedStyle(e).{of} : ''; }}"
    colour = seen.page.evaluate(read, selector)
    return sum(int(part) for part in colour[4:-1].split(", ")) if colour.startswith("rgb(") else 300  # neither


def test_paper_gets_the_drawn_figures_and_no_controls(seen: Seen) -> None:
    seen.page.emulate_media(media="print")

    assert seen.page.locator("#accuracy_by_macs").is_visible()
    assert seen.page.locator("#learning_curves").is_visible()
    assert not seen.page.locator("#explore-plot").is_visible()
    assert not seen.page.locator("nav").is_visible()


def test_without_scripts_the_page_tells_everything(chromium: sync_api.Browser, reported: Path) -> None:
    seen = opened(chromium, reported, scripts=False)

    for name in ("accuracy_by_macs", "learning_curves", "memory_prediction", "paired_difference"):
        assert seen.page.locator(f"#{name}").is_visible()
    assert not seen.page.locator("#explore-plot").is_visible()
    seen.page.context.close()


def test_hostile_words_of_records_do_nothing(chromium: sync_api.Browser, tmp_path: Path) -> None:
    def spoilt(record: Record) -> Record:
        config = {**record.config, "arch": {**record.config["arch"], "note": NASTY}}
        device = {**record.environment, "device": NASTY}
        return record.model_copy(
            update={"cell": {**record.cell, "kind": NASTY}, "config": config, "environment": device}
        )

    truth = Truth(depths=(2, 4), widths=(32,), arms=("average", NASTY), seeds=2)
    records = [spoilt(record) for record in simulated_records(truth)]
    records[0] = failed(records[0], reason=NASTY)
    study = describe(records, truth, "pools").model_copy(update={"question": NASTY, "axes": ["depth", "width", "kind"]})
    seen = opened(chromium, laid_out(tmp_path, records, study))

    seen.hover()
    seen.page.fill("#trials-query", NASTY.split()[0])
    seen.page.locator("#trials-body tr").first.click()

    assert NASTY.replace("\u2028", "")[:40] in seen.text("#explore-details")
    assert seen.page.locator("img").count() == 0
    assert "hit" not in (seen.page.title().split("'hit'")[0])
    assert seen.page.evaluate("() => document.querySelectorAll('script').length") == 5
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    assert seen.complaints == []
    seen.page.context.close()


@pytest.mark.parametrize("kept", [0, 1])
def test_a_page_with_next_to_nothing_starts_all_the_same(chromium: sync_api.Browser, tmp_path: Path, kept: int) -> None:
    seen = opened(chromium, laid_out(tmp_path, [failed(r) for r in RECORDS[:kept]], describe(RECORDS, TRUTH, "pools")))

    assert seen.complaints == []
    assert seen.page.locator("html.live").count() == 1
    seen.page.context.close()


def test_the_difference_at_equal_cost_follows_cost_and_legend(seen: Seen) -> None:
    assert "At equal MACs" in seen.text("#equal-said")
    assert seen.axis("equal") == "MACs per image"

    seen.page.select_option("#explore-cost", "params")
    assert "At equal parameters" in seen.text("#equal-said")
    assert seen.axis("equal") == "Parameters"
    seen.page.locator("#explore-legend button").nth(1).click()
    assert seen.text("#equal-said") == ""


def test_published_numbers_have_marks_with_sources_and_can_be_hidden(
    chromium: sync_api.Browser, tmp_path: Path
) -> None:
    series = read_references("patchconvnet")
    page = laid_out(tmp_path, RECORDS, describe(RECORDS, TRUTH, "pools"), Context(references=[series]))
    known = [point for point in series.points if point.macs]
    seen = opened(chromium, page)
    plot = seen.page.locator("#explore-plot")
    assert plot.get_attribute("data-published") == str(len(known)) != "0"

    at = plot.evaluate(
        """plot => {
            const last = plot.data.at(-1);
            const { xaxis, yaxis } = plot._fullLayout;
            plot.scrollIntoView({ block: "center", behavior: "instant" });
            const frame = plot.getBoundingClientRect();
            return [frame.x + xaxis._offset + xaxis.d2p(last.x[0]), frame.y + yaxis._offset + yaxis.d2p(last.y[0])];
        }"""
    )
    seen.page.mouse.move(at[0] + 3, at[1])
    seen.page.mouse.move(*at)
    seen.page.locator("#explore-tip").wait_for()
    assert known[0].model in seen.text("#explore-tip")
    assert known[0].source in seen.text("#explore-tip")

    seen.page.locator("#explore-legend .published").click()
    assert plot.get_attribute("data-published") == "0"
    assert seen.complaints == []


def test_many_models_are_sampled_but_fronts_and_table_are_whole(chromium: sync_api.Browser, tmp_path: Path) -> None:
    truth = Truth(depths=tuple(range(2, 38)), widths=tuple(range(16, 176, 4)), seeds=1, epochs=2)
    records = simulated_records(truth)
    page = laid_out(tmp_path, records, describe(records, truth, "pools"))

    seen = opened(chromium, page)

    assert "2,500 of 2,880 models drawn" in seen.text("#explore-said")
    assert seen.drawn() == 2500
    missing = seen.page.locator("#explore-plot").evaluate(
        """plot => {
            const costs = new Set(plot.data.filter(t => t.customdata).flatMap(t => t.x));
            const fronts = plot.data.filter(t => t.meta === "front");
            return fronts.flatMap(t => t.x.slice(0, -1)).filter(x => !costs.has(x)).length;
        }"""
    )
    assert missing == 0
    assert "1 to 25 of 2,880 trials" in seen.text("#trials-said")
    seen.page.fill("#trials-query", "depth=37 width=172")
    sync_api.expect(seen.page.locator("#explore-said")).to_contain_text("2 models drawn")
    assert seen.complaints == []
    seen.page.context.close()
