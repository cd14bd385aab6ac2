"""The design space as a population: coverage of bands, level of tests, ranks counted by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scaling.report.analysis.design_space import PLAIN, describe_space
from scaling.statistics.distributions import Distribution, Separation, complexity_weights, distribution, separation
from scaling.statistics.missing import Missing
from scaling.statistics.ranks import agreement, movers
from scaling.study.metrics import analysed_costs

ONES = np.ones(6)


def test_a_distribution_counted_by_hand() -> None:
    found = distribution(np.array([5.0, 1.0, 3.0, 3.0, 9.0, np.nan]), ONES, 0.95)

    assert isinstance(found, Distribution)
    assert found.errors.tolist() == [1, 3, 3, 5, 9]
    assert found.share.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found.half_width == pytest.approx(math.sqrt(math.log(40) / 10))
    weighted = distribution(np.array([1.0, 2, 3, 4, 5]), np.array([4.0, 1, 1, 1, 1]), 0.95)
    assert isinstance(weighted, Distribution)
    assert weighted.share[0] == 0.5
    assert weighted.effective == pytest.approx(64 / 20)


def test_few_cells_have_no_distribution_and_no_test() -> None:
    few = distribution(np.array([1.0, 2.0]), np.ones(2), 0.95)
    assert isinstance(few, Missing)
    assert few.why == "too few cells"
    apart = separation(np.ones(3), np.ones(3), (np.ones(3), np.ones(3)), np.random.default_rng(0))
    assert isinstance(apart, Missing)


def test_under_the_weights_arms_have_the_same_distribution_of_costs() -> None:
    rng = np.random.default_rng(1)
    costs = np.exp(np.concatenate([rng.uniform(0, 3, 60), rng.uniform(1, 4, 90)]))
    arm = np.repeat([0, 1], [60, 90])

    weights = complexity_weights(costs, arm, 2)

    assert isinstance(weights, np.ndarray)
    logs = np.log(costs)
    edges = np.linspace(logs.min(), logs.max(), 11)
    masses = [np.histogram(logs[arm == a], edges, weights=weights[arm == a])[0] for a in (0, 1)]
    np.testing.assert_allclose(masses[0], masses[1], rtol=1e-9)
    assert weights[logs < 0.9].sum() == 0  # only one arm is there, so nothing to compare


@pytest.mark.parametrize(
    ("costs", "why"),
    [
        (np.full(20, 7.0), "equal costs"),
        (np.full(20, np.nan), "unknown cost"),
        (np.r_[np.ones(10), np.full(10, 1e6)], "no overlap"),
    ],
)
def test_costs_that_normalise_nothing_say_so(costs: np.ndarray, why: str) -> None:
    found = complexity_weights(costs, np.repeat([0, 1], 10), 2)

    assert isinstance(found, Missing)
    assert found.why == why


def test_the_distance_is_scipys_and_swaps_find_paired_shifts() -> None:
    rng = np.random.default_rng(2)
    cells = rng.normal(30, 8, 40)
    baseline, arm = cells, cells - 1.5 + rng.normal(0, 0.2, 40)

    found = separation(baseline, arm, (np.ones(40), np.ones(40)), rng)

    assert isinstance(found, Separation)
    independent = stats.ks_2samp(baseline, arm)
    assert found.distance == pytest.approx(float(independent[0]))  # pyright: ignore[reportArgumentType]
    assert float(independent[1]) > 0.5  # pyright: ignore[reportArgumentType]
    assert found.p_value < 0.05


def test_ranks_by_hand() -> None:
    a, b = np.array([1.0, 2, 3, 4, 5, 6]), np.array([2.0, 1, 3, 4, 5, 6])

    tau = agreement(a, b, 0.95)

    assert tau.estimate == pytest.approx(13 / 15)
    assert tau.low < tau.estimate < tau.high < 1
    assert not agreement(a, np.ones(6), 0.95).is_known
    far = movers({"macs": a, "params": np.array([6.0, 2, 3, 4, 5, 1])}, 10)
    assert [(m.model, m.cheap_by, m.cheap_place, m.expensive_by, m.expensive_place) for m in far] == [
        (0, "macs", 1, "params", 6),
        (5, "params", 1, "macs", 6),
    ]


def cells(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = np.tile(np.exp(rng.uniform(0, 5, n)), 2)
    frame = pd.DataFrame(
        {
            "cell": np.tile([f"n={i}" for i in range(n)], 2),
            "arm": np.repeat(["average", "attention"], n),
            "test_accuracy": 90 - 20 / size + rng.normal(0, 0.3, 2 * n),
        }
    )
    return frame.assign(**{cost: size * rng.uniform(0.5, 2, 2 * n) for cost in analysed_costs()})


def test_a_space_is_described_and_gaps_are_reasons() -> None:
    whole = describe_space(cells(40), ["average", "attention"])

    assert set(whole.spreads) == {PLAIN, *analysed_costs()}
    assert len(whole.agreement) == len(analysed_costs()) * (len(analysed_costs()) - 1) // 2
    assert len(whole.movers) == 10
    few = describe_space(cells(2).assign(latency_ms=np.nan), ["average", "attention"])
    assert isinstance(few.spreads["macs"], Missing)
    assert few.movers == []
    assert describe_space(cells(40).iloc[:40], ["average"]).spreads
    assert describe_space(cells(5).iloc[:0], ["average", "attention"]).movers == []


def test_ranks_that_all_agree_are_not_certain_to_do_so() -> None:
    few, more, many = (agreement(np.arange(float(n)), np.arange(n) ** 2.0, 0.95) for n in (6, 12, 200))

    for whole in (few, more, many):
        assert whole.estimate == whole.high == pytest.approx(1)
    assert 0.3 < few.low < more.low < many.low < 1
    turned = agreement(np.arange(6.0), -np.arange(6.0), 0.95)
    assert (turned.low, turned.high) == pytest.approx((-1, -few.low), abs=0.05)


def test_an_interval_of_few_models_ends_at_its_exact_quantile() -> None:
    """A second implementation: simulate studies at the interval's ends, and count."""
    a, b = np.arange(8.0), np.array([1.0, 0, 2, 4, 3, 5, 7, 6])
    found, rng, studies = agreement(a, b, 0.9), np.random.default_rng(1), 4000

    for end, is_extreme in ((found.low, np.greater), (found.high, np.less)):
        rho = math.sin(math.pi / 2 * end)
        drawn = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=(studies, 8))
        taus = np.array([stats.kendalltau(study[:, 0], study[:, 1])[0] for study in drawn])
        same = np.isclose(taus, found.estimate)
        assert (is_extreme(taus, found.estimate) & ~same).mean() + same.mean() / 2 == pytest.approx(0.05, abs=0.012)


