"""Laws with weights: coverage whatever the noise does, and floors that are not bends."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from scaling.statistics.missing import Missing
from scaling.statistics.other_sentences import law_sentence
from scaling.statistics.weighted_law import LawFit, fit_law
from scaling.statistics.words import Words

COST = np.geomspace(1e6, 3e8, 9)


def law(floor: float, amplitude: float, alpha: float) -> np.ndarray:
    return floor + amplitude * (COST / 1e6) ** -alpha


def broken() -> np.ndarray:
    late = 35 * 20**-0.4 * (COST / 2e7) ** -0.1
    return np.where(COST < 2e7, 35 * (COST / 1e6) ** -0.4, late)


def fitted(error: np.ndarray, cost: np.ndarray = COST) -> LawFit:
    found = fit_law(cost, error)
    assert isinstance(found, LawFit)
    return found


def test_a_law_without_noise_is_found() -> None:
    found = fitted(law(5, 30, 0.3) * (1 + 1e-6 * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1])))

    assert found.alpha.estimate == pytest.approx(0.3, rel=0.05)
    assert found.floor.estimate == pytest.approx(5, rel=0.1)
    assert found.alpha.low < 0.3 < found.alpha.high
    assert found.alpha.df == 5
    assert found.at(COST) == pytest.approx(law(5, 30, 0.3), rel=0.01)


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0])
def test_the_exponent_is_covered_under_any_noise(power: float) -> None:
    rng, hits, studies = np.random.default_rng(0), 0, 120
    mean = law(5, 30, 0.3)
    sd = 0.3 * (mean / 15) ** power
    for _ in range(studies):
        found = fitted(mean + sd * rng.normal(size=9))
        hits += found.alpha.low <= 0.3 <= found.alpha.high
    assert hits / studies >= 0.9


def test_a_bend_is_seldom_called_a_floor() -> None:
    rng, called, studies = np.random.default_rng(1), 0, 60
    for _ in range(studies):
        called += fitted(broken() + 0.3 * rng.normal(size=9)).floor_is_known
    assert called / studies <= 0.18


def test_a_law_without_a_floor_has_none() -> None:
    rng, called, studies = np.random.default_rng(2), 0, 60
    for _ in range(studies):
        found = fitted(law(0, 35, 0.3) + 0.3 * rng.normal(size=9))
        called += found.floor_is_known
    assert called / studies <= 0.05


def test_the_most_expensive_third_is_predicted() -> None:
    rng, inside, studies = np.random.default_rng(3), [], 60
    for _ in range(studies):
        error = law(5, 30, 0.3) * (1 + 0.02 * rng.normal(size=9))
        low, high = fitted(error[:6], COST[:6]).predict(COST[6:])
        inside.append((low <= error[6:]) & (error[6:] <= high))
    assert np.mean(inside) >= 0.92


def test_the_interval_of_alpha_is_where_the_profile_crosses() -> None:
    error = law(5, 30, 0.3) + 0.3 * np.random.default_rng(4).normal(size=9)
    found = fitted(error)
    from scipy import stats

    room = 9 * math.log1p(stats.t.ppf(0.975, 5) ** 2 / 5)
    for end in (found.alpha.low, found.alpha.high):
        if 0 < end < math.inf:
            assert found.likelihood._profile_alpha(math.log(end)) == pytest.approx(found.likelihood.least + room)


def test_the_sentence_says_what_these_costs_do_not_tell() -> None:
    words = Words("average", "attention", "MACs")
    sure = fitted(law(5, 30, 0.3) + 0.01 * np.array([1, -1, 1, 1, -1, 1, -1, 1, -1]))
    open_ended = fitted(broken() + 0.3 * np.random.default_rng(0).normal(size=9))

    assert law_sentence(sure, words).startswith("α 0.30 (")
    assert " over 1 M to 300 M MACs; it flattens to a floor of " in law_sentence(sure, words)
    assert "whether the curve flattens to a floor or bends, these costs do not tell." in law_sentence(open_ended, words)
    assert law_sentence(fit_law(COST[:3], COST[:3]), words).startswith("No law of attention: ")


@pytest.mark.parametrize(
    ("cost", "error", "why"),
    [
        (np.full(9, math.nan), np.full(9, 30.0), "unknown cost"),
        (COST[:5], np.full(5, 30.0), "too few costs"),
        (np.repeat(COST[:3], 3), np.full(9, 30.0), "too few costs"),
        (np.linspace(1e6, 2e6, 9), np.full(9, 30.0), "narrow range"),
    ],
)
def test_what_cannot_carry_a_law_says_why(cost: np.ndarray, error: np.ndarray, why: str) -> None:
    found = fit_law(cost, error)

    assert isinstance(found, Missing)
    assert found.why == why


def test_errors_of_nothing_and_equal_errors_do_not_break_it() -> None:
    for error in (np.zeros(9), np.full(9, 20.0), np.r_[np.full(8, 5.0), 0.0]):
        assert math.isfinite(fitted(error).alpha.estimate)


def plain_profile(cost: np.ndarray, error: np.ndarray, alpha: float) -> float:
    """C log RSS_w − Σ log w at the best ρ, E and A, by non-negative least squares."""
    x = np.log(cost) - np.log(cost).mean()
    mu = np.exp(np.polyval(np.polyfit(x, np.log(error), 2), x))
    least = math.inf
    for rho in (-1.5, -1, -0.5, 0, 0.5, 1, 1.5):
        w = mu ** (-2 * rho)
        design = np.stack([np.ones_like(x), np.exp(-alpha * x)], axis=1) * np.sqrt(w)[:, None]
        rss = optimize.nnls(design, error * np.sqrt(w))[1] ** 2
        least = min(least, len(x) * math.log(rss) - float(np.log(w).sum()))
    return least


@pytest.mark.parametrize("sd", [0.3, 0.03, 0.001])
def test_the_interval_of_an_exponent_is_a_plain_profile_s(sd: float) -> None:
    error = law(5, 30, 0.3) + sd * np.random.default_rng(3).normal(size=9)
    found = fitted(error)

    least = plain_profile(COST, error, found.alpha.estimate)
    room = 9 * math.log(1 + stats.t.ppf(0.975, 5) ** 2 / 5)
    step = 1e-4 * (found.alpha.high - found.alpha.low)
    assert least <= plain_profile(COST, error, found.alpha.estimate - step) + 1e-5
    assert least <= plain_profile(COST, error, found.alpha.estimate + step) + 1e-5
    for end in (found.alpha.low, found.alpha.high):
        assert plain_profile(COST, error, end) - least == pytest.approx(room, abs=1e-4)


def test_the_likeliest_law_without_a_floor_rules_one_out() -> None:
    """Neither of the two laws is taken from a grid, so that precise errors tell the floor as well as coarse ones."""
    error = law(0, 30, 0.3) * (1 + 1e-5 * np.random.default_rng(4).normal(size=9))
    found = fitted(error)

    assert found.likelihood.without_floor - found.likelihood.least < found.likelihood.room(0.95)
    assert not found.floor_is_known
