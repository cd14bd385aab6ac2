"""Attention or capacity, and which trials a verdict compares."""

import json
import math

import numpy as np
import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.controls import attention_or_capacity
from scaling.report.caveats import CAVEATS
from scaling.report.verdict_file import verdict_document
from scaling.study.records import Record
from tests.support.studies import Truth, describe, failed, simulated_records, simulated_table, with_learning_rate_grid

ARMS = ("average", "attention", "average_mlp", "attention_no_mlp")
TRUTH = Truth(depths=(2, 4, 8, 16))
RECORDS = simulated_records(TRUTH)


def analysis_of(records: list[Record]) -> Analysis:
    return analyse(describe(RECORDS, TRUTH), records)


@pytest.mark.parametrize(
    ("gains", "cause"),
    [
        ({"attention": 2, "average_mlp": 0, "attention_no_mlp": 2}, "attention"),
        ({"attention": 2, "average_mlp": 2, "attention_no_mlp": 0}, "capacity"),
        ({"attention": 2, "average_mlp": 1, "attention_no_mlp": 1}, "both"),
        ({"attention": -2, "average_mlp": 0, "attention_no_mlp": 0}, "no gain"),
        ({"attention": 2, "average_mlp": 0}, "attention"),
        ({"attention": 2, "attention_no_mlp": 0}, "capacity"),
    ],
)
def test_a_planted_cause_is_found(gains: dict[str, float], cause: str) -> None:
    arms = ("average", *gains)
    table = simulated_table(Truth(arms=arms, effect=0, seed_sd=0.1), seed=0)
    table["test_accuracy"] += np.array([gains.get(arm, 0.0) for arm in table["arm"].tolist()])

    found = attention_or_capacity(table, arms, margin=0.2)

    assert found is not None
    assert found.cause == cause
    assert found.parts[0].difference.estimate == pytest.approx(gains["attention"], abs=0.2)
    assert all(part.arm in found.sentence for part in found.parts)


def test_without_a_control_or_without_data_nothing_is_claimed() -> None:
    table = simulated_table(Truth(arms=ARMS), seed=0)

    assert attention_or_capacity(table, ARMS[:2], margin=0.2) is None
    assert attention_or_capacity(table, ARMS[1:], margin=0.2) is None
    nothing = attention_or_capacity(table.iloc[:0], ARMS, margin=0.2)
    assert nothing is not None
    assert nothing.cause == "open"


def test_rejected_learning_rates_are_listed_but_not_compared() -> None:
    one, other = analysis_of(RECORDS), analysis_of(with_learning_rate_grid(RECORDS, rejected=4e-3, kept=2e-3))

    assert len(other.table) == len(one.table) + 16
    assert other.table["rejected"].to_numpy(dtype=bool).sum() == 16
    assert other.verdicts[0].sentence == one.verdicts[0].sentence
    assert len(other.finished) == len(one.finished)
    assert other.equal_cost[0].sentence == one.equal_cost[0].sentence
    assert CAVEATS["untuned_rates"](other) is None
    assert CAVEATS["rates_at_edge"](other) is None


def test_stopped_cells_are_counted_and_never_compared() -> None:
    cell = RECORDS[0].cell
    stopped = [
        record.model_copy(update={"status": "stopped", "scores": None}) if record.cell == cell else record
        for record in RECORDS
    ]

    analysis = analysis_of(stopped)

    assert analysis.progress.stopped == 6
    assert analysis.progress.is_complete
    assert len(analysis.verdicts[0].comparison.cells) == 7
    said = CAVEATS["stopped_cells"](analysis)
    assert said is not None
    assert "6 trials in 1 cell" in said
    assert CAVEATS["lost_pairs"](analysis) is None


def test_the_document_for_scripts_is_plain_json_of_the_analysis() -> None:
    truth = Truth(arms=ARMS, keeps_images=True, test_examples=500)
    records = simulated_records(truth)
    records[0] = failed(records[0])
    analysis = analyse(describe(records, truth), records)

    document = json.loads(json.dumps(verdict_document(analysis), allow_nan=False))

    assert document["schema"] == 1
    assert document["trials"]["failed"] == 1
    assert [verdict["arm"] for verdict in document["verdicts"]] == list(ARMS[1:])
    first, written = analysis.verdicts[0].comparison.difference, document["verdicts"][0]["difference"]
    assert written["estimate"] == pytest.approx(first.estimate)
    assert (written["low"], written["high"]) == pytest.approx((first.low, first.high))
    assert {(answer["cost"], answer["arm"]) for answer in document["equal_cost"]} == {
        (answer.cost, answer.arm) for answer in analysis.equal_cost
    }
    for front in document["fronts"]:
        assert len(front["configurations"]) == len(analysis.cells)
        assert set(front["arms"]) == set(ARMS)
    assert document["control"]["cause"] in ("attention", "capacity", "both", "neither", "open", "no gain")
    assert math.isfinite(document["equal_cost"][0]["band"]["low"][0])
