"""Paired comparison: second implementations, invariances, and known truth in simulation."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scaling.statistics.images import image_noise
from scaling.statistics.intervals import MeanInterval, mean_interval
from scaling.statistics.paired import PairedComparison, compare, find_pairs
from scaling.statistics.planning import plan, power
from scaling.statistics.trend import fit_trend
from scaling.statistics.verdict import judge
from tests.support.studies import Truth, simulated_table


def compared(table: pd.DataFrame) -> PairedComparison:
    return compare(table, "average", "attention")


def test_the_interval_is_the_t_interval_over_cell_means() -> None:
    table = simulated_table(Truth(cell_sd=0.4), seed=1)
    by_arm = table.pivot_table(index="cell", columns="arm", values="test_accuracy", aggfunc="mean")
    means = (by_arm["attention"] - by_arm["average"]).to_numpy()
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)

    difference = compared(table).difference

    assert difference.estimate == pytest.approx(means.mean())
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))
    assert difference.n == 6


def test_a_cell_has_the_paired_t_interval_over_its_seeds() -> None:
    table = simulated_table(Truth(seeds=5), seed=2)
    cell = table[table["cell"] == "depth=4 width=64"].pivot(index="seed", columns="arm", values="test_accuracy")
    expected = stats.ttest_rel(cell["attention"], cell["average"]).confidence_interval(0.95)

    row = compared(table).cells.loc["depth=4 width=64"]

    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert row["pairs"] == 5


def test_only_cells_and_seeds_with_both_arms_finished_are_paired() -> None:
    table = simulated_table(Truth(), seed=0)
    lost = (table["cell"] == "depth=2 width=32") & (table["arm"] == "average") & (table["seed"] == 1)
    table.loc[lost, "status"] = "failed"
    without_score = (table["cell"] == "depth=8 width=64") & (table["arm"] == "attention")
    table.loc[without_score, "test_accuracy"] = math.nan

    comparison = compared(table)

    assert comparison.cells["pairs"].to_dict() == {
        "depth=2 width=32": 2,
        "depth=2 width=64": 3,
        "depth=4 width=32": 3,
        "depth=4 width=64": 3,
        "depth=8 width=32": 3,
    }
    assert comparison.difference.n == 5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.randoms())
def test_order_is_ignored_swapped_arms_flip_signs_shared_effects_cancel(seed: int, random) -> None:
    table = simulated_table(Truth(cell_sd=0.3), seed)
    rows = list(range(len(table)))
    random.shuffle(rows)
    shuffled = table.iloc[rows]
    shifted = table.assign(test_accuracy=table["test_accuracy"] + 7 * pd.factorize(table["cell"])[0] + table["seed"])

    one, mixed, moved = compared(table).difference, compared(shuffled).difference, compared(shifted).difference
    back = compare(table, "attention", "average").difference

    assert (mixed.low, mixed.high) == pytest.approx((one.low, one.high))
    assert (moved.low, moved.high) == pytest.approx((one.low, one.high))
    assert (-back.high, -back.low) == pytest.approx((one.low, one.high))


def test_one_cell_is_judged_over_its_seeds_and_says_so() -> None:
    comparison = compared(simulated_table(Truth(depths=(4,), widths=(32,), seeds=4), seed=0))

    assert comparison.unit == "seed"
    assert comparison.difference.n == 4
    assert math.isnan(comparison.cell_sd)


def test_one_seed_per_cell_gives_an_interval_only_over_cells() -> None:
    comparison = compared(simulated_table(Truth(seeds=1), seed=0))

    assert comparison.difference.is_known
    assert comparison.cells[["low", "high", "sd"]].isna().to_numpy().all()
    assert math.isnan(comparison.seed_sd)


@pytest.mark.parametrize("rows", [0, 1])
def test_without_two_pairs_there_is_no_interval(rows: int) -> None:
    table = simulated_table(Truth(depths=(2,), widths=(32,), seeds=1), seed=0)
    comparison = compared(table if rows else table.query("arm == 'average'"))

    assert len(find_pairs(table, "average", "nothing")) == 0
    assert comparison.unit == "none"
    assert not comparison.difference.is_known
    assert plan(comparison, margin=0.2) is None


def test_equal_differences_of_counted_images_do_not_feign_certainty() -> None:
    table = simulated_table(Truth(seed_sd=0, effect=0), seed=0)

    assert compared(table).difference.high == pytest.approx(0)
    on_few_images = compare(table, "average", "attention", resolution=100 / 360).difference
    assert on_few_images.high == pytest.approx(2.5706 * (100 / 360) / math.sqrt(6 * 3 * 6), rel=1e-3)


def test_several_comparisons_widen_the_intervals_as_bonferroni_says() -> None:
    table = simulated_table(Truth(), seed=0)
    expected = stats.ttest_1samp(compared(table).cells["difference"], 0).confidence_interval(1 - 0.05 / 3)

    difference = compare(table, "average", "attention", comparisons=3).difference

    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))


def test_deviations_of_seeds_and_cells_are_told_apart() -> None:
    truth = Truth(depths=tuple(range(2, 42)), widths=(16, 32, 64), seeds=4, seed_sd=0.3, cell_sd=0.5)

    comparison = compared(simulated_table(truth, seed=0))

    assert comparison.seed_sd == pytest.approx(0.3 * math.sqrt(2), rel=0.1)
    assert comparison.cell_sd == pytest.approx(0.5, rel=0.15)


SIMULATIONS = 300


def simulate(truth: Truth) -> list[PairedComparison]:
    return [compared(simulated_table(truth, seed)) for seed in range(SIMULATIONS)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "truth",
    [Truth(), Truth(cell_sd=0.8), Truth(seeds=1, cell_sd=0.3), Truth(depths=(2, 4, 8, 16, 32), seeds=2, seed_sd=1.0)],
    ids=["seeds alone", "cells differ", "one seed", "noisy"],
)
def test_a_95_percent_interval_has_95_percent_coverage(truth: Truth) -> None:
    covered = sum(c.difference.low <= truth.effect <= c.difference.high for c in simulate(truth))

    low, high = stats.binom.interval(0.999, SIMULATIONS, 0.95)
    assert low <= covered <= high


@pytest.mark.slow
@pytest.mark.parametrize("cell_sd", [0.0, 0.5])
def test_equal_arms_are_called_different_in_at_most_5_percent(cell_sd: float) -> None:
    kinds = [judge(comparison.difference, margin=0.2) for comparison in simulate(Truth(effect=0, cell_sd=cell_sd))]

    assert kinds.count("better") + kinds.count("worse") <= stats.binom.ppf(0.999, SIMULATIONS, 0.05)


TRAPS = Truth(depths=(2, 4, 8, 16, 32), widths=(32, 64), seeds=1, effect=0.5, seed_sd=0.3)


@pytest.mark.slow
def test_ten_paired_cells_find_half_a_point_at_90_percent() -> None:
    found = sum(judge(comparison.difference, margin=0.2) == "better" for comparison in simulate(TRAPS))

    assert found / SIMULATIONS >= 0.9
    assert power(0.5, 0.3 * math.sqrt(2), 10, 0.95) == pytest.approx(found / SIMULATIONS, abs=0.05)


@pytest.mark.slow
def test_the_planned_seeds_do_settle_what_was_inconclusive() -> None:
    truth = Truth(effect=0.4, seed_sd=0.4, cell_sd=0.1)
    before = compared(simulated_table(truth, seed=0))
    spread_known = replace(before, seed_sd=0.4 * math.sqrt(2), cell_sd=0.1, difference=mean_interval([0.4] * 6, 0.95))

    needed = plan(spread_known, margin=0.2)

    assert needed is not None
    assert needed.more_seeds is not None
    enough = replace(truth, seeds=truth.seeds + needed.more_seeds)
    found = sum(judge(comparison.difference, margin=0.05) == "better" for comparison in simulate(enough))
    assert found / SIMULATIONS == pytest.approx(0.82, abs=0.06)


def test_power_is_the_tail_of_the_noncentral_t() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0.5, 0.6, (20_000, 8))
    t = samples.mean(1) / samples.std(1, ddof=1) * math.sqrt(8)

    assert power(0.5, 0.6, 8, 0.95) == pytest.approx((t > stats.t.ppf(0.975, 7)).mean(), abs=0.01)


@pytest.mark.parametrize(("effect", "sd", "n", "expected"), [(1, 1, 1, 0.0), (1, 0, 5, 1.0), (1, 0.001, 5, 1.0)])
def test_power_at_its_ends(effect: float, sd: float, n: int, expected: float) -> None:
    assert power(effect, sd, n, 0.95) == pytest.approx(expected)


def test_more_cells_help_differing_cells_and_more_seeds_do_not() -> None:
    truth = Truth(depths=(2, 4), widths=(32, 64), seeds=3, effect=0.3, seed_sd=0.05, cell_sd=1.0)
    comparison = compared(simulated_table(truth, seed=3))

    needed = plan(comparison, margin=0.2)

    assert needed is not None
    assert needed.more_seeds is None
    assert needed.more_cells is not None
    assert needed.cell_runs == 2 * 3 * needed.more_cells


def test_the_trend_is_a_least_squares_line_with_nominal_coverage() -> None:
    rng = np.random.default_rng(0)
    costs = 2.0 ** np.arange(8)
    covered = 0
    for _ in range(SIMULATIONS):
        trend = fit_trend(costs, 1 + 0.25 * np.arange(8) + rng.normal(0, 0.5, 8), level=0.95)
        assert trend is not None
        covered += trend.slope.low <= 0.25 <= trend.slope.high

    low, high = stats.binom.interval(0.999, SIMULATIONS, 0.95)
    assert low <= covered <= high


@pytest.mark.parametrize("same", [0.0, 0.1])
def test_equal_differences_have_no_slope_and_a_known_interval(same: float) -> None:
    trend = fit_trend([1.0, 2, 4, 8, 16, 32], np.full(6, same), level=0.95)

    assert trend is not None
    assert (trend.slope.low, trend.slope.estimate, trend.slope.high) == (0, 0, 0)
    assert trend.at([3.0])[0] == pytest.approx(same)


def test_the_trend_s_band_is_narrowest_at_the_mean_cost() -> None:
    costs, y = 2.0 ** np.arange(6), np.array([0.1, 0.3, 0.2, 0.5, 0.4, 0.7])
    trend = fit_trend(costs, y, level=0.95)
    assert trend is not None

    line, half = trend.at([2**2.5, 2**0, 2**5])

    assert line[0] == pytest.approx(y.mean())
    assert half[1] == pytest.approx(half[2])
    assert half[0] == pytest.approx(stats.t.ppf(0.975, 4) * trend.residual_sd / math.sqrt(6))
    assert half[0] < half[1]


@pytest.mark.parametrize("costs", [[], [1, 2, 3], [1, 1, 2, 2], [math.nan, 1, 2, 4]])
def test_too_few_cells_have_no_trend(costs: list[float]) -> None:
    assert fit_trend(costs, [0.0] * len(costs), level=0.95) is None


def drawn_images(rng: np.random.Generator, cells: int, images: int, effect: float) -> tuple[MeanInterval, np.ndarray]:
    """Cells whose arms differ by image: `effect` points on the average of all images there could be, SD 20 points.

    Returns:
        The difference over cells, and what the arm gained on each image, in points.
    """
    gain = rng.normal(effect / 100, 0.2, images)
    hard = rng.uniform(0.5, 0.9, images)
    right = rng.random((cells, 2, images)) < np.stack([hard, np.clip(hard + gain, 0, 1)])
    gained = 100.0 * (right[:, 1].astype(float) - right[:, 0])
    return mean_interval(gained.mean(axis=1), 0.95), gained.mean(axis=0)


def test_test_image_noise_is_the_noise_of_an_image_mean() -> None:
    difference, gained = drawn_images(np.random.default_rng(0), cells=3, images=400, effect=1)

    noise = image_noise(gained, 400, difference)

    assert noise is not None
    assert noise.half_width == pytest.approx(1.96 * stats.sem(gained), rel=1e-3)
    assert noise.both.high - noise.both.estimate == pytest.approx(
        math.hypot(noise.half_width, difference.high - difference.estimate)
    )


def test_over_other_test_images_only_the_wider_interval_holds() -> None:
    rng = np.random.default_rng(0)
    draws = [drawn_images(rng, cells=8, images=200, effect=1) for _ in range(SIMULATIONS)]
    # What clipping leaves of one point: the truth, from very many images.
    truth = np.mean([drawn_images(rng, cells=1, images=200_000, effect=1)[0].estimate for _ in range(3)])
    noises = [(difference, image_noise(gained, 200, difference)) for difference, gained in draws]

    covered = sum(noise is not None and noise.both.low <= truth <= noise.both.high for _, noise in noises)
    narrow = sum(difference.low <= truth <= difference.high for difference, _ in noises)

    assert covered >= stats.binom.ppf(0.001, SIMULATIONS, 0.95)
    assert narrow < 0.9 * SIMULATIONS


def test_trials_without_correctness_per_image_have_no_image_noise() -> None:
    difference, gained = drawn_images(np.random.default_rng(0), cells=3, images=40, effect=1)

    assert image_noise(None, 40, difference) is None
    assert image_noise(gained, 40, mean_interval([1.0], 0.95)) is None


def test_the_mean_of_fewer_than_two_values_has_no_interval() -> None:
    assert not mean_interval([], 0.95).is_known
    one = mean_interval([2.0], 0.95)
    assert one.estimate == 2
    assert not one.is_known
