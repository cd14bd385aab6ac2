"""At equal cost: polylines, their weights, and intervals of the mean and of parts of the range."""

import math

import numpy as np
import pytest

from scaling.statistics.equal_cost_parts import (
    POINTS,
    EqualCostParts,
    Polyline,
    _curve,
    _effects,
    compare_at_equal_cost,
    polyline,
)
from scaling.statistics.missing import Missing
from scaling.statistics.other_sentences import equal_cost_sentence
from scaling.statistics.words import Words

NAMES = [f"c{i}" for i in range(40)]


def line(cost: np.ndarray, accuracy: np.ndarray, first: int = 0) -> Polyline:
    return polyline(cost, accuracy, [f"c{first + i}" for i in range(len(cost))])


def known(found: EqualCostParts | Missing) -> EqualCostParts:
    assert isinstance(found, EqualCostParts)
    return found


def test_equal_costs_are_averaged_and_unknown_ones_left_out() -> None:
    found = polyline(np.array([4.0, 2, 4, np.nan, -1, 8]), np.array([70.0, 60, 72, 1, 1, np.nan]), NAMES)

    assert found.accuracy.tolist() == [60, 71]
    assert found.names == (frozenset({"c1"}), frozenset({"c0", "c2"}))


def test_triples_by_hand() -> None:
    """Even steps: (−½, 1, −½) / √1.5; the residual of a middle cell one point off."""
    even = line(np.exp(np.arange(5.0)), np.array([50.0, 50, 51, 50, 50]))
    root = math.sqrt(1.5)

    assert even.triples()[1].tolist() == pytest.approx([-0.5 / root, 1 / root, -0.5 / root])
    logit = math.log(0.51 / 0.49)
    assert even.residuals()[2] == pytest.approx(100 * 0.51 * 0.49 * logit / root)
    assert np.isnan(even.residuals()[[0, 4]]).all()


def test_degrees_of_freedom_are_about_half_the_inner_cells() -> None:
    assert line(np.geomspace(1, 100, 32), np.full(32, 50.0)).freedom == pytest.approx(0.5 * 30, rel=0.08)
    uneven = line(np.cumsum(np.random.default_rng(0).uniform(1, 9, 10)), np.full(10, 50.0))
    t = np.zeros((8, 10))
    for row, weights in enumerate(uneven.triples()):
        t[row, row : row + 3] = weights
    a = t.T @ t
    assert uneven.freedom == pytest.approx(np.trace(a) ** 2 / np.trace(a @ a))


def test_weights_are_the_derivatives_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    cost, accuracy = np.sort(rng.uniform(1, 100, 7)), np.sort(rng.uniform(40, 90, 7))
    x = np.linspace(np.log(cost[0]), np.log(cost[-1]), 50)
    own = line(cost, accuracy)
    weights = _effects(own, _curve(own, x), x)
    step = 1e-5
    for cell in range(7):
        moved = accuracy + step * (np.arange(7) == cell)
        slope = 100 * (_curve(line(cost, moved), x) - _curve(own, x)) / step
        assert weights[:, cell] == pytest.approx(slope, abs=1e-4)


def test_the_mean_of_two_straight_lines_is_their_distance() -> None:
    cost = np.geomspace(1, 64, 7)
    flat = known(compare_at_equal_cost(line(cost, np.full(7, 60.0)), line(cost, np.full(7, 61.0)), 0.2, 0.95))

    assert flat.mean.estimate == pytest.approx(1)
    assert flat.kind == "unknown"  # nothing scatters
    assert len(flat.cost) == POINTS
    assert [part.interval.estimate for part in flat.parts] == pytest.approx([1, 1])
    assert flat.parts[0].high_cost == pytest.approx(8)


