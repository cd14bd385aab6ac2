"""The page without a browser: its texts and their order, its data, its size."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.page import coded, inline, tied, words
from scaling.report.page.data import page_data
from scaling.report.page.packing import fingerprint, numbers, pack
from scaling.study.metrics import METRICS
from scaling.study.records import Record
from scaling.wording import first_few, listing
from tests.support.page_reader import Page, page_of
from tests.support.studies import REPORTED, Truth, describe, failed, simulated_records

TRUTH = REPORTED
EVERYTHING = simulated_records(TRUTH)
KINDS = {"f4": "<f4", "f8": "<f8", "u1": "<u1", "u2": "<u2", "u4": "<u4", "i4": "<i4"}


def analysis_of(records: list[Record]) -> Analysis:
    return analyse(describe(EVERYTHING, TRUTH), records)


def unpack(packed: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A second implementation of the scripts' unpacking."""
    content = gzip.decompress(base64.b64decode(packed))
    start = 4 + int.from_bytes(content[:4], "little")
    header = json.loads(content[4:start])
    arrays = {}
    for name, (kind, at, entries) in header["arrays"].items():
        wide = int(kind[1])
        planes = np.frombuffer(content, np.uint8, entries * wide, start + at).reshape(wide, entries)
        arrays[name] = np.ascontiguousarray(planes.T).view(KINDS[kind])[:, 0]
    return header, arrays


def block(page: Page, name: str) -> str:
    found = re.search(rf'<script type="application/octet-stream" id="{name}">([^<]*)</script>', page.source)
    assert found
    return found[1]


def test_the_page_is_well_formed_and_needs_no_network(reported: Path) -> None:
    page = Page(reported / "index.html")

    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        target = link.startswith("#") and link[1:] in page.ids
        assert target or link.startswith("data:") or (reported / link).is_file(), link
    assert "@import" not in page.source
    assert re.findall(r"url\((?!#)", page.source) == []


