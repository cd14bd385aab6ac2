"""Verdicts against their own truth: a small part of `benchmarks/verdict_truths.py`, seeded."""

import math

import pytest

from tests.statistics.other_truths import OTHERS, OtherTruth, run_other
from tests.statistics.truths import TRUTHS, run

STUDIES = 150
BY_NAME = {truth.name: truth for truth in TRUTHS}
# Shares of intervals and of wrong kinds that 150 studies may show by chance where 94.5 % and 5 % are true.
FEWEST_HELD, MOST_FALSE = 0.893, 0.10
LOST_LOW = [name for name in BY_NAME if name.startswith("lowest")]


@pytest.mark.parametrize("name", [name for name in BY_NAME if name not in LOST_LOW])
def test_intervals_hold_and_kinds_are_right(name: str) -> None:
    rates = run(BY_NAME[name], STUDIES, seed=1)

    assert math.isnan(rates.here) or rates.here >= FEWEST_HELD
    assert math.isnan(rates.beyond) or rates.beyond >= FEWEST_HELD
    assert rates.false <= MOST_FALSE


@pytest.mark.parametrize("name", LOST_LOW)
def test_losing_low_runs_makes_no_arm_better(name: str) -> None:
    assert run(BY_NAME[name], STUDIES, seed=2).kinds.get("better", 0.0) <= MOST_FALSE


@pytest.mark.parametrize("truth", OTHERS, ids=lambda truth: truth.name)
def test_looks_arms_images_costs_shares_and_laws_are_right(truth: OtherTruth) -> None:
    rates = run_other(truth, 40, seed=4)

    assert math.isnan(rates.here) or rates.here >= 0.825
    assert rates.false <= 0.15


@pytest.mark.parametrize(
    ("name", "kind", "least"),
    [
        ("crossing by 0.5, 24 × 5", "depends on size", 0.95),
        ("crossing by 0.8, 50 × 1", "depends on size", 0.95),
        ("grows from 0 to 1, 6 × 3", "better", 0.95),
        ("+0.4, cells differ by 0.3, 6 × 3", "better", 0.75),
        ("no difference, 24 × 5", "practically equal", 0.75),
        ("99.8 against 99.9 %, 12 × 3", "better", 0.95),
        ("shared seeds, 50 × 1", "unknown", 1.0),
    ],
)
def test_what_is_there_is_seen(name: str, kind: str, least: float) -> None:
    assert run(BY_NAME[name], STUDIES, seed=3).kinds.get(kind, 0.0) >= least
