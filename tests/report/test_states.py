"""Studies in any state: each gives the verdict that is possible, and a sentence on what is not known and why."""

import json
import math
from collections.abc import Callable

import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.caveats import caveats
from scaling.report.tables.table import tables
from scaling.report.verdict_file import verdict_document
from scaling.statistics.kinds import Kind
from scaling.study.records import Cost, Record
from tests.support.page_reader import page_of
from tests.support.studies import Truth, describe, failed, simulated_records

TRUTH = Truth(seeds=2, effect=2.0, test_examples=500)
RECORDS = simulated_records(TRUTH)
COST = Cost(params=1000, macs=5000, fvcore_flops=5100, activations=70)
NO_BASELINE = "No verdict: no run of average pooling has finished with a score."
NO_ARM = "No verdict: no run of attention pooling has finished with a score."
Change = Callable[[Record], Record]


def scored(score: Callable[[Record, float], float], images: int = TRUTH.test_examples) -> Change:
    """Other test accuracies, each from the record and the accuracy that it has."""

    def changed(record: Record) -> Record:
        assert record.scores
        accuracy = score(record, record.scores.test_accuracy)
        update = {"test_accuracy": accuracy, "val_accuracy": accuracy, "test_examples": images}
        return record.model_copy(update={"scores": record.scores.model_copy(update=update)})

    return changed


def updated(**values: object) -> Change:
    return lambda record: record.model_copy(update=values)


def diverging(record: Record) -> Record:
    """A finished trial whose losses are no numbers and whose accuracies are."""
    assert record.scores
    curve = [epoch.model_copy(update={"val_loss": math.nan, "train_loss": math.inf}) for epoch in record.curve]
    scores = record.scores.model_copy(update={"test_loss": math.nan})
    return record.model_copy(update={"curve": curve, "scores": scores})


def every(change: Change) -> list[Record]:
    return [change(record) for record in RECORDS]


def where(chosen: Callable[[Record], bool], change: Change = failed) -> list[Record]:
    return [change(record) if chosen(record) else record for record in RECORDS]


def only(chosen: Callable[[Record], bool]) -> list[Record]:
    return [record for record in RECORDS if chosen(record)]


def is_arm(record: Record) -> bool:
    return record.arm == "attention"


def is_first(record: Record) -> bool:
    return record.cell == RECORDS[0].cell


def of_first_cell(record: Record) -> bool:
    return is_arm(record) and is_first(record)


# The records that a study planned, the kind of its verdict, and what the page must say, in the verdict or a caveat.
STATES: dict[str, tuple[list[Record], Kind, list[str]]] = {
    "whole": (RECORDS, Kind.BETTER, ["In the 6 models that were run, attention pooling beats average pooling by"]),
    "empty": ([], Kind.UNKNOWN, [NO_BASELINE]),
    "one trial": (RECORDS[:1], Kind.UNKNOWN, [NO_ARM]),
    "one arm": (only(lambda r: not is_arm(r)), Kind.UNKNOWN, [NO_ARM]),
    "one pair": (RECORDS[:2], Kind.UNKNOWN, ["a single pair of runs gives"]),
    "one cell": (only(is_first), Kind.INCONCLUSIVE, ["Nothing is known of others."]),
    "two cells": (only(lambda r: r.cell["depth"] == 2), Kind.BETTER, ["Of other models these two cannot tell."]),
    "one repetition": (
        only(lambda r: r.repetition == 0),
        Kind.BETTER,
        ["how the models scatter, 1 run each", "whether single models differ is not known"],
    ),
    "all failed": (every(failed), Kind.UNKNOWN, [NO_BASELINE, "(average 12, attention 12)"]),
    "no baseline": (where(lambda r: not is_arm(r)), Kind.UNKNOWN, [NO_BASELINE, "(average 12, attention 0)"]),
    "nothing paired": (
        where(lambda r: is_arm(r) == (r.repetition == 0)),
        Kind.UNKNOWN,
        ["no model has a run in which both attention pooling and average pooling have finished"],
    ),
    "lost in one arm": (
        where(lambda r: is_arm(r) and r.cell["depth"] == 2),
        Kind.INCONCLUSIVE,
        ["attention pooling lost 4 of 12 runs, average pooling none", "so 'better' is not said", "does not train at"],
    ),
    "lost in the baseline": (
        where(lambda r: not is_arm(r) and r.repetition == 1 and is_first(r)),
        Kind.BETTER,
        ["attention pooling lost no run, average pooling 1 of 12"],
    ),
    "stopped cell": (
        where(is_first, updated(status="stopped", scores=None)),
        Kind.BETTER,
        ["In the 5 models that were run to the end", "4 trials in 1 cell were stopped early"],
    ),
    "uneven repetitions": (
        only(lambda r: not of_first_cell(r) or r.repetition == 1),
        Kind.BETTER,
        ["1 to 2 runs each"],
    ),
    "no scores": (every(updated(scores=None)), Kind.UNKNOWN, [NO_BASELINE, "average repetition 0 has no score"]),
    "NaN": (every(scored(lambda *_: math.nan)), Kind.UNKNOWN, [NO_BASELINE, "(average 12, attention 12)"]),
    "some NaN": (
        where(of_first_cell, scored(lambda *_: math.nan)),
        Kind.INCONCLUSIVE,
        ["attention pooling lost 2 of 12 runs", "(average 0, attention 2)"],
    ),
    "equal scores": (
        every(scored(lambda *_: 90.0, images=0)),
        Kind.UNKNOWN,
        ["the pairs of each model differ by the same"],
    ),
    "equal scores of few images": (
        every(scored(lambda *_: 90.0, images=400)),
        Kind.INCONCLUSIVE,
        ["equal on these images: +0.00 points", "400 images cannot show whether the difference is within ±0.2"],
    ),
    "0 and 100": (
        every(scored(lambda r, _: 100.0 * is_arm(r), images=0)),
        Kind.UNKNOWN,
        ["+100.00 points on average, but the pairs of each model differ by the same"],
    ),
    "at the ceiling": (
        every(scored(lambda *_: 100.0)),
        Kind.INCONCLUSIVE,
        ["average pooling makes no mistakes, so that no difference counts as none"],
    ),
    "no costs": (
        every(updated(cost=None, train_seconds=None)),
        Kind.BETTER,
        ["The costs of the models are not known"],
    ),
    "some costs": (
        where(is_first, updated(cost=None)),
        Kind.BETTER,
        ["The costs of the models are not known"],
    ),
    "equal costs": (every(updated(cost=COST)), Kind.BETTER, ["too few: an arm has 1 cell of different cost"]),
    "losses that are no numbers": (every(diverging), Kind.BETTER, ["beats average pooling by"]),
    "nothing but scores": (
        every(updated(curve=[], environment={}, train_seconds=None, started=None, ended=None)),
        Kind.BETTER,
        ["beats average pooling by"],
    ),
    "two records of one key": ([*RECORDS, RECORDS[0]], Kind.BETTER, ["1 record repeats the cell, arm and repetition"]),
    "two records of one trial": (
        [*RECORDS, *(r.model_copy(update={"key": f"{r.key}x"}) for r in RECORDS[:2])],
        Kind.BETTER,
        ["2 records repeat the cell, arm and repetition of another one; the last of them enters"],
    ),
}


