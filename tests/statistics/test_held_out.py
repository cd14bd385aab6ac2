"""The largest costs, predicted from the smaller ones: the split, the truth of a law, and what cannot be predicted."""

import math

import numpy as np
import pytest

from scaling.statistics.held_out import HeldOut, predict_largest
from scaling.statistics.missing import Missing

COST = np.geomspace(1e6, 3e8, 12)


def law(cost: np.ndarray) -> np.ndarray:
    return 5 + 30 * (cost / 1e6) ** -0.3


def held_out(cost: np.ndarray, error: np.ndarray) -> HeldOut:
    found = predict_largest(cost, error)
    assert isinstance(found, HeldOut)
    return found


def test_a_law_without_noise_is_predicted() -> None:
    found = held_out(COST, law(COST) * (1 + 1e-6 * np.tile([1, -1], 6)))

    assert found.costs == 8
    assert found.until == pytest.approx(COST[7])
    assert found.cell.tolist() == [8, 9, 10, 11]
    assert found.cost == pytest.approx(COST[8:])
    assert found.measured == pytest.approx(law(COST[8:]), rel=1e-5)
    assert found.predicted == pytest.approx(law(COST[8:]), rel=0.02)
    assert found.within == 1


def test_the_held_out_cells_are_not_fitted() -> None:
    """The fit of the smaller costs does not move with the errors of the largest."""
    error = law(COST) + 0.3 * np.random.default_rng(0).normal(size=12)
    other = np.r_[error[:8], np.full(4, 90.0)]

    one, two = held_out(COST, error), held_out(COST, other)

    assert one.predicted.tolist() == two.predicted.tolist()
    assert one.high.tolist() == two.high.tolist()
    assert two.within == 0


def test_predictions_cover_new_cells() -> None:
    rng, inside = np.random.default_rng(1), []
    for _ in range(60):
        found = held_out(COST, law(COST) * (1 + 0.02 * rng.normal(size=12)))
        assert (found.low <= found.predicted).all()
        assert (found.predicted <= found.high).all()
        inside.append(found.within)
    assert np.mean(inside) >= 0.92


def test_cells_of_one_cost_are_held_out_together() -> None:
    """The arms' grids repeat costs: a cost is either fitted or held out as a whole."""
    cost = np.repeat(COST[:9], 2)
    error = law(cost) + 0.2 * np.random.default_rng(2).normal(size=18)
    order = np.random.default_rng(3).permutation(18)

    found, mixed = held_out(cost, error), held_out(cost[order], error[order])

    assert found.costs == 6
    assert sorted(found.cell.tolist()) == list(range(12, 18))
    assert sorted(order[mixed.cell].tolist()) == list(range(12, 18))
    assert np.sort(mixed.predicted) == pytest.approx(np.sort(found.predicted))


def test_cells_without_a_cost_or_an_error_are_left_out() -> None:
    cost, error = np.r_[COST, math.nan, -1.0, 0.0, math.inf, 5e8], np.r_[law(COST), 1.0, 1.0, 1.0, 1.0, math.nan]

    assert held_out(cost, error).cell.tolist() == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("cost", "why", "said"),
    [
        (np.full(12, math.nan), "too few costs", "fewer than two different costs"),
        (np.full(12, 1e6), "too few costs", "fewer than two different costs"),
        (COST[:8], "too few costs", "of the smaller two thirds of the costs: 5 cells of 5 costs; a law needs 6 of 4"),
        (np.linspace(1e6, 3e6, 12), "narrow range", "of the smaller two thirds of the costs: costs differ by a factor"),
        (np.zeros(0), "too few costs", "fewer than two different costs"),
    ],
)
def test_what_cannot_be_predicted_says_why(cost: np.ndarray, why: str, said: str) -> None:
    found = predict_largest(cost, np.full(len(cost), 20.0))

    assert isinstance(found, Missing)
    assert found.why == why
    assert said in found.said