def test_pooled_and_local_variances_by_hand() -> None:
    rng = np.random.default_rng(1)
    cost = np.geomspace(1, 256, 9)
    a, b = line(cost, 60 + rng.normal(0, 0.5, 9)), line(cost, 61 + rng.normal(0, 0.5, 9))
    found = known(compare_at_equal_cost(a, b, 0.2, 0.95))
    x = np.log(found.cost)
    weights = [-_effects(a, _curve(a, x), x), _effects(b, _curve(b, x), x)]
    residuals = [a.residuals(), b.residuals()]

    def pooled(w: list[np.ndarray]) -> float:
        own = sum((v**2).sum() * np.nanmean(r**2) for v, r in zip(w, residuals, strict=True))
        return float(own + 2 * (w[0] * w[1]).sum() * np.nanmean(residuals[0] * residuals[1]))

    from scipy import stats

    whole = [w.mean(axis=0) for w in weights]
    half = stats.t.ppf(0.975, b.freedom) * math.sqrt(pooled(whole))
    assert found.mean.half_width == pytest.approx(half)
    third = [w[:40].mean(axis=0) for w in weights]
    inner = slice(1, 8)
    squares = ((third[0] * residuals[0] + third[1] * residuals[1])[inner] ** 2).sum()
    local = squares * sum((w**2).sum() for w in third) / sum((w[inner] ** 2).sum() for w in third)
    half = stats.t.ppf((1 + 0.95 ** (1 / 3)) / 2, b.freedom) * math.sqrt(max(pooled(third), local))
    assert found.parts[0].interval.half_width == pytest.approx(half)


def test_unpaired_arms_have_more_degrees_of_freedom() -> None:
    rng = np.random.default_rng(2)
    a = line(np.geomspace(1, 100, 9), 60 + rng.normal(0, 0.5, 9))
    b = line(np.geomspace(2, 200, 12), 60 + rng.normal(0, 0.5, 12), first=20)

    assert known(compare_at_equal_cost(a, b, 0.2, 0.95)).mean.df == pytest.approx(1.5 * min(a.freedom, b.freedom))


def test_what_cannot_be_compared_says_why() -> None:
    five = line(np.geomspace(1, 16, 5), np.full(5, 60.0))
    four = line(np.geomspace(1, 8, 4), np.full(4, 60.0))
    far = line(np.geomspace(100, 1600, 5), np.full(5, 60.0))

    assert "too few" in equal_cost_sentence(compare_at_equal_cost(five, four, 0.2, 0.95), Words())
    missing = compare_at_equal_cost(five, far, 0.2, 0.95)
    assert isinstance(missing, Missing)
    assert missing.why == "no overlap"


def saturating(x: np.ndarray) -> np.ndarray:
    return 90 - 30 * np.exp(-0.4 * (x - x.min()))


@pytest.mark.parametrize("shape", ["same", "hockey", "s"])
def test_mean_and_parts_cover_truths_of_any_shape(shape: str) -> None:
    rng, hits, false = np.random.default_rng(3), 0, 0
    cells, studies = 12, 250
    cost = np.geomspace(1e6, 1e8, cells)
    x = np.log(cost)
    dearer = x + math.log(1.5)
    grid = dearer[0] + (np.arange(POINTS) + 0.5) / POINTS * (x[-1] - dearer[0])

    def gain(at: np.ndarray) -> np.ndarray:
        place = (at - x[0]) / (x[-1] - x[0])
        return {"same": 0 * at, "hockey": np.maximum(place - 0.7, 0) * 5, "s": 1 / (1 + np.exp(-20 * (place - 0.5)))}[
            shape
        ]

    def base(at: np.ndarray) -> np.ndarray:
        return 90 - 30 * np.exp(-0.4 * (at - x[0]))

    truth = gain(grid)
    for _ in range(studies):
        shared = rng.normal(0, 0.4, cells)
        a = line(cost, base(x) + shared + rng.normal(0, 0.2, cells))
        b = line(np.exp(dearer), base(dearer) + gain(dearer) + shared + rng.normal(0, 0.2, cells))
        found = known(compare_at_equal_cost(a, b, 0.2, 0.95))
        hits += found.mean.low <= truth.mean() <= found.mean.high
        signs = [truth[places].mean() for places in np.array_split(np.arange(POINTS), 3)]
        false += found.kind == "depends on size" and not (min(signs) < 0 < max(signs))
    assert hits / studies >= 0.925
    assert false / studies <= 0.03


def test_the_sentence_names_mean_and_parts() -> None:
    rng = np.random.default_rng(4)
    cost = np.geomspace(1e6, 1e8, 12)
    a, b = line(cost, 60 + rng.normal(0, 0.1, 12)), line(cost, 61 + rng.normal(0, 0.1, 12))
    said = equal_cost_sentence(compare_at_equal_cost(a, b, 0.2, 0.95), Words("average", "attention", "MACs"))

    assert said.startswith("At equal MACs attention is ahead by ")
    assert " on average over 1 M to 100 M MACs; in the cheapest third " in said
    assert ", the middle " in said
    assert ", the most expensive " in said
