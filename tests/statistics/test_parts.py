"""Parts: who belongs to which, and the two half-widths."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.statistics.beyond import scatter_about
from scaling.statistics.contrast import Differences
from scaling.statistics.here import cell_means
from scaling.statistics.parts import part_level, parts_of, split


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2]), (8, [4, 4]), (9, [3, 3, 3]), (10, [4, 3, 3]), (50, [17, 17, 16])],
)
def test_the_first_parts_have_the_cells_that_are_over(count: int, sizes: list[int]) -> None:
    parts = split(np.arange(1.0, count + 1), [str(i) for i in range(count)])

    assert [len(part) for part in parts] == sizes
    assert np.concatenate(parts).tolist() == list(range(count))


def test_equal_costs_are_ordered_by_name() -> None:
    assert [part.tolist() for part in split(np.array([2.0, 1, 2, 2]), ["d", "z", "b", "a"])] == [[1, 3], [2, 0]]


def test_one_part_where_costs_are_missing_or_equal() -> None:
    assert len(split(None, list("abcdef"))) == 1
    assert len(split(np.full(6, 3.0), list("abcdef"))) == 1


def test_the_half_widths_by_hand() -> None:
    values = np.array([[0.0, 2], [1, 1], [5, 7], [4, 4]])
    whole = Differences(values, tuple("abcd"), np.arange(1.0, 5), {})
    cells = cell_means(values)
    scatter = scatter_about(cells.mean, whole)
    low, high = parts_of(cells, scatter, whole, 0.95)

    level = math.sqrt(0.95)
    own = stats.t.ppf((1 + level) / 2, 1) * math.sqrt(2 / 2 / 4)
    wide = stats.t.ppf((1 + level) / 2, 3) * math.sqrt(cells.mean.var(ddof=1) / 2)
    assert (low.interval.estimate, low.low_cost, low.high_cost) == (1.0, 1.0, 2.0)
    assert low.interval.half_width == pytest.approx(own)
    assert low.wide.half_width == pytest.approx(max(own, wide))
    assert high.cells == ("c", "d")
    assert part_level(0.95, 3) ** 3 == pytest.approx(0.95)


def test_without_repetitions_the_scatter_of_the_cells_speaks() -> None:
    values = np.random.default_rng(0).normal(size=(9, 1))
    whole = Differences(values, tuple("abcdefghi"), np.geomspace(1, 256, 9), {})
    scatter = scatter_about(values[:, 0], whole)
    parts = parts_of(cell_means(values), scatter, whole, 0.95)

    assert scatter is not None
    half = stats.t.ppf((1 + 0.95 ** (1 / 3)) / 2, 6) * math.sqrt(scatter.variance / 3)
    assert [part.interval.half_width for part in parts] == pytest.approx([half] * 3)
    assert [part.wide.half_width for part in parts] == pytest.approx([half] * 3)