def analysis_of(records: list[Record]) -> Analysis:
    planned = list(dict.fromkeys(record.key for record in records))
    return analyse(describe(RECORDS, TRUTH).model_copy(update={"planned": planned}), records)


@pytest.mark.parametrize("state", STATES)
def test_every_state_gives_the_verdict_that_is_possible(state: str) -> None:
    records, kind, said = STATES[state]
    analysis = analysis_of(records)
    (verdict,) = analysis.verdicts
    page, shown = page_of(analysis), tables(analysis)
    document = json.loads(json.dumps(verdict_document(analysis), allow_nan=False))

    assert page.open == []
    assert verdict.kind == kind, verdict.sentence
    assert (verdict.found.reason is None) == (kind is not Kind.UNKNOWN)
    text = " ".join([analysis.headline, *verdict.found.remarks, *caveats(analysis), page.words])
    for sentence in said:
        assert sentence in text
    assert shown["verdicts"].rows[0][2] == document["verdicts"][0]["kind"] == kind
    assert document["headline"] == analysis.headline
    assert document["trials"]["finished"] == sum(record.status == "finished" for record in records)
    for answer in [*document["equal_cost"], *document["fronts"], *document["scaling"]]:
        assert answer["missing"] is None or (answer["missing"]["why"] and answer["missing"]["said"])


def test_a_single_arm_without_models_is_no_comparison() -> None:
    study = describe(RECORDS, TRUTH).model_copy(update={"arms": ["average"]})
    analysis = analyse(study, [failed(record) for record in only(lambda r: not is_arm(r))])

    assert analysis.headline.startswith("no verdict: the study names one arm")
    assert "The study names one arm" in page_of(analysis).words
    assert verdict_document(analysis)["verdicts"] == []


def test_one_arm_alone_gives_its_front_in_words() -> None:
    alone = [record for record in RECORDS if record.arm == "average"]
    study = describe(RECORDS, TRUTH).model_copy(update={"arms": ["average"], "question": ""})
    analysis = analyse(study.model_copy(update={"planned": [record.key for record in alone]}), alone)
    page = page_of(analysis)

    assert analysis.verdicts == []
    best = max(analysis.cells["test_accuracy"][analysis.fronts["macs"]["own"]])
    assert analysis.headline.startswith("no verdict: one arm. Along its front (")
    assert f"to {best:.2f} % at " in analysis.headline
    assert "One arm. Along its front" in page.words.replace("\N{NO-BREAK SPACE}", " ")
    assert "How does" in page.words
    assert verdict_document(analysis)["verdicts"] == []
