"""Fronts under noise: the definition, what is missing, and known fronts in simulation."""

import numpy as np
import pytest

from scaling.report.analysis.analysis import analyse
from scaling.statistics.front_noise import FrontOdds, draw_means, fronts_under_noise, image_factors, pooled_noise
from scaling.statistics.missing import Missing
from scaling.statistics.pareto import on_front
from tests.support.known_fronts import front_shares
from tests.support.studies import Truth, describe, simulated_records

ARMS = ["a", "b"]


def odds_of(cost: list[float], mean: list[float], drawn: np.ndarray, arm: list[int] | None = None) -> FrontOdds:
    places = np.array(arm or [0] * len(cost))
    found = fronts_under_noise(
        "macs", np.array(cost), np.array(mean), places, ARMS, drawn.astype(np.float32), 0.95, False
    )
    assert isinstance(found, FrontOdds)
    return found


def test_membership_in_every_draw_follows_the_definition_with_tied_costs() -> None:
    rng = np.random.default_rng(0)
    cost, drawn = rng.integers(1, 6, 12).astype(float), rng.integers(60, 70, (12, 50)).astype(float)

    odds = odds_of(cost.tolist(), drawn[:, 0].tolist(), drawn)

    expected = np.mean([on_front(cost, scores) for scores in drawn.T], axis=0)
    assert odds.own == pytest.approx(expected)
    assert odds.joint == pytest.approx(expected)
    assert (odds.observed == on_front(cost, drawn[:, 0])).all()


def test_the_hypervolume_is_the_staircase_s_area_above_the_reference() -> None:
    mean = np.array([60.0, 80.0, 70.0])

    odds = odds_of([10, 100, 1000], mean.tolist(), np.repeat(mean[:, None], 10, axis=1))

    assert odds.reference == (1000, 60)
    assert odds.volumes["a"].volume.estimate == pytest.approx(0 * 1 + 20 * 1)  # 10 to 100, 100 to 1000
    assert odds.volumes["a"].mean_points.estimate == pytest.approx(10)
    assert odds.stable["a"]
    assert odds.agreement["a"] == 1


def test_a_coin_flip_between_two_configurations_is_no_stable_front() -> None:
    drawn = np.array([[70.0, 70.0], [71.0, 69.0]]).repeat(50, axis=1)

    odds = odds_of([1, 2], [70, 70.01], drawn)

    assert odds.own == pytest.approx([1, 0.5])
    assert not odds.stable["a"]


def test_noise_is_pooled_over_cells_with_seeds_shared_by_arms() -> None:
    rng = np.random.default_rng(0)
    cell, arm, seed = (values.ravel() for values in np.indices((200, 2, 4)))
    shared = rng.normal(0, 0.4, (200, 1, 4))
    score = (80 + 10 * rng.random((200, 1, 1)) + shared + rng.normal(0, 0.3, (200, 2, 4))).ravel()

    noise = pooled_noise(cell, arm, seed, score, 2)

    assert not isinstance(noise, Missing)
    assert noise.freedom == 600
    assert noise.covariance == pytest.approx(np.array([[0.25, 0.16], [0.16, 0.25]]), abs=0.03)
    mean, place, of_arm = np.full(400, 80.0), np.repeat(np.arange(200), 2), np.tile([0, 1], 200)
    drawn = draw_means(mean, np.full(400, 4.0), place, of_arm, noise, np.random.default_rng(1))
    assert drawn.std() == pytest.approx(0.25, rel=0.05)
    assert np.corrcoef(drawn[0], drawn[1])[0, 1] == pytest.approx(0.6, abs=0.1)


def test_image_noise_is_the_noise_of_a_mean_over_images() -> None:
    right = np.random.default_rng(0).random((2, 400)) < 0.8
    factors = image_factors(right.astype(np.float32), 400)

    variance = (factors**2).mean(axis=1)

    assert np.sqrt(variance) == pytest.approx(100 * right.std(axis=1) / 20)


def test_one_seed_tells_nothing_of_a_fronts_stability() -> None:
    truth = Truth(seeds=1)
    records = simulated_records(truth)

    odds = analyse(describe(records, truth), records).front_odds

    for found in odds.values():
        assert isinstance(found, Missing)
        assert found.why == "one seed"


@pytest.mark.slow
def test_probabilities_are_what_they_say_and_volumes_cover() -> None:
    shares = front_shares(cells=6, seeds=3, effect=0.0, extra_cost=0.0, shape_sd=1.0, studies=1000, seed=0)

    assert 0.93 - 0.01 <= shares.volume_covers <= 0.97 + 0.01
    assert 0.93 - 0.01 <= shares.difference_covers <= 0.97 + 0.01
    assert shares.difference_differs <= 0.05 + 0.014
    assert shares.sure_are_right >= 0.95
    for given, found, count in shares.calibration:
        assert found == pytest.approx(given, abs=0.03 + 2 * (0.25 / count) ** 0.5)