@pytest.mark.slow
def test_bands_tests_and_intervals_keep_their_level() -> None:
    rng = np.random.default_rng(3)
    studies, n = 1000, 30
    inside = weighted_inside = rejected = 0
    for _ in range(studies):
        errors = rng.uniform(0, 100, n)
        band = distribution(errors, np.ones(n), 0.95)
        weighted = distribution(errors, rng.uniform(0.3, 1, n), 0.95)
        assert isinstance(band, Distribution)
        assert isinstance(weighted, Distribution)
        inside += _covers(band)
        weighted_inside += _covers(weighted)
    for _ in range(studies):
        shared = rng.normal(0, 5, n)
        one, other = (shared + rng.normal(0, 1, n) for _ in range(2))
        found = separation(one, other, (np.ones(n), np.ones(n)), rng)
        assert isinstance(found, Separation)
        rejected += found.p_value <= 0.05
    assert inside >= 0.935 * studies
    assert weighted_inside >= 0.935 * studies
    assert rejected <= 0.065 * studies


def _covers(band: Distribution) -> bool:
    """Whether the band contains the uniform distribution's F at every error, on both sides of each step."""
    truth = band.errors / 100
    before = np.r_[0, band.share[:-1]]
    return bool(
        (np.abs(band.share - truth) <= band.half_width).all() and (np.abs(before - truth) <= band.half_width).all()
    )


@pytest.mark.slow
@pytest.mark.parametrize("models", [6, 12, 30, 60])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8, 0.95])
def test_intervals_of_kendalls_tau_cover_the_true_one(rho: float, models: int) -> None:
    rng = np.random.default_rng(4)
    truth, studies, covered = 2 / math.pi * math.asin(rho), 1000, 0
    for _ in range(studies):
        both = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=models)
        found = agreement(both[:, 0], both[:, 1], 0.95)
        covered += found.low <= truth <= found.high
    most = 0.985 if models == 6 else 0.975  # six models allow few values of tau
    assert 0.93 * studies <= covered <= most * studies
