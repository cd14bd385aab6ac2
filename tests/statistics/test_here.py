"""HERE: means over the cells that were run, by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.statistics.contrast import Differences
from scaling.statistics.here import cell_means, mean_here, mean_over_seeds, widened_by_seeds

NAN = math.nan


def test_two_cells_by_hand() -> None:
    """Variances 2 and 8 of two repetitions each: v = 2/(2·4) and 8/(2·4), df = 1.25²/((0.0625 + 1)/2) − 1."""
    cells = cell_means(np.array([[0.0, 2.0], [3.0, 7.0]]))
    mean = mean_here(cells)

    assert cells.variance.tolist() == [2.0, 8.0]
    assert mean.estimate == 3.0
    assert mean.variance == 1.25
    assert mean.df == pytest.approx(1.25**2 / ((0.25**2 + 1) / 2) - 1)
    assert mean.interval(0.95).half_width == pytest.approx(stats.t.ppf(0.975, mean.df) * math.sqrt(1.25))


def test_degrees_of_freedom_stay_between_one_cell_and_all() -> None:
    even = mean_here(cell_means(np.array([[0.0, 1, 2]] * 4)))
    uneven = mean_here(cell_means(np.array([[0.0, 1, 2], [0.0, 1e-3, 2e-3]])))

    assert even.df == 8  # C S − 1 = 11 is clipped
    assert uneven.df == pytest.approx(2.0, abs=1e-4)


def test_a_cell_with_one_repetition_has_the_pooled_variance() -> None:
    cells = cell_means(np.array([[0.0, 2, NAN], [0.0, 3, 6], [5.0, NAN, NAN]]))

    assert cells.variance.tolist() == pytest.approx([2, 9, (2 + 2 * 9) / 3])
    assert cells.count.tolist() == [2, 3, 1]
    assert cells.is_repeated


def test_a_part_without_repetitions_has_one_degree_of_freedom() -> None:
    cells = cell_means(np.array([[0.0, 2, 4], [1.0, NAN, NAN], [2.0, NAN, NAN]]))
    mean = mean_here(cells, np.array([1, 2]))

    assert (mean.estimate, mean.df) == (1.5, 1.0)
    assert mean.variance == pytest.approx(4 * 2 / 4)


def test_no_variance_is_below_that_of_rounding() -> None:
    cells = cell_means(np.array([[1.0, 1.0, 1.0]]), images=200)

    assert cells.variance[0] == pytest.approx(0.5**2 / 6)


def test_equal_repetitions_have_no_interval() -> None:
    mean = mean_here(cell_means(np.array([[0.3 - 0.1, 0.2], [0.4, 0.1 + 0.3]])))  # equal but for rounding

    assert not mean.is_known
    assert not mean.interval(0.95).is_known


def test_two_repetitions_in_all_need_one_cell() -> None:
    assert not cell_means(np.array([[0.0, 1], [1.0, NAN]])).is_repeated
    assert cell_means(np.array([[0.0, 1]])).is_repeated
    assert not cell_means(np.array([[0.0]])).is_repeated


def test_shared_seeds_by_hand() -> None:
    """Seed means 1, 2 and 6: their variance is 7."""
    values = np.array([[0.0, 2, 7], [2.0, 2, 5]])
    seeds = mean_over_seeds(values, 3.0)

    assert (seeds.estimate, seeds.df) == (3.0, 2.0)
    assert seeds.variance == pytest.approx(7 / 3)


def test_shared_seeds_widen_but_never_narrow() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(size=(6, 4)) + rng.normal(size=4)
        whole = Differences(values, tuple("abcdef"), None, {})
        own = mean_here(cell_means(values))
        wide = widened_by_seeds(own, whole, np.arange(6), 0.95)
        by_seed = stats.t.ppf(0.975, 3) * values.mean(axis=0).std(ddof=1) / 2
        assert wide.half_width(0.95) == pytest.approx(max(own.half_width(0.95), by_seed))


def test_one_seed_that_all_cells_share_tells_nothing() -> None:
    whole = Differences(np.array([[1.0], [2.0], [1.5]]), ("a", "b", "c"), None, {})

    assert not widened_by_seeds(mean_here(cell_means(whole.values)), whole, np.arange(3), 0.95).is_known


def test_a_missing_seed_of_one_cell_keeps_the_others() -> None:
    full = np.array([[0.0, 2, 7], [2.0, 2, 5], [1.0, 3, 4]])
    holed = full.copy()
    holed[2, 1] = NAN

    assert mean_over_seeds(holed, 0.0).df == 2
    assert mean_over_seeds(holed, 0.0).variance > 0
