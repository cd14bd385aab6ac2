"""Further runs: levels of looks, and plans for a stated difference."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.statistics.comparison import VerdictSettings, assess, plan_of, settings_at
from scaling.statistics.contrast import Contrast
from scaling.statistics.estimates import Mean
from scaling.statistics.further_runs import LookRule, cautious_sigma, look_alpha, plan_further, settles, shows


def test_the_looks_share_five_percent() -> None:
    assert [round(100 * look_alpha(k), 2) for k in (1, 2, 3, 4)] == [4.0, 0.61, 0.15, 0.07]
    assert sum(look_alpha(k) for k in range(1, 100_000)) <= 0.05
    assert look_alpha(1, LookRule.ONE) == 0.05
    assert look_alpha(3, LookRule.UNTIL_DECIDED) == pytest.approx(0.0131)


def test_the_variance_is_taken_with_caution() -> None:
    assert cautious_sigma(0.16, 12) == pytest.approx(math.sqrt(0.16 * 12 / stats.chi2.ppf(0.3, 12)))


def condition(n: int, estimate: float, detect: float, have: float, cells: float, sigma: float, alpha: float) -> float:
    total = have + n
    reach = stats.t.ppf(1 - alpha / 2, cells * (total - 1)) * sigma / math.sqrt(cells * total)
    luck = stats.norm.ppf(0.8) * sigma * math.sqrt(n / cells) / total
    return float((have * abs(estimate) + n * detect) / total - luck - reach)


@pytest.mark.parametrize(("estimate", "have", "cells", "sigma"), [(0.1, 3, 6, 0.5), (-0.2, 2, 1, 0.3), (0.0, 5, 12, 1)])
def test_the_plan_is_the_smallest_that_suffices(estimate: float, have: float, cells: float, sigma: float) -> None:
    n = shows(estimate, 0.4, have, cells, sigma, 0.0061)

    assert n is not None
    assert condition(n, estimate, 0.4, have, cells, sigma, 0.0061) >= 0
    assert n == 1 or condition(n - 1, estimate, 0.4, have, cells, sigma, 0.0061) < 0


def test_settling_in_any_case_takes_half_the_margin() -> None:
    n = settles(3, 6, 0.5, 0.0061, 0.2)

    assert n is not None
    reach = [stats.t.ppf(1 - 0.0061 / 2, 6 * (3 + k - 1)) * 0.5 / math.sqrt(6 * (3 + k)) for k in (n - 1, n)]
    assert reach[1] <= 0.1 < reach[0]


def test_more_than_two_hundred_are_no_plan() -> None:
    plan = plan_further(Mean(0.0, 100.0, 10.0), 3, 6, 0.2, 0.4, 0.05)

    assert plan is not None
    assert (plan.repetitions, plan.settle, plan.runs) == (None, None, None)
    assert plan_further(Mean(0.0, math.nan, math.nan), 3, 6, 0.2, 0.4, 0.05) is None


def study(effect: float, cells: int, repetitions: int, rng: np.random.Generator) -> Contrast:
    shape = (cells, repetitions)
    return Contrast(
        70 + rng.normal(0, 0.3, shape), 70 + effect + rng.normal(0, 0.3, shape), cost=np.arange(1.0, cells + 1)
    )


def test_plans_have_their_power_at_the_stated_difference() -> None:
    rng, settled, planned = np.random.default_rng(0), 0, 0
    for _ in range(300):
        first = study(0.4, 4, 2, rng)
        plan = plan_of(assess(first, settings_at(1)), settings_at(1))
        if plan is None or plan.repetitions is None:
            continue
        more = study(0.4, 4, plan.repetitions, rng)
        both = Contrast(np.hstack([first.baseline, more.baseline]), np.hstack([first.arm, more.arm]), cost=first.cost)
        planned += 1
        settled += assess(both, settings_at(2)).kind == "better"
    assert planned > 100
    assert settled / planned >= 0.78


def test_looks_that_follow_the_plan_keep_five_percent() -> None:
    rng, wrong, studies = np.random.default_rng(1), 0, 300
    for _ in range(studies):
        data = study(0.0, 4, 2, rng)
        found = assess(data, settings_at(1))
        for look in range(1, 6):
            settings = settings_at(look)
            found = assess(data, settings)
            plan = plan_of(found, settings)
            if plan is None or plan.repetitions is None or plan.repetitions > 40:
                break
            more = study(0.0, 4, plan.repetitions, rng)
            data = Contrast(np.hstack([data.baseline, more.baseline]), np.hstack([data.arm, more.arm]), cost=data.cost)
        wrong += found.kind in ("better", "worse", "depends on size", "mixed")
    assert wrong / studies <= 0.075


def test_a_fixed_plan_has_no_further_runs() -> None:
    data = study(0.0, 4, 2, np.random.default_rng(1))

    assert plan_of(assess(data, VerdictSettings()), settings_at(1, LookRule.ONE)) is None
    assert plan_of(assess(data, VerdictSettings()), VerdictSettings()) is not None


def test_the_stated_difference_is_twice_the_margin_unless_given() -> None:
    data = study(0.0, 4, 2, np.random.default_rng(1))
    found = assess(data, VerdictSettings())
    default, given = plan_of(found, VerdictSettings()), plan_of(found, VerdictSettings(detect=1.0))

    assert default is not None
    assert given is not None
    assert (default.detect, given.detect) == (0.4, 1.0)
    assert (default.repetitions or 999) > (given.repetitions or 999)
    assert default.runs == 2 * 4 * (default.repetitions or 0)
