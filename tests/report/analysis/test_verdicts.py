"""The verdicts of a study: shares of attention and capacity, equal cost, what is compared, and what would change it."""

import math

import numpy as np
import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.arm_names import arm_name
from scaling.report.analysis.what_if import what_would_change
from scaling.report.caveats import CAVEATS
from scaling.statistics.equal_cost_parts import EqualCostParts
from scaling.statistics.kinds import Kind
from scaling.statistics.missing import Missing
from scaling.study.metrics import analysed_costs
from scaling.study.records import Record
from tests.support.studies import Truth, describe, failed, simulated_records, with_learning_rate_grid

ARMS = ("average", "attention", "average_mlp", "attention_no_mlp")
TRUTH = Truth(depths=(2, 4, 8, 16), keeps_images=True, test_examples=10_000)
RECORDS = simulated_records(TRUTH)


def analysis_of(records: list[Record], **study: object) -> Analysis:
    return analyse(describe(RECORDS, TRUTH).model_copy(update=study), records)


def whole(records: list[Record], **study: object) -> Analysis:
    """The analysis of a study that planned these records and no others."""
    return analysis_of(records, planned=[record.key for record in records], **study)


def with_score(record: Record, accuracy: float) -> Record:
    assert record.scores
    update = {"test_accuracy": accuracy, "val_accuracy": accuracy, "test_correct": None}
    return record.model_copy(update={"scores": record.scores.model_copy(update=update)})


@pytest.mark.parametrize(
    ("gains", "cause"),
    [
        ({"attention": 2, "average_mlp": 0, "attention_no_mlp": 2}, "attention"),
        ({"attention": 2, "average_mlp": 2, "attention_no_mlp": 0}, "capacity"),
        ({"attention": 2, "average_mlp": 1, "attention_no_mlp": 1}, "both"),
        ({"attention": -2, "average_mlp": 0, "attention_no_mlp": 0}, "open"),
        ({"attention": 2, "average_mlp": 0}, "attention"),
        ({"attention": 2, "attention_no_mlp": 0}, "capacity"),
    ],
)
def test_a_planted_cause_is_found(gains: dict[str, float], cause: str) -> None:
    truth = Truth(arms=("average", *gains), effect=0, seed_sd=0.04)
    records = [
        with_score(record, record.scores.test_accuracy + gains.get(record.arm, 0.0))
        for record in simulated_records(truth)
        if record.scores
    ]

    found = analyse(describe(records, truth), records).shares

    assert found is not None
    assert found.cause == cause
    assert found.gain.estimate == pytest.approx(gains["attention"], abs=0.1)
    assert found.attention.estimate + found.capacity.estimate == pytest.approx(found.gain.estimate)


def test_without_a_control_no_share_is_given() -> None:
    assert analysis_of(RECORDS).shares is None


def test_rejected_rates_and_the_runs_that_chose_are_not_compared() -> None:
    later = [record for record in RECORDS if record.repetition > 0]
    one = whole(later)
    other = whole(with_learning_rate_grid(RECORDS, rejected=4e-3, kept=2e-3), space={"tune": {"lr": 3}})

    assert other.table["rejected"].to_numpy(dtype=bool).sum() == 16
    assert other.table["chooses"].to_numpy(dtype=bool).sum() == 16
    assert other.verdicts[0].difference == one.verdicts[0].difference
    assert len(other.finished) == len(one.finished)
    assert CAVEATS["untuned_rates"](other) is None
    assert CAVEATS["rates_at_edge"](other) is None


def test_an_arm_that_no_rate_trains_is_not_passed_over() -> None:
    cell = RECORDS[0].cell
    tuned = with_learning_rate_grid(RECORDS, rejected=4e-3, kept=2e-3)
    records = [
        failed(record, "diverged") if record.cell == cell and record.arm == "attention" else record
        for record in tuned
        if not (record.cell == cell and record.arm == "attention" and record.repetition > 0)
    ]

    (verdict,) = whole(records, space={"tune": {"lr": 3}}).verdicts

    assert len(verdict.cells) == 7
    assert verdict.found.assessment.losses.never == ("depth=2 width=32",)
    assert any("does not train at depth=2 width=32" in remark for remark in verdict.found.remarks)


