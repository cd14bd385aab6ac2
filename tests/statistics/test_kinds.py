"""Kinds: the order of the rules, and the tests for practically equal arms."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.statistics.estimates import Interval
from scaling.statistics.here import CellMeans
from scaling.statistics.kinds import Kind, Sizes, cells_are_small, decide, rms_is_within, usable_margin
from scaling.statistics.parts import Part


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 0.95, 5.0)


def part(low: float, high: float, wider: float = 0.0) -> Part:
    return Part(1.0, 2.0, interval(low, high), interval(low - wider, high + wider), ("a",), 0.01)


SMALL = Sizes(np.array([0.01, 0.01]), np.array([0.5, 0.5]), 1e-4, 20.0)
LARGE = Sizes(np.array([0.3, -0.3]), np.array([0.5, 0.5]), 1e-4, 20.0)
NEUTRAL = [part(-1, 1), part(-1, 1)]


@pytest.mark.parametrize(
    ("here", "parts", "sizes", "kind"),
    [
        ((0.3, 0.9), NEUTRAL, LARGE, Kind.BETTER),
        ((-0.9, -0.3), NEUTRAL, LARGE, Kind.WORSE),
        ((-0.1, 0.3), NEUTRAL, SMALL, Kind.INCONCLUSIVE),
        ((-0.1, 0.1), NEUTRAL, SMALL, Kind.EQUAL),
        ((0.01, 0.1), NEUTRAL, SMALL, Kind.EQUAL),  # not zero, but too small to matter
        ((-0.1, 0.1), NEUTRAL, LARGE, Kind.INCONCLUSIVE),  # the parts are not small
        ((0.01, 0.1), NEUTRAL, LARGE, Kind.BETTER),
        ((0.3, 0.9), [part(-2, -1), part(1, 2)], LARGE, Kind.BY_SIZE),
        ((0.3, 0.9), [part(-2, -1, 1.5), part(1, 2)], LARGE, Kind.MIXED),
        ((-0.1, 0.1), [part(1, 2), part(1, 2)], SMALL, Kind.EQUAL),
        ((math.nan, math.nan), [part(-2, -1), part(1, 2)], LARGE, Kind.UNKNOWN),
    ],
)
def test_the_first_rule_that_holds_decides(
    here: tuple[float, float], parts: list[Part], sizes: Sizes, kind: Kind
) -> None:
    assert decide(interval(*here), parts, sizes, 0.2, None) is kind


def test_a_kind_is_its_word() -> None:
    assert Kind.EQUAL == "practically equal"
    assert f"{Kind.BY_SIZE}" == "depends on size"


def test_without_a_margin_nothing_is_practically_equal() -> None:
    assert decide(interval(-0.1, 0.1), NEUTRAL, SMALL, 0.0, None) is Kind.INCONCLUSIVE


def test_images_that_cannot_resolve_the_margin_forbid_it() -> None:
    assert decide(interval(-0.1, 0.1), NEUTRAL, SMALL, 0.2, None, can_be_equal=False) is Kind.INCONCLUSIVE


def test_the_margin_shrinks_near_the_ceiling() -> None:
    assert usable_margin(0.2, 80.0) == 0.2
    assert usable_margin(0.2, 99.8) == pytest.approx(0.02)
    assert usable_margin(0.2, 100.0) == 0
    assert usable_margin(0.2, 0.0) == 0.2


def test_the_root_mean_square_is_tested_at_five_percent() -> None:
    """A true root mean square of exactly the margin is called smaller in 5 % of studies at the most."""
    rng, count, margin, df, variance = np.random.default_rng(0), 3, 0.2, 15.0, 0.004
    true = np.array([1.0, -0.5, 1.3])
    true *= margin / math.sqrt((true**2).mean())
    called = 0
    for _ in range(4000):
        estimates = true + rng.normal(0, math.sqrt(variance), count)
        estimated = variance * rng.chisquare(df) / df
        called += rms_is_within(margin, Sizes(estimates, np.full(count, 1 / 3), estimated, df))
    assert 0.01 < called / 4000 <= 0.05


def test_one_mean_is_tested_as_by_the_noncentral_f() -> None:
    sizes = Sizes(np.array([0.05]), np.array([1.0]), 0.01, 9.0)
    expected = stats.ncf.cdf(0.25, 1, 9, 0.3**2 / 0.01) <= 0.05

    assert rms_is_within(0.3, sizes) is bool(expected)


@pytest.mark.parametrize("noncentrality", [1e3, 3e3, 1e6, 1e12])
def test_tests_hold_where_the_distribution_strains(noncentrality: float) -> None:
    variance = 0.04 / noncentrality

    assert rms_is_within(0.2, Sizes(np.array([0.01]), np.array([1.0]), variance, 50.0))
    assert not rms_is_within(0.2, Sizes(np.array([0.4]), np.array([1.0]), variance, 50.0))


def test_single_cells_may_be_unlike_but_small() -> None:
    alike = CellMeans(np.array([0.1, 0.1, 0.1, 0.11]), np.full(4, 0.01), np.full(4, 3))
    unlike = CellMeans(np.array([0.3, -0.3, 0.3, -0.3]), np.full(4, 0.01), np.full(4, 3))

    assert cells_are_small(alike, 8.0, 0.001)  # not seen to differ
    assert not cells_are_small(unlike, 8.0, 0.2)
    assert cells_are_small(unlike, 8.0, 1.0)  # differ, but little against the margin
