"""The evidence in the documents: tables agree with the results that they are made from, and results can be repeated."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import real_curves
from benchmarks.generated import generated_part, marks, with_table
from benchmarks.verdict_truths import ALL, NAME, OUT, rates_of, table_of
from tests.statistics.other_truths import OtherTruth, run_other
from tests.statistics.truths import run
from tests.support import ROOT

STATISTICS, FITS = ROOT / "docs" / "statistics.md", ROOT / "docs" / "fits.md"
ROWS: dict[str, dict[str, Any]] = {row["truth"]: row for row in json.loads(OUT.read_text(encoding="utf-8"))}
STUDIES = 300  # of a truth that is run again
# One with a difference, one with odd luck, one at equal cost: each of another function that simulates.
REPEATED = ["+0.4, cells differ by 0.3, 6 × 3", "half of the cells once, 12 × 3", "equal cost, 12 cells, +0.5"]


def test_the_table_of_truths_is_that_of_the_results() -> None:
    text = STATISTICS.read_text(encoding="utf-8")

    assert generated_part(text, NAME).strip().splitlines() == table_of(list(ROWS.values()))


def test_the_table_of_real_curves_is_that_of_the_results() -> None:
    rows = json.loads(real_curves.OUT.read_text(encoding="utf-8"))
    text = FITS.read_text(encoding="utf-8")

    assert generated_part(text, real_curves.NAME).strip().splitlines() == real_curves.table_of(rows)


def test_every_truth_has_two_thousand_studies() -> None:
    assert set(ROWS) == set(ALL)
    assert min(row["studies"] for row in ROWS.values()) >= 2000


@pytest.mark.parametrize("name", [name for name, truth in ALL.items() if not truth.note])
def test_rates_keep_their_limits_or_have_a_note(name: str) -> None:
    row = ROWS[name]

    # 95 % and 5 %, with three standard errors of 2,000 studies
    assert row["here"] is None or row["here"] >= 0.935
    assert row["beyond"] is None or row["beyond"] >= 0.935
    assert row["false"] <= 0.065


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("no difference")])
def test_sizes_seldom_seem_to_matter_where_they_do_not(name: str) -> None:
    kinds = ROWS[name]["kinds"]

    assert kinds.get("depends on size", 0.0) <= 0.01
    assert kinds.get("mixed", 0.0) <= 0.017


def differ(one: float, other: float, studies: tuple[int, int]) -> bool:
    """Whether two shares differ by more than four standard errors."""
    middle = min(max((one + other) / 2, 1 / min(studies)), 1 - 1 / min(studies))
    return abs(one - other) > 4 * math.sqrt(middle * (1 - middle) * sum(1 / count for count in studies))


@pytest.mark.parametrize("name", REPEATED)
def test_truths_run_again_agree_with_the_results(name: str) -> None:
    truth, row = ALL[name], ROWS[name]

    rates = run_other(truth, STUDIES, seed=7) if isinstance(truth, OtherTruth) else run(truth, STUDIES, seed=7)

    studies = (STUDIES, row["studies"])
    assert not differ(rates.here, row["here"], studies)
    assert not differ(rates.false, row["false"], studies)
    for kind in {*rates.kinds, *row["kinds"]}:
        assert not differ(rates.kinds.get(kind, 0.0), row["kinds"].get(kind, 0.0), studies)


def test_shares_that_differ_are_seen() -> None:
    assert differ(0.95, 0.87, (300, 2000))
    assert not differ(0.95, 0.94, (300, 2000))


def test_the_same_name_simulates_the_same_studies() -> None:
    assert rates_of("no difference, 2 × 3", 20) == rates_of("no difference, 2 × 3", 20)


def test_only_the_generated_part_of_a_document_changes() -> None:
    start, end = marks("x")
    text = f"before\n{start}\nold\n{end}\nafter\n"

    assert with_table(text, "x", ["new", "lines"]) == f"before\n{start}\nnew\nlines\n{end}\nafter\n"


@pytest.mark.parametrize("text", ["", "<!-- generated: x -->", "<!-- end of x --><!-- generated: x -->"])
def test_a_document_without_both_comments_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="needs the comments"):
        with_table(text, "x", [])


# Real curves


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("regnetx_032.pycls_in1k", ("regnetx", "pycls_in1k")),
        ("tf_efficientnetv2_b3.in1k", ("efficientnetv2", "in1k")),
        ("vit_base_patch16_224.augreg_in1k", ("vit", "augreg_in1k")),
        ("resnet50", ("resnet", "")),
    ],
)
def test_models_of_timm_have_their_family(model: str, family: tuple[str, str]) -> None:
    assert real_curves.family_of(model) == family


def test_timm_s_tables_give_a_curve_a_family_and_cost(tmp_path: Path) -> None:
    results, costs = tmp_path / "results.csv", tmp_path / "costs.csv"
    results.write_text(
        "model,img_size,top1_err,param_count\n"
        'net_a.x,288,20.0,5.0\nnet_a.x,224,21.0,5.0\nnet_b.x,224,19.0,"1,014.4"\nother.x,224,30.0,1.0\n'
    )
    costs.write_text("model,infer_img_size,infer_gmacs\nnet_a,224,0.5\nnet_a,288,0.9\nnet_b,224,2.0\n")

    found = {(curve.name, curve.cost_name): curve for curve in real_curves.timm_curves(results, costs)}

    assert set(found) == {("net.x", "parameters"), ("net.x", "MACs"), ("other.x", "parameters")}
    assert found["net.x", "parameters"].cost.tolist() == [5.0, 1014.4]
    assert found["net.x", "MACs"].cost.tolist() == [0.5, 2.0]
    assert found["net.x", "MACs"].error.tolist() == [21.0, 19.0]


def test_the_huber_fit_finds_a_law_and_ignores_an_outlier() -> None:
    cost = np.geomspace(1e6, 1e9, 15)
    error = 5 + 30 * (cost / 1e6) ** -0.4
    odd = error.copy()
    odd[4] *= 1.3

    for values in (error, odd):
        law = real_curves.huber_law(cost, values)
        assert law.alpha == pytest.approx(0.4, rel=0.02)
        assert np.exp(law.e) == pytest.approx(5, rel=0.02)
        assert np.exp(law.log_at(cost)) == pytest.approx(error, rel=0.01)


def test_a_bootstrap_band_holds_a_law_with_noise() -> None:
    rng = np.random.default_rng(0)
    cost, at = np.geomspace(1e6, 1e9, 30), np.array([2e9, 4e9])
    error = (5 + 30 * (cost / 1e6) ** -0.4) * np.exp(0.02 * rng.normal(size=30))
    law = real_curves.huber_law(cost, error)

    low, high = real_curves.huber_band(law, (cost, error), at, rng)

    truth = 5 + 30 * (at / 1e6) ** -0.4
    assert ((low < truth) & (truth < high)).all()
    assert (high / low < 1.3).all()


def test_short_curves_are_left_out() -> None:
    cost = np.geomspace(1, 100, 8)

    assert real_curves.row_of(real_curves.RealCurve("x", "short", "MACs", cost, 30 / cost)) is None


def test_a_row_counts_what_lies_inside() -> None:
    cost = np.geomspace(1, 1000, 12)
    error = 5 + 30 * cost**-0.4 + 0.05 * (-1.0) ** np.arange(12)
    error[-1] += 20

    row = real_curves.row_of(real_curves.RealCurve("x", "long", "MACs", cost, error))

    assert row is not None
    assert (row["fitted"], row["predicted"]) == (8, 4)
    assert row["ours"]["inside"] == 3
    assert row["ours"]["errors"][-1] > 0.5 > row["ours"]["errors"][0]


def test_learning_curves_fall_with_cost() -> None:
    for curve in real_curves.learning_curves():
        assert len(curve.cost) == len(curve.error)
        assert (np.diff(curve.cost) > 0).all()
        assert (np.diff(curve.error) < 0).all()