def test_stopped_cells_are_counted_and_never_compared() -> None:
    cell = RECORDS[0].cell
    stopped = [
        record.model_copy(update={"status": "stopped", "scores": None}) if record.cell == cell else record
        for record in RECORDS
    ]

    analysis = analysis_of(stopped)

    assert analysis.progress.stopped == 6
    assert analysis.progress.is_complete
    (verdict,) = analysis.verdicts
    assert len(verdict.cells) == 7
    assert "that were run to the end" in verdict.sentence
    assert verdict.found.assessment.losses.arm == 0
    assert "6 trials in 1 cell" in (CAVEATS["stopped_cells"](analysis) or "")
    assert CAVEATS["lost_pairs"](analysis) is None


def test_every_recorded_cost_is_answered_with_excess_of_the_others() -> None:
    answers = analysis_of(RECORDS).equal_cost

    assert [answer.cost for answer in answers] == [
        cost for cost in analysed_costs() if cost in {answer.cost for answer in answers}
    ]
    for answer in answers:
        assert isinstance(answer.result, EqualCostParts)
        assert len(answer.result.parts) == 2
    by_cost = {answer.cost: answer for answer in answers}
    assert by_cost["params"].others["inference_memory"] == pytest.approx(0, abs=0.01)  # proportional in the simulation
    assert by_cost["macs"].others["params"] > 3


def test_pairs_of_a_cell_have_their_own_interval() -> None:
    (verdict,) = analysis_of(RECORDS).verdicts
    table = verdict.cells

    one = table.loc["depth=2 width=32"]
    scores = {
        (record.arm, record.repetition): record.scores.test_accuracy
        for record in RECORDS
        if record.cell == {"depth": 2, "width": 32} and record.scores
    }
    differences = np.array([scores["attention", r] - scores["average", r] for r in range(3)])
    assert one["difference"] == pytest.approx(differences.mean())
    assert one["sd"] == pytest.approx(differences.std(ddof=1))
    assert one["high"] - one["low"] == pytest.approx(2 * 4.302653 * differences.std(ddof=1) / math.sqrt(3), rel=1e-5)


def test_nothing_is_judged_before_the_plan_is_complete() -> None:
    analysis = analysis_of(RECORDS[:20])

    (verdict,) = analysis.verdicts
    assert verdict.kind is Kind.UNKNOWN
    assert verdict.found.reason == "incomplete"
    assert math.isfinite(verdict.difference.estimate)
    assert not verdict.difference.is_known
    assert "no verdict before the plan is complete" in verdict.sentence
    assert "10 of 24 pairs" in verdict.sentence
    assert all(isinstance(answer.result, Missing) for answer in analysis.equal_cost)
    assert analysis.shares is None
    assert what_would_change(verdict, analysis.settings) == []


def test_a_search_that_may_plan_more_is_not_complete() -> None:
    assert analysis_of(RECORDS).progress.is_complete
    assert not analysis_of(RECORDS, plans_more=True).progress.is_complete
    assert analysis_of(RECORDS[:20], ended_by="its budget of 20 trials").progress.is_complete


def test_what_would_change_a_verdict_is_said() -> None:
    one_cell = [
        with_score(record, record.scores.test_accuracy + (3 if record.cell == RECORDS[0].cell else 0))
        if record.arm == "attention" and record.scores
        else record
        for record in simulated_records(Truth(depths=(2, 4, 8, 16), effect=-0.15))
    ]
    (verdict,) = analysis_of(one_cell).verdicts
    changes = " ".join(what_would_change(verdict, analysis_of(one_cell).settings))

    assert verdict.kind is Kind.BETTER
    assert "Without depth=2 width=32 it would be" in changes
    assert "A margin of" in changes


@pytest.mark.parametrize(
    ("factor", "arm", "expected"),
    [
        ("pooling", "attention", "attention pooling"),
        ("recipe.optimizer", "lamb", "lamb optimizer"),
        ("arch.patch_size", "4", "patch_size 4"),
        ("upsilon", "0.1", "upsilon 0.1"),
        ("bias", "True", "bias True"),
        ("study", "first", "first"),
    ],
)
def test_an_arm_has_a_name_that_a_reader_understands(factor: str, arm: str, expected: str) -> None:
    assert arm_name(factor, arm) == expected
