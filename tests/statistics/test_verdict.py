"""Verdicts: the right word, and a sentence with its interval and its n."""

import math
import re
from dataclasses import replace

import pytest

from scaling.statistics.intervals import MeanInterval
from scaling.statistics.paired import PairedComparison, compare
from scaling.statistics.verdict import Asked, Verdict, arm_name, give_verdict, interval_text, judge
from scaling.wording import points
from tests.support.studies import Truth, simulated_table

SIX = Asked(factor="pooling", cells=6, seeds=3, range="between 0.3 M and 5.1 M MACs", comparisons=1)
PLAIN = compare(simulated_table(Truth(), seed=0), "average", "attention")


def with_interval(low: float, high: float) -> PairedComparison:
    return replace(PLAIN, difference=MeanInterval((low + high) / 2, low, high, 0.95, 6))


def verdict_of(truth: Truth, seed: int = 0) -> Verdict:
    comparison = compare(simulated_table(truth, seed), "average", "attention")
    return give_verdict(comparison, replace(SIX, cells=len(truth.cells), seeds=truth.seeds))


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0.3, 0.9, "better"),
        (0.01, 0.21, "better"),
        (-0.9, -0.3, "worse"),
        (-0.1, 0.1, "practically equal"),
        (0.01, 0.1, "practically equal"),  # not zero, but too small to matter
        (-0.1, 0.3, "inconclusive"),
        (-3, 3, "inconclusive"),
        (math.nan, math.nan, "unknown"),
    ],
)
def test_the_kind_follows_from_where_the_interval_lies(low: float, high: float, kind: str) -> None:
    assert judge(with_interval(low, high).difference, margin=0.2) == kind


def test_a_winner_is_named_with_difference_interval_pairs_and_range() -> None:
    assert give_verdict(with_interval(0.41, 1.27), SIX).sentence == (
        "attention pooling beats average pooling by 0.84 points of test accuracy"
        " (95 % interval 0.41 to 1.27; 6 of 6 cells × 3 seeds paired) between 0.3 M and 5.1 M MACs"
    )


def test_a_loser_is_told_in_positive_numbers() -> None:
    assert "loses to average pooling by 0.84 points of test accuracy (95 % interval 0.41 to 1.27;" in (
        give_verdict(with_interval(-1.27, -0.41), SIX).sentence
    )


def test_equal_arms_are_told_with_the_margin() -> None:
    assert give_verdict(with_interval(-0.11, 0.13), SIX).sentence == (
        "attention pooling and average pooling are practically equal: they differ by +0.01 points of test accuracy"
        " (95 % interval −0.11 to 0.13; 6 of 6 cells × 3 seeds paired) between 0.3 M and 5.1 M MACs,"
        " the whole interval within ±0.2 points"
    )


def test_an_inconclusive_verdict_says_how_many_runs_are_needed() -> None:
    verdict = verdict_of(Truth(effect=0.2, seed_sd=0.6), seed=0)

    assert verdict.kind == "inconclusive"
    assert verdict.plan is not None
    assert re.search(
        r"; about \d+ more (seeds?|cells?) .*\(\d+ runs\).* needed to settle a difference of ", verdict.sentence
    )


def test_one_cell_cannot_speak_for_others() -> None:
    verdict = verdict_of(Truth(depths=(4,), widths=(32,), effect=3))

    assert verdict.kind == "better"
    assert verdict.sentence.startswith("in the only paired cell (depth=4 width=32), attention pooling beats")
    assert "3 seeds paired" in verdict.sentence
    assert verdict.sentence.endswith("whether it holds in other cells cannot be known from one")


def test_a_single_pair_gives_no_verdict_but_its_difference() -> None:
    verdict = verdict_of(Truth(depths=(4,), widths=(32,), seeds=1, effect=3, seed_sd=0))

    assert verdict.kind == "unknown"
    assert "+3.00 points" in verdict.sentence
    assert "nothing tells it from chance" in verdict.sentence


def test_without_pairs_there_is_no_verdict() -> None:
    table = simulated_table(Truth(), seed=0)
    comparison = compare(table.query("arm == 'average'"), "average", "attention")

    assert give_verdict(comparison, SIX).sentence == (
        "no verdict yet: no cell has a seed in which both attention pooling and average pooling have finished"
    )


def test_two_cells_are_told_to_be_too_few() -> None:
    verdict = verdict_of(Truth(depths=(2, 4), widths=(32,), effect=0.5), seed=1)

    assert verdict.kind == "inconclusive"
    assert "2 cells are too few" in verdict.sentence


def test_incomplete_pairs_are_counted() -> None:
    table = simulated_table(Truth(effect=5), seed=0)
    comparison = compare(table.drop(index=[0, 7]), "average", "attention")

    assert "(95 % interval" in give_verdict(comparison, SIX).sentence
    assert "16 of 18 pairs, in 6 of 6 cells" in give_verdict(comparison, SIX).sentence


def test_the_side_of_zero_survives_rounding() -> None:
    assert "95 % interval 0.004 to 0.516" in give_verdict(with_interval(0.004, 0.516), SIX).sentence
    assert "95 % interval 0.00 to" not in give_verdict(with_interval(0.00001, 0.5), SIX).sentence.replace("0.0000", "")


def test_several_comparisons_share_one_level() -> None:
    interval = MeanInterval(1, 0.5, 1.5, 1 - 0.05 / 3, 6)

    assert interval_text(interval, comparisons=3) == "simultaneous 95 % interval 0.50 to 1.50"


@pytest.mark.parametrize(
    ("factor", "arm", "name"),
    [
        ("pooling", "attention", "attention pooling"),
        ("patch_size", "4", "patch_size 4"),
        ("recipe.learning_rate", "0.001", "learning_rate 0.001"),
        ("flip", "True", "flip True"),
    ],
)
def test_arms_have_names_that_fit_a_sentence(factor: str, arm: str, name: str) -> None:
    assert arm_name(factor, arm) == name


def test_differences_are_written_with_a_true_minus_sign() -> None:
    assert points(-0.5) == "−0.50"
    assert points(0.5, signed=True) == "+0.50"
