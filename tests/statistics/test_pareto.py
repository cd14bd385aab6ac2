"""Fronts agree with the definition of dominance, ties and missing numbers included."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.statistics.pareto import on_front

# Few distinct values, so that ties are common.
numbers = st.sampled_from([-math.inf, 0.0, 1.0, 2.0, 3.0, 4.0, math.inf, math.nan]) | st.floats(-5, 5)
points = st.lists(st.tuples(numbers, numbers), max_size=30)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    no_worse = one[0] <= other[0] and one[1] >= other[1]
    return no_worse and (one[0] < other[0] or one[1] > other[1])


@given(points)
def test_the_front_is_what_nothing_dominates(cloud: list[tuple[float, float]]) -> None:
    known = [point for point in cloud if not any(map(math.isnan, point))]
    expected = [point in known and not any(dominates(other, point) for other in known) for point in cloud]

    front = on_front([cost for cost, _ in cloud], [score for _, score in cloud])

    assert front.tolist() == expected


@given(points, st.randoms())
def test_the_order_of_the_points_does_not_matter(cloud: list[tuple[float, float]], random) -> None:
    order = list(range(len(cloud)))
    random.shuffle(order)
    costs, scores = (np.array([point[i] for point in cloud], dtype=float) for i in (0, 1))

    assert on_front(costs[order], scores[order]).tolist() == on_front(costs, scores)[order].tolist()


@pytest.mark.parametrize(
    ("costs", "scores", "front"),
    [
        ([], [], []),
        ([1], [1], [True]),
        ([1, 1], [2, 2], [True, True]),  # equal points do not dominate each other
        ([1, 1], [2, 3], [False, True]),
        ([1, 2], [3, 3], [True, False]),
        ([1, 2, 3], [1, 2, 3], [True, True, True]),
        ([3, 2, 1], [1, 2, 3], [False, False, True]),
        ([math.nan, 1], [9, 1], [False, True]),
    ],
)
def test_small_fronts_by_hand(costs: list[float], scores: list[float], front: list[bool]) -> None:
    assert on_front(costs, scores).tolist() == front


def test_a_million_points_take_a_sort_and_no_more() -> None:
    rng = np.random.default_rng(0)
    costs, scores = rng.random((2, 1_000_000))

    front = on_front(costs, scores)

    order = np.argsort(costs[front])
    assert (np.diff(scores[front][order]) > 0).all()
