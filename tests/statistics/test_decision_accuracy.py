"""Decision accuracy: hand counts, exact intervals, and what may be said where the largest model does not decide."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.statistics.contrast import Contrast, Differences
from scaling.statistics.decision_accuracy import (
    DecisionAccuracy,
    binomial_interval,
    by_part,
    by_size,
    decision_sentence,
)
from scaling.statistics.estimates import Interval
from scaling.statistics.missing import Missing
from scaling.statistics.parts import Part
from scaling.statistics.words import Words

WORDS = Words("average", "attention", "MACs")


def differences(means: list[float], cost: list[float] | None, spread: float = 0.1, runs: int = 3) -> Differences:
    """Cells with these mean differences over `runs` repetitions, evenly spread about them."""
    offsets = np.linspace(-spread, spread, runs) if runs > 1 else np.zeros(1)
    arm = np.array(means)[:, None] + offsets
    costs = None if cost is None else np.array(cost)
    return Contrast(np.zeros_like(arm), arm, cost=costs).differences()


def found(means: list[float], cost: list[float] | None = None, **more: float) -> DecisionAccuracy:
    answer = by_size(differences(means, cost or [2.0**i for i in range(len(means))], **more), 0.95)  # pyright: ignore
    assert isinstance(answer, DecisionAccuracy)
    return answer


def test_signs_are_counted_by_hand() -> None:
    answer = found([-1.0, 1.0, -1.0, 2.0, 1.0])

    assert answer.agreeing == 2
    assert answer.opposed == 2
    assert answer.agrees_from is not None
    assert answer.agrees_from.low_cost == 8
    assert answer.share is not None
    assert answer.share.estimate == 50


def test_sizes_are_in_order_of_cost() -> None:
    answer = found([1.0, -1.0, 1.0], cost=[100.0, 1.0, 10.0])

    assert [one.low_cost for one in answer.sizes] == [1, 10, 100]
    assert [one.sign for one in answer.sizes] == [-1, 1, 1]


def test_cells_of_one_cost_are_one_size() -> None:
    answer = found([-3.0, 1.0, -1.0, 1.5, 2.5], cost=[1.0, 2.0, 2.0, 4.0, 4.0])

    assert [one.interval.estimate for one in answer.sizes] == pytest.approx([-3, 0, 2])
    assert [one.sign for one in answer.sizes] == [-1, 0, 1]
    assert answer.agreeing == 0  # arms that are equal have no sign to agree
    assert [len(one.cells) for one in answer.sizes] == [1, 2, 2]


def test_the_interval_of_the_largest_is_students() -> None:
    own = found([0.0, 1.0], spread=0.5).largest.interval

    half = stats.t.ppf(0.975, 2) * 0.5 / math.sqrt(3)
    assert (own.low, own.high) == pytest.approx((1 - half, 1 + half))


def test_an_undecided_largest_model_gives_no_share() -> None:
    answer = found([1.0, 1.0, 0.1], spread=2.0)

    assert not answer.is_decided
    assert answer.share is None
    assert answer.agrees_from is None
    assert answer.opposed == 0
    said = decision_sentence(answer, WORDS)
    assert said.startswith("attention against average: the largest size does not decide, its difference is +0.10 (")


def test_one_run_of_each_model_decides_nothing() -> None:
    answer = found([1.0, 1.0], runs=1)

    assert not answer.is_decided
    assert decision_sentence(answer, WORDS).endswith("it was trained once.")


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 5), (5, 5), (1, 1), (17, 40)])
def test_intervals_of_shares_are_those_of_clopper_and_pearson(successes: int, trials: int) -> None:
    exact = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")

    own = binomial_interval(successes, trials, 0.95)

    assert (own.low, own.high) == pytest.approx((100 * exact.low, 100 * exact.high))
    assert own.estimate == 100 * successes / trials


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (differences([], []), "no trials"),
        (differences([1.0, 2.0], None), "unknown cost"),
        (differences([1.0, 2.0], [3.0, 3.0]), "too few cells"),
        (differences([1.0], [3.0]), "too few cells"),
    ],
)
def test_what_cannot_be_compared_says_why(given: Differences, why: str) -> None:
    answer = by_size(given, 0.95)

    assert isinstance(answer, Missing)
    assert answer.why == why
    assert answer.said in decision_sentence(answer, WORDS)


def test_sentences_give_count_share_and_size() -> None:
    assert decision_sentence(found([-1.0, 1.0, 1.5, 2.0]), WORDS) == (
        "attention against average: 2 of 3 smaller sizes have the sign of the largest (+2.00, 1.75 to 2.25), 67 % (9 to"
        " 99): every size from 2 MACs up."
    )
    assert decision_sentence(found([1.0, -1.0, 2.0]), WORDS).endswith("; the next smaller size does not.")


def part(cost: float, estimate: float, half: float) -> Part:
    interval = Interval(estimate, estimate - half, estimate + half, 0.983, 9)
    return Part(cost, 2 * cost, interval, interval)


def test_parts_are_compared_like_models() -> None:
    answer = by_part([part(1, -1, 0.2), part(3, 0.2, 0.5), part(9, 1, 0.3)])

    assert isinstance(answer, DecisionAccuracy)
    assert (answer.agreeing, answer.opposed) == (1, 1)
    assert answer.agrees_from is answer.sizes[1]
    assert isinstance(by_part([part(1, 1, 0.2)]), Missing)


def test_agreement_of_luck_alone_is_a_half() -> None:
    """Where arms are equal at all smaller sizes, half of them have the sign of a largest model that is decided."""
    rng, agreeing, smaller = np.random.default_rng(0), 0, 0
    for _ in range(300):
        arm = rng.normal(0, 0.3, (9, 3)) + np.where(np.arange(9) == 8, 2.0, 0.0)[:, None]
        answer = by_size(Contrast(np.zeros_like(arm), arm, cost=2.0 ** np.arange(9)).differences(), 0.95)
        assert isinstance(answer, DecisionAccuracy)
        agreeing, smaller = agreeing + answer.agreeing, smaller + len(answer.smaller)

    assert agreeing / smaller == pytest.approx(0.5, abs=0.04)


def test_the_share_covers_the_truth() -> None:
    """A size agrees with probability Φ(√3), its mean difference being one deviation of a run."""
    rng, hits, decided = np.random.default_rng(1), 0, 0
    truth = 100 * stats.norm.cdf(math.sqrt(3))
    for _ in range(400):
        arm = rng.normal(0, 1, (13, 3)) + np.where(np.arange(13) == 12, 9.0, 1.0)[:, None]
        answer = by_size(Contrast(np.zeros_like(arm), arm, cost=2.0 ** np.arange(13)).differences(), 0.95)
        assert isinstance(answer, DecisionAccuracy)
        if answer.share is not None:
            decided, hits = decided + 1, hits + (answer.share.low <= truth <= answer.share.high)

    assert decided > 300
    assert hits / decided >= 0.95
