"""Comparisons without a verdict: each says why, in a word for scripts and in a sentence for readers."""

import math

import numpy as np
import pytest

from scaling.statistics.comparison import Comparison, VerdictSettings
from scaling.statistics.contrast import Contrast
from scaling.statistics.judge import judge, so_far
from scaling.statistics.kinds import Kind
from scaling.statistics.unknown import Reason
from scaling.statistics.words import Words

NAN = math.nan
WORDS = Words("average", "attention")
LOST = np.full((2, 2), NAN)
SOME = np.array([[70.0, 71.0], [80.0, 82.0]])
APART = np.array([[70.0, NAN], [NAN, 82.0]])


def judged(baseline: object, arm: object, shared_seeds: bool = False, images: int | None = None) -> Comparison:
    settings = VerdictSettings(shared_seeds=shared_seeds, images=images)
    return judge(Contrast(np.array(baseline, dtype=float), np.array(arm, dtype=float)), settings, WORDS)


@pytest.mark.parametrize(
    ("found", "reason", "said"),
    [
        (judged(LOST, SOME), Reason.NO_BASELINE, "No verdict: no run of average has finished with a score."),
        (judged(SOME, LOST), Reason.NO_ARM, "No verdict: no run of attention has finished with a score."),
        (judged(LOST, LOST), Reason.NO_BASELINE, "No verdict: no run of average has finished with a score."),
        (judged(np.zeros((0, 0)), np.zeros((0, 0))), Reason.NO_BASELINE, "no run of average has finished"),
        (judged(APART, APART[::-1, :]), Reason.NO_PAIR, "no model has a run in which both attention and average have"),
        (judged([[70.0]], [[71.0]]), Reason.ONE_PAIR, "a single pair of runs gives +1.00 points"),
        (
            judged([[70.0], [80.0]], [[71.0], [82.0]], True),
            Reason.ONE_DRAW,
            "+1.50 points, but all models were trained",
        ),
        (judged(SOME, SOME + 1), Reason.NO_SPREAD, "+1.00 points on average, but the pairs of each model differ by"),
        (judged(SOME, SOME), Reason.NO_SPREAD, "0.00 points on average"),
        (judged([[70.0], [80.0]], [[71.0], [81.0]]), Reason.NO_SPREAD, "+1.00 points on average"),
        (judged([[0.0, 0.0]], [[100.0, 100.0]]), Reason.NO_SPREAD, "+100.00 points on average"),
    ],
)
def test_why_there_is_no_verdict_is_said(found: Comparison, reason: Reason, said: str) -> None:
    assert found.kind is Kind.UNKNOWN
    assert found.reason == reason
    assert said in found.sentence
    assert found.sentence.startswith("No verdict: ")
    assert found.sentence.endswith(".")
    assert not found.here.is_known
    assert found.further is None


@pytest.mark.parametrize(
    "found",
    [
        judged(SOME, SOME + np.array([[1.0, 2.0], [1.5, 0.5]])),
        judged([[70.0], [80.0]], [[71.0], [82.0]]),
        judged(SOME, SOME + 1, images=500),  # the rounding of the scores bounds the luck from below
    ],
    ids=["repeated", "two cells", "counted images"],
)
def test_a_verdict_has_no_reason(found: Comparison) -> None:
    assert found.reason is None
    assert found.here.is_known
    assert "No verdict" not in found.sentence


def test_an_incomplete_plan_shows_the_difference_and_no_interval() -> None:
    scores = np.array([[70.0, 71.0], [80.0, NAN]])
    found = so_far(Contrast(scores, scores + np.array([[1.0, 3.0], [2.0, 1.0]])), VerdictSettings(), WORDS, planned=36)

    assert (found.kind, found.reason) == (Kind.UNKNOWN, Reason.INCOMPLETE)
    assert found.here.estimate == pytest.approx((2.0 + 2.0) / 2)  # a mean over cells, not over pairs
    assert not found.here.is_known
    assert (found.beyond, found.parts, found.further, found.assessment.estimate) == (None, [], None, None)
    assert found.sentence == (
        "attention differs from average by +2.00 points so far: 3 of 36 pairs; no verdict before the plan is complete."
    )


def test_before_the_first_pair_nothing_is_shown() -> None:
    found = so_far(Contrast(LOST, LOST), VerdictSettings(), WORDS, planned=1)

    assert found.sentence == "No verdict yet: 0 of 1 pair; no verdict before the plan is complete."
    assert math.isnan(found.here.estimate)
