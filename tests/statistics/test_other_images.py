"""Other test images: the two-way variance by hand, and its coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.statistics.contrast import ImageVariance
from scaling.statistics.estimates import Mean
from scaling.statistics.here import cell_means, mean_here
from scaling.statistics.other_images import image_variance, over_other_images


def test_the_variances_by_hand() -> None:
    gains = [np.array([[1.0, 0, 0, 1], [0, 0, 1, 1]]), np.array([[0.0, -1, 0, 1], [0, 0, 0, 0]])]
    found = image_variance(gains, 4)

    u = 100 * np.array([(0.5 + 0) / 2, (0 - 0.5) / 2, (0.5 + 0) / 2, (1 + 0.5) / 2])
    squares = 0.0
    for cell in gains:
        for j in range(2):
            for m in range(4):
                squares += (100 * (cell[j, m] - cell[:, m].mean() - cell[j].mean() + cell.mean())) ** 2
    assert found is not None
    assert found.of_images == pytest.approx(u.var(ddof=1) / 4)
    assert found.interaction == pytest.approx(squares / (2 * 3) / (4 * 4))


def test_both_are_never_below_either() -> None:
    here = Mean(0.0, 0.04, 9.0)

    def variance(of_images: float, interaction: float) -> float:
        both = over_other_images(here, ImageVariance(of_images, interaction, 100), 0.95)
        assert both is not None
        return float((both.both.half_width / stats.t.ppf(0.975, both.both.df)) ** 2)

    assert variance(0.01, 0.005) == pytest.approx(0.045)
    assert variance(0.01, 0.02) == pytest.approx(0.04)
    assert variance(0.09, 0.08) == pytest.approx(0.09)


def test_degrees_of_freedom_grow_with_what_is_known_well() -> None:
    both = over_other_images(Mean(0.0, 0.04, 9.0), ImageVariance(0.04, 0.0, 100), 0.95)

    assert both is not None
    assert both.both.df == pytest.approx(36)


def test_nothing_without_images_or_an_interval() -> None:
    assert image_variance([], 100) is None
    assert image_variance([np.ones((2, 1))], 1) is None
    assert over_other_images(Mean(0.0, math.nan, math.nan), ImageVariance(1.0, 0.0, 10), 0.95) is None


def test_the_wider_interval_holds_where_the_images_are_drawn_too() -> None:
    """Images prefer an arm; training and images interact through each answer's own luck."""
    rng, hits, studies, n = np.random.default_rng(0), 0, 400, 300
    for _ in range(studies):
        preference = rng.normal(0.02, 0.15, n)
        chance = np.clip(0.7 + preference, 0, 1)
        gains = [
            (rng.random((3, n)) < chance).astype(float) - (rng.random((3, n)) < 0.7).astype(float) for _ in range(4)
        ]
        means = cell_means(np.array([100 * gain.mean(axis=1) for gain in gains]), n)
        both = over_other_images(mean_here(means), image_variance(gains, n) or ImageVariance(0, 0, n), 0.95)
        assert both is not None
        hits += both.both.low <= 100 * (_expected() - 0.7) <= both.both.high
    assert 0.92 <= hits / studies <= 0.985


def _expected() -> float:
    draws = np.clip(0.7 + 0.02 + 0.15 * stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000), 0, 1)
    return float(draws.mean())
