"""Small models in reports: decision accuracy and changes of sign follow from the study's verdicts."""

import dataclasses
from typing import Any

import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.small_models import changes_of_sign, small_models
from scaling.report.caveats import CAVEATS
from scaling.report.tables import TABLES
from scaling.statistics.decision_accuracy import DecisionAccuracy
from scaling.statistics.missing import Missing
from tests.support.studies import Truth, describe, failed, simulated_records

CROSSING = Truth(depths=(2, 4, 8, 16), widths=(32, 64, 128), effect=0.0, slope=0.5, seed_sd=0.05)


def analysed(truth: Truth, keep: int | None = None) -> Analysis:
    records = simulated_records(truth)
    return analyse(describe(records, truth), records[:keep])


def rows(analysis: Analysis, name: str) -> list[dict[str, Any]]:
    table = TABLES[name](analysis)
    return [dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows]


def test_small_models_of_a_crossing_study_disagree() -> None:
    analysis = analysed(CROSSING)
    size, part = small_models(analysis)

    assert isinstance(size.found, DecisionAccuracy)
    assert isinstance(part.found, DecisionAccuracy)
    costs = [one.low_cost for one in size.found.sizes]
    assert costs == sorted(costs)
    assert size.found.largest.interval.estimate > 1
    assert 0 < size.found.agreeing < len(size.found.smaller)
    assert size.found.opposed > 0
    caveat = CAVEATS["small_models_mislead"](analysis)
    assert caveat == f"Small models alone would mislead: {size.sentence}"
    own, of_parts = rows(analysis, "decision_accuracy")
    assert (own["unit"], of_parts["unit"]) == ("size", "part")
    assert own["agreeing"] == size.found.agreeing
    assert own["share"] == pytest.approx(100 * size.found.agreeing / len(size.found.smaller))
    assert size.sentence in TABLES["decision_accuracy"](analysis).caption


def test_a_crossing_is_a_caveat_and_a_row() -> None:
    analysis = analysed(CROSSING)
    (macs,) = [one for one in changes_of_sign(analysis) if one.cost == "macs"]

    assert len(macs.changes) == 1
    assert CAVEATS["sign_change"](analysis) == macs.sentence
    assert "the better arm changes between the cheaper half" in macs.sentence
    shown = {row["cost"]: row for row in rows(analysis, "sign_changes")}
    assert (shown["MACs"]["changes"], shown["MACs"]["sentence"]) == (1, macs.sentence)


def test_an_even_advantage_raises_no_doubt() -> None:
    analysis = analysed(dataclasses.replace(CROSSING, slope=0.0, effect=1.0))

    assert CAVEATS["sign_change"](analysis) is None
    assert CAVEATS["small_models_mislead"](analysis) is None
    (size, _) = rows(analysis, "decision_accuracy")
    assert size["share"] == 100
    assert size["missing"] is None


def test_nothing_is_said_before_the_plan_is_complete() -> None:
    analysis = analysed(CROSSING, keep=-1)

    assert all(isinstance(one.found, Missing) for one in small_models(analysis))
    assert {row["missing"] for row in rows(analysis, "decision_accuracy")} == {"trials of the plan are missing"}
    assert changes_of_sign(analysis) == []


@pytest.mark.parametrize(
    "truth",
    [
        Truth(depths=(2,), widths=(32,)),
        Truth(arms=("average",)),
        Truth(seeds=1),
    ],
)
def test_a_small_study_has_rows_that_say_why_not(truth: Truth) -> None:
    analysis = analysed(truth)

    assert all(row["share"] is None and row["missing"] for row in rows(analysis, "decision_accuracy"))
    assert len(rows(analysis, "decision_accuracy")) == 2 * (len(truth.arms) - 1)


def test_a_study_without_scores_has_rows_that_say_why_not() -> None:
    records = [failed(record) for record in simulated_records()]
    analysis = analyse(describe(records), records)

    assert all(row["missing"] for row in rows(analysis, "decision_accuracy"))