def test_the_page_allows_only_its_own_scripts_and_no_requests(reported: Path) -> None:
    page = Page(reported / "index.html")

    policy = next(
        value or "" for name, value in page.attributes if name == "content" and "default-src" in (value or "")
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    allowed = set(rules["script-src"].split())
    scripts = re.findall(r"<script>(.*?)</script>", page.source, flags=re.DOTALL)
    plotly = gzip.decompress(base64.b64decode(block(page, "plotly"))).decode()
    assert {f"'{fingerprint(script)}'" for script in [*scripts, plotly]} == allowed
    assert page.source.count("<script") == len(scripts) + 2  # with the data and plotly


def test_figures_have_descriptions_and_colours_are_defined(reported: Path) -> None:
    page = Page(reported / "index.html")

    labels = [value or "" for name, value in page.attributes if name == "aria-label"]
    drawn = re.findall(r"<svg[^>]*role=\"img\" aria-label=\"[^\"]+\"", page.source)
    assert len(drawn) == len(list((reported / "figures").glob("*.svg")))
    assert sum(value == "img" for name, value in page.attributes if name == "role") >= len(drawn)
    assert all(labels)
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", page.source))
    defined = set(re.findall(r"(--[a-z0-9-]+):", page.source))
    assert used <= defined


def test_the_page_has_the_verdict_first_and_every_section(reported: Path) -> None:
    text = " ".join(Page(reported / "index.html").text.replace("\N{NO-BREAK SPACE}", " ").split())

    order = [
        "Does attention-based pooling beat average pooling",
        "4 cells × 2 arms × 2 repetitions · 16 of 16 trials finished",
        "points (96 % interval",
        "Accuracy against MACs",
        "Attention pooling minus average pooling, points of test accuracy",
        "Caveats (",
        "Learning rates were not tuned",
        "Cost: in the same cells",
        "at equal cost (mean over the range that both arms cover)",
        "What would change the verdict",
        "Difference in each cell",
        "Paired difference in each cell",
        "Accuracy against training time",
        "Learning curves",
        "All 16 trials",
        "All cells",
        "relative error of",
        "Memory, predicted and measured",
        "went into training, n =",
        "Where the time went",
        "16 finished, 0 failed, 0 diverged, 0 have not ended",
        "Hardware and versions",
        "python -m scaling.sweep --space",
        "python -m scaling.report pools",
        "better or worse if the interval leaves out zero",
    ]
    places = [text.find(words) for words in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert text.rfind("How certain the fronts are") > places[-1]  # in the appendix


def test_what_comes_from_records_is_escaped() -> None:
    nasty = '<script>alert("&")</script><!-- \u2028'
    records = [failed(EVERYTHING[0], reason=nasty), *EVERYTHING[1:]]
    study = describe(EVERYTHING, TRUTH).model_copy(update={"question": nasty, "name": nasty})

    page = page_of(analyse(study, records))

    assert "<script>alert" not in page.source
    assert "<!--" not in page.source
    assert page.text.count(nasty.split("\u2028")[0].strip()) >= 3
    header, _ = unpack(block(page, "data"))
    assert nasty in header["reasons"]


def test_the_data_of_the_page_match_the_records(reported: Path) -> None:
    header, arrays = unpack(block(Page(reported / "index.html"), "data"))

    by_key = {record.key: record for record in EVERYTHING}
    assert set(header["keys"]) == set(by_key)
    start = 0
    for i, key in enumerate(header["keys"]):
        record = by_key[key]
        assert record.scores
        assert record.cost
        assert arrays["trial.test_accuracy"][i] == pytest.approx(record.scores.test_accuracy, rel=1e-7)
        assert arrays["trial.macs"][i] == record.cost.macs
        assert header["arms"][arrays["trial.arm"][i]] == record.arm
        settings = {s["name"]: s["values"][arrays[f"setting.{n}"][i]] for n, s in enumerate(header["settings"])}
        assert settings == {
            "arch.depth": str(record.cell["depth"]),
            "arch.pooling": record.arm,
            "arch.width": str(record.cell["width"]),
            "seed": str(record.seed),
        }
        end = arrays["curve.end"][i]
        assert arrays["curve.val_accuracy"][start:end] == pytest.approx(
            [e.val_accuracy for e in record.curve], rel=1e-6
        )
        start = end
        model = arrays["trial.model"][i]
        assert (
            header["cells"][arrays["model.cell"][model]] == f"depth={record.cell['depth']} width={record.cell['width']}"
        )
        assert header["arms"][arrays["model.arm"][model]] == record.arm
    assert header["shared"]["recipe.epochs"] == str(EVERYTHING[0].config["recipe"]["epochs"])
    assert header["shared"].keys().isdisjoint({s["name"] for s in header["settings"]})


def test_the_page_holds_every_known_metric_and_front() -> None:
    analysis = analysis_of(EVERYTHING)

    header, arrays = page_data(analysis)

    for name, metric in METRICS.items():
        known = np.isfinite(metric(analysis.table)).any()
        assert (name in header["metrics"]) == known
    for name in header["costs"]:
        assert (
            (arrays[f"front.{name}"] & 1) >= (arrays[f"front.{name}"] >> 1)
        ).all()  # the joint front is part of the arms' fronts
        if name in analysis.fronts:
            assert (arrays[f"front.{name}"] & 1 == analysis.fronts[name]["own"].to_numpy()).all()


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_any_part_of_a_study_packs_and_comes_back(kept: int) -> None:
    records = [failed(r, reason="nan \ud7ff") if i == 2 else r for i, r in enumerate(EVERYTHING[:kept])]

    header, arrays = unpack(pack(*page_data(analysis_of(records))))

    assert len(header["keys"]) == kept
    assert len(arrays["trial.cell"]) == kept
    assert len(arrays["model.cell"]) == len({(r.arm, str(r.cell)) for r in records if r.status == "finished"})


def test_a_large_study_takes_few_bytes_a_trial() -> None:
    truth = Truth(depths=tuple(range(2, 22)), widths=tuple(range(16, 96, 4)), seeds=3, epochs=2)
    records = simulated_records(truth)

    packed = pack(*page_data(analyse(describe(records, truth), records)))

    assert len(packed) / len(records) < 120  # a hundred thousand stay below 12 MB


def test_whole_numbers_keep_their_digits_and_missing_stays_missing() -> None:
    params = np.array([88_394_123, 7, np.nan])

    assert numbers(params).dtype == np.float64
    assert numbers(params)[:2].tolist() == [88_394_123, 7]
    assert np.isnan(numbers(np.array([np.inf, 0.1]))).tolist() == [True, False]


def test_an_embedded_figure_has_unique_ids_and_the_pages_colours() -> None:
    drawn = '<g id="a" fill="#123456" clip-path="url(#b)"/>'
    svg = f'<?xml version="1.0"?>\n<svg width="9pt" height="9pt" viewBox="0 0 9 9">{drawn}</svg>'

    assert inline(svg, "fig", 'a "b"', {"#123456": "--ink"}) == (
        '<svg viewBox="0 0 9 9" role="img" aria-label="a &#34;b&#34;"><g id="fig-a" fill="var(--ink)"'
        ' clip-path="url(#fig-b)"/></svg>'
    )


def test_numbers_stay_with_their_units() -> None:
    assert tied("95 % of 5.1 M MACs, 3 Monkeys") == "95\N{NO-BREAK SPACE}% of 5.1\N{NO-BREAK SPACE}M MACs, 3 Monkeys"
    assert tied("plan = 8; n = 8 cells") == "plan = 8; n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}8 cells"


def test_backticks_become_code_and_the_rest_is_escaped() -> None:
    assert coded("run `a <b>` & `c`") == "run <code>a &lt;b&gt;</code> &amp; <code>c</code>"
    assert coded("one ` alone <i>") == "one ` alone &lt;i&gt;"


def test_costs_without_a_result_share_their_reason() -> None:
    truth = Truth(depths=(2, 4, 8, 16), seeds=2, effect=1.0)
    records = []
    for record in simulated_records(truth):
        assert record.cost
        assert record.cost.params
        assert record.cost.activations
        more = {"params": record.cost.params + 10**9, "activations": record.cost.activations + 10**9}
        cost = record.cost.model_copy(update=more if record.arm == "attention" else {})
        records.append(record.model_copy(update={"cost": cost}))
    (card,) = words.verdict_cards(analyse(describe(records, truth), records))

    titles = {at.title for at in card.at_costs}
    assert titles >= {"MACs", "training memory", "inference memory", "latency", "training time"}
    assert titles.isdisjoint({"parameters", "activations"})
    assert all(at.strip for at in card.at_costs)
    assert card.missing == [
        "No result at equal parameters and activations: no range of this cost is covered by both arms."
    ]


@pytest.mark.parametrize(
    ("sentence", "cased"),
    [
        ("attention pooling wins", "Attention pooling wins"),
        ("average_mlp pooling wins", "average_mlp pooling wins"),
        ("patch_size 4 wins", "patch_size 4 wins"),
        ("", ""),
    ],
)
def test_a_sentence_is_capitalised_but_not_an_identifier(sentence: str, cased: str) -> None:
    assert words.sentence_case(sentence) == cased


@pytest.mark.parametrize(
    ("parts", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_parts_are_listed_as_in_a_sentence(parts: list[str], said: str) -> None:
    assert listing(parts) == said


@pytest.mark.parametrize(
    ("count", "said"), [(0, ""), (1, "a"), (2, "a; b"), (3, "a; b; and 1 more"), (12, "a; b; and 10 more")]
)
def test_of_many_parts_the_first_few_are_named(count: int, said: str) -> None:
    assert first_few("abcdefghijkl"[:count], 2) == said
