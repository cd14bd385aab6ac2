"""What goes with the verdict, against a second reading in plain loops, on many random studies."""

import math
from dataclasses import replace

import numpy as np
import pytest

from scaling.statistics.beyond import interval_of_other_levels
from scaling.statistics.comparison import VerdictSettings, assess, plan_of, settings_at
from scaling.statistics.contrast import Contrast
from scaling.statistics.equal_cost_parts import EqualCostParts, compare_at_equal_cost, polyline
from scaling.statistics.further_runs import look_alpha
from tests.statistics import plain_reading as plain
from tests.statistics.reference_verdict import Reference, reference


def close(value: object) -> object:
    return pytest.approx(value, rel=1e-8, abs=1e-8, nan_ok=True)


def simple_study(rng: np.random.Generator, effect: float = 0.0) -> Contrast:
    cells, repetitions = int(rng.integers(1, 14)), int(rng.integers(1, 8))
    base = 70 + rng.normal(0, 0.3, (cells, repetitions))
    arm = 70 + effect + rng.normal(0, 0.3, (cells, repetitions)) + rng.integers(0, 2) * rng.normal(0, 0.3, (cells, 1))
    return Contrast(base, arm, [f"cell {i}" for i in range(cells)], np.geomspace(1e5, 1e8, cells))


def expected_of(contrast: Contrast, alpha: float = 0.05) -> Reference:
    return reference(contrast.baseline, contrast.arm, contrast.cost, list(contrast.names), alpha=alpha)


def test_intervals_with_lost_trials_at_their_worst() -> None:
    rng, seen = np.random.default_rng(0), 0
    for _ in range(80):
        study = simple_study(rng, 0.4)
        gone = [rng.random(study.arm.shape) < share for share in (0.1, 0.2)]
        baseline, arm = (np.where(lost, math.nan, a) for lost, a in zip(gone, (study.baseline, study.arm), strict=True))
        lossy = replace(study, baseline=baseline, arm=arm, baseline_lost=gone[0], arm_lost=gone[1])
        paired = lossy.paired()
        losses = assess(lossy, VerdictSettings()).losses
        for of_arm, bound in ((True, losses.if_arm_bad), (False, losses.if_baseline_bad)):
            own, other = (arm, baseline) if of_arm else (baseline, arm)
            filled = plain.filled_with_worst(own, other, gone[1 if of_arm else 0])
            if filled is None or len(paired) == 0:
                continue
            assert bound is not None
            # the second interval is about the cells of the first
            worst = replace(lossy, arm=filled) if of_arm else replace(lossy, baseline=filled)
            kept = np.isin(np.arange(len(arm)), paired)[:, None]
            expected = expected_of(replace(worst, arm=np.where(kept, worst.arm, math.nan)))
            assert bound.estimate == close(expected.theta)
            assert bound.half_width == close(expected.half)
            seen += 1
    assert seen > 50


def test_further_runs_for_every_look() -> None:
    rng, seen = np.random.default_rng(1), 0
    for _ in range(70):
        study = simple_study(rng, float(rng.choice([0.0, 0.1, 0.2])))
        cells, repetitions = study.arm.shape
        kept = np.arange(repetitions) < rng.integers(1, repetitions + 1, cells)[:, None]
        none = np.zeros(kept.shape, dtype=bool)
        arm = np.where(kept, study.arm, math.nan)
        study = replace(study, arm=arm, arm_lost=none, baseline_lost=none)
        look = int(rng.integers(1, 5))
        settings = settings_at(look)
        found = assess(study, settings)
        plan = plan_of(found, settings)
        if found.kind != "inconclusive":
            assert plan is None
            continue
        assert plan is not None
        expected = expected_of(study, look_alpha(look))
        have, alpha = cells / (1 / kept.sum(axis=1)).sum(), look_alpha(look + 1)
        sigma = plain.cautious(expected.variance * cells * have, expected.df)
        assert plan.repetitions == plain.fewest_further(expected.theta, have, cells, sigma, 0.4, alpha)
        assert plan.settle == plain.fewest_that_settle(have, cells, sigma, 0.2, alpha)
        seen += 1
    assert seen > 20


