"""BEYOND: residuals about a smooth course, by hand and against plain least squares."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.statistics.beyond import interval_beyond, interval_of_other_levels, scatter_about
from scaling.statistics.contrast import Differences
from scaling.statistics.estimates import Mean


def cells(count: int, axes: dict[str, np.ndarray] | None = None, sized: bool = True) -> Differences:
    cost = np.geomspace(1, 2.0 ** (count - 1), count) if sized else None
    return Differences(np.zeros((count, 1)), tuple(map(str, range(count))), cost, axes or {})


@pytest.mark.parametrize(("count", "df"), [(2, 1), (4, 3), (5, 3), (8, 6), (9, 6), (50, 47)])
def test_columns_grow_with_the_cells(count: int, df: int) -> None:
    scatter = scatter_about(np.random.default_rng(0).normal(size=count), cells(count))

    assert scatter is not None
    assert scatter.df == df


def test_a_line_and_a_parabola_leave_no_scatter() -> None:
    x = np.arange(12.0)

    line, parabola = scatter_about(3 + 2 * x[:6], cells(6)), scatter_about(1 + x - x**2, cells(12))
    assert line is not None
    assert parabola is not None
    assert line.variance == 0
    assert parabola.variance == 0


def test_four_cells_by_hand() -> None:
    scatter = scatter_about(np.array([0.0, 0, 2, 2]), cells(4))

    assert scatter is not None
    assert scatter.variance == pytest.approx(4 / 3)
    beyond = interval_beyond(Mean(1.0, 1e-6, 8.0), scatter, cells(4), 0.95)
    assert beyond is not None
    assert beyond.half_width == pytest.approx(stats.t.ppf(0.975, 3) * math.sqrt(4 / 3 / 4))
    assert beyond.df == 3


def test_it_is_never_narrower_than_here() -> None:
    scatter = scatter_about(np.array([0.0, 0.001, 0, 0.001]), cells(4))
    here = Mean(0.0, 4.0, 8.0)
    beyond = interval_beyond(here, scatter, cells(4), 0.95)

    assert beyond is not None
    assert beyond.half_width == here.half_width(0.95)


def test_numeric_axes_replace_size_and_the_last_goes_first() -> None:
    depth, width = np.repeat([2.0, 4, 8], 2), np.tile([32.0, 64], 3)
    along_depth, along_both = np.log(depth), np.log(depth) + np.log(width)

    both = {"depth": depth, "width": width}
    scatter = scatter_about(along_both, cells(6, both))
    assert scatter is not None
    assert (scatter.df, scatter.variance) == (3, 0.0)
    fewer = {name: values[:5] for name, values in both.items()}
    scatter = scatter_about(along_depth[:5], cells(5, fewer))  # 5 − 3 < 3, so that width is dropped
    assert scatter is not None
    assert (scatter.df, scatter.variance) == (3, 0.0)


def test_axes_without_logarithms_are_taken_by_rank() -> None:
    axes = {"dropout": np.tile([0.0, 0.5, 10], 3), "depth": np.repeat([1.0, 2, 4], 3)}
    scatter = scatter_about(np.tile([0.0, 1, 2], 3), cells(9, axes))

    assert scatter is not None
    assert scatter.variance == 0


def test_axes_that_move_together_count_once() -> None:
    axes = {"depth": np.arange(1.0, 9), "width": 32 * np.arange(1.0, 9)}
    scatter = scatter_about(np.random.default_rng(0).normal(size=8), cells(8, axes))

    assert scatter is not None
    assert scatter.df == 6


def test_too_few_sizes_give_no_interval_beyond() -> None:
    here = Mean(0.0, 1.0, 3.0)
    one_size = Differences(np.zeros((5, 1)), tuple("abcde"), np.full(5, 7.0), {})

    assert interval_beyond(here, scatter_about(np.array([1.0, 2]), cells(2)), cells(2), 0.95) is None
    assert interval_beyond(here, scatter_about(np.arange(5.0), one_size), one_size, 0.95) is None
    assert interval_beyond(here, scatter_about(np.arange(5.0), cells(5)), cells(5, sized=False), 0.95) is None
    assert scatter_about(np.array([1.0]), cells(1)) is None


def test_other_levels_of_a_complete_grid_by_hand() -> None:
    rng = np.random.default_rng(0)
    grid = rng.normal(size=(4, 5))
    axes = {"depth": np.repeat(np.arange(4.0), 5), "width": np.tile(np.arange(5.0), 4)}
    order = rng.permutation(20)
    found = interval_of_other_levels(grid.ravel()[order], {name: values[order] for name, values in axes.items()}, 0.95)

    a = 5 * sum((row.mean() - grid.mean()) ** 2 for row in grid) / 3 / 20
    b = 4 * sum((column.mean() - grid.mean()) ** 2 for column in grid.T) / 4 / 20
    df = max(3, (a + b) ** 2 / (a**2 / 5 + b**2 / 6) - 2)
    assert found is not None
    assert found.df == pytest.approx(df)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(a + b))


def test_other_levels_need_four_of_both_and_all_cells() -> None:
    axes = {"depth": np.repeat(np.arange(4.0), 4), "width": np.tile(np.arange(4.0), 4)}
    mean = np.random.default_rng(0).normal(size=16)

    assert interval_of_other_levels(mean, axes, 0.95) is not None
    assert interval_of_other_levels(mean[1:], {n: v[1:] for n, v in axes.items()}, 0.95) is None
    assert interval_of_other_levels(mean[:12], {n: v[:12] for n, v in axes.items()}, 0.95) is None
    assert interval_of_other_levels(mean, {"depth": axes["depth"]}, 0.95) is None