@pytest.mark.parametrize("repetitions", [2, 5, 10])
def test_shared_seeds_take_the_wider_half_width(repetitions: int) -> None:
    rng = np.random.default_rng(repetitions)
    for cells in (1, 3, 6, 12, 30):
        shape = (cells, repetitions)
        arm = 70 + rng.normal(0, 0.1, shape) + rng.normal(0, rng.choice([0.0, 0.3]), repetitions)
        study = Contrast(np.full(shape, 70.0), arm, [f"c{i:02}" for i in range(cells)], np.geomspace(1e5, 1e8, cells))
        expected = expected_of(study)

        found = assess(study, VerdictSettings(shared_seeds=True))

        assert found.here.half_width == close(max(expected.half, plain.half_width_over_seeds(arm - 70, 0.95)))
        groups = np.array_split(np.arange(cells), len(expected.parts))
        for part, members, (_, own, _) in zip(found.parts, groups, expected.parts, strict=True):
            over_seeds = plain.half_width_over_seeds((arm - 70)[members], 0.95 ** (1 / len(groups)))
            assert part.interval.half_width == close(max(own, over_seeds))


def test_other_levels_of_grids() -> None:
    rng = np.random.default_rng(3)
    for d, w in ((4, 4), (5, 7), (8, 4)):
        grid = rng.normal(0, 0.3, (d, w)) + rng.normal(0, 0.3, (d, 1))
        axes = {"depth": np.repeat(np.arange(1.0, d + 1), w), "width": np.tile(np.arange(1.0, w + 1), d)}
        order = rng.permutation(d * w)

        found = interval_of_other_levels(grid.ravel()[order], {name: a[order] for name, a in axes.items()}, 0.95)

        assert found is not None
        assert found.half_width == close(plain.half_width_of_other_levels(grid, 0.95))


def test_axes_that_move_together_count_once() -> None:
    """Depth and width that are scaled together are one axis: C − p has one column less."""
    rng = np.random.default_rng(4)
    depth = 2.0 ** np.arange(8)
    arm = 70 + rng.normal(0, 0.3, (8, 1))
    axes = {"depth": depth, "width": 16 * depth}
    together = assess(Contrast(np.full((8, 1), 70.0), arm, cost=depth**3, axes=axes), VerdictSettings())
    alone = assess(Contrast(np.full((8, 1), 70.0), arm, cost=depth**3), VerdictSettings())

    assert together.here.df == alone.here.df == 6
    assert together.here.half_width == close(alone.here.half_width)


def test_equal_cost_with_ties_holes_and_cells_of_their_own() -> None:
    rng, seen = np.random.default_rng(5), 0
    for _ in range(80):
        count, is_paired = rng.integers(4, 20, 2), rng.random() < 0.6
        x = np.sort(rng.uniform(12, 18, count[0]))
        own = x + rng.choice([0, 0.2, 0.7]) if is_paired else np.sort(rng.uniform(13, 19, count[1]))
        if rng.random() < 0.3:
            x, own = np.round(2 * x) / 2, np.round(2 * own) / 2
        base = rng.choice([50.0, 90.0, 99.6]) + rng.normal(0, 0.5, len(x)) + (x - 15)
        arm = rng.choice([50.0, 60.0]) + rng.normal(0, 0.5, len(own)) + (own - 15)
        if is_paired and rng.random() < 0.3:
            arm[rng.random(len(arm)) < 0.2] = math.nan
        names = [f"c{i}" for i in range(len(x))], [f"{'c' if is_paired else 'd'}{i}" for i in range(len(own))]

        found = compare_at_equal_cost(
            polyline(np.exp(x), base, names[0]), polyline(np.exp(own), arm, names[1]), 0.2, 0.96
        )
        expected = plain.at_equal_cost(
            plain.arm_of(np.exp(x), base, names[0]), plain.arm_of(np.exp(own), arm, names[1]), 0.96
        )

        assert isinstance(found, EqualCostParts) == (expected is not None)
        if expected is None or not isinstance(found, EqualCostParts):
            continue
        assert found.mean.estimate == close(expected.theta)
        assert found.mean.half_width == close(expected.half)
        for part, (mean, half) in zip(found.parts, expected.parts, strict=True):
            assert part.interval.estimate == close(mean)
            assert part.interval.half_width == close(half)
        seen += 1
    assert seen > 40
