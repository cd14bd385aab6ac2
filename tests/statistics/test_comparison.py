"""Numbers and kinds of a comparison against a second implementation, on many random studies."""

import math

import numpy as np
import pytest

from scaling.statistics.comparison import VerdictSettings, assess, settings_at
from scaling.statistics.contrast import Contrast
from scaling.statistics.further_runs import LookRule
from tests.statistics.reference_verdict import Reference, reference


def close(value: object) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


def random_study(rng: np.random.Generator) -> Contrast:
    """A study of 1 to 50 cells and 1 to 10 repetitions, with holes, equal costs, grids and curves of all kinds."""
    cells, most = int(rng.integers(1, 51)), int(rng.integers(1, 11))
    shape = (cells, most)
    level = rng.choice([70.0, 95.0, 99.5])
    base = level + rng.normal(0, 0.3, shape)
    course = rng.choice([0, 0, 1]) * np.linspace(-1, 1, cells) * rng.choice([0.3, 1.5])
    effect = rng.choice([0, 0.05, 0.4]) + course + rng.normal(0, rng.choice([0.01, 0.3]), cells)
    arm = base + effect[:, None] + rng.normal(0, rng.choice([0.02, 0.4]), shape) * rng.uniform(0.2, 2, (cells, 1))
    cost = np.exp(rng.normal(15, 1, cells)) if rng.random() < 0.7 else 1e6 * rng.integers(1, 6, cells)
    if rng.random() < 0.6:
        cost = np.sort(cost)
    axes: dict[str, np.ndarray] = {}
    if rng.random() < 0.4:
        axes = {"depth": rng.choice([2.0, 4, 8, 16], cells), "width": rng.choice([0.0, 32, 64, 100], cells)}
    if rng.random() < 0.5:
        base[rng.random(shape) < 0.1] = math.nan
        arm[rng.random(shape) < 0.1] = math.nan
    if rng.random() < 0.2:
        arm[:, 1:] = math.nan
    return Contrast(base, arm, [f"cell {i}" for i in range(cells)], cost.astype(float), axes)


def check(contrast: Contrast, settings: VerdictSettings) -> str:
    found = assess(contrast, settings)
    if found.estimate is None:
        return "unknown"
    expected = reference(
        contrast.baseline,
        contrast.arm,
        contrast.cost,
        list(contrast.names),
        list(contrast.axes.values()),
        margin=settings.margin,
        alpha=settings.alpha,
        arms=settings.contrasts,
        images=settings.images,
    )
    assert found.margin == close(expected.margin)
    assert found.here.estimate == close(expected.theta)
    if expected.kind == "unknown":
        assert found.kind == "unknown"
        return "unknown"
    _check_numbers(found.here.df, found.here.half_width, expected)
    assert len(found.parts) == len(expected.parts)
    for part, (mean, own, wide) in zip(found.parts, expected.parts, strict=True):
        assert part.interval.estimate == close(mean)
        assert part.interval.half_width == close(own)
        assert part.wide.half_width == close(wide)
    if expected.beyond_half is None:
        assert found.beyond is None
    else:
        assert found.beyond is not None
        assert found.beyond.half_width == close(expected.beyond_half)
    if found.withheld is None:
        assert found.kind == expected.kind
    else:
        assert (found.kind, found.withheld) == ("inconclusive", expected.kind)
    return expected.kind


def _check_numbers(df: float, half: float, expected: Reference) -> None:
    assert df == close(expected.df)
    assert half == close(expected.half)


def test_random_studies_give_the_numbers_of_a_second_implementation() -> None:
    rng = np.random.default_rng(0)
    kinds = [check(random_study(rng), VerdictSettings()) for _ in range(250)]

    assert {"better", "worse", "practically equal", "depends on size", "mixed", "inconclusive"} <= set(kinds)


def test_arms_looks_and_images_change_levels_and_floor() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        study = random_study(rng)
        check(study, VerdictSettings(contrasts=int(rng.integers(2, 8)), margin=0.3))
        check(study, settings_at(int(rng.integers(1, 9)), contrasts=2))
        check(study, settings_at(2, LookRule.UNTIL_DECIDED))
        check(study, VerdictSettings(images=int(rng.choice([100, 1000, 10_000]))))


def test_the_order_of_cells_and_repetitions_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        study = random_study(rng)
        if len(study.arm) < 2:
            continue
        order, turn = rng.permutation(len(study.arm)), rng.permutation(study.arm.shape[1])
        turned = Contrast(
            study.baseline[order][:, turn],
            study.arm[order][:, turn],
            [str(study.names[i]) for i in order],
            np.asarray(study.cost)[order],
            {name: values[order] for name, values in study.axes.items()},
        )
        one, other = assess(study, VerdictSettings()), assess(turned, VerdictSettings())
        assert one.kind == other.kind
        assert one.here.low == close(other.here.low)
        assert [p.wide.low for p in one.parts] == close([p.wide.low for p in other.parts])


def test_exchanging_the_arms_mirrors_the_answer() -> None:
    rng = np.random.default_rng(3)
    mirrored = {"better": "worse", "worse": "better"}
    for _ in range(60):
        study = random_study(rng)
        near = Contrast(study.baseline * 0 + 50 + (study.baseline - study.arm), study.arm * 0 + 50, (), study.cost)
        far = Contrast(near.arm, near.baseline, (), study.cost)
        one, other = assess(near, VerdictSettings()), assess(far, VerdictSettings())
        if one.withheld or other.withheld or one.losses.any:
            continue
        assert other.kind == mirrored.get(one.kind, one.kind)
        assert one.here.low == close(-other.here.high)


def test_beyond_is_never_narrower_and_never_says_more() -> None:
    rng = np.random.default_rng(4)
    for _ in range(100):
        found = assess(random_study(rng), VerdictSettings())
        if found.beyond is not None:
            assert found.beyond.low <= found.here.low
            assert found.beyond.high >= found.here.high


def test_a_level_of_a_look_and_of_an_arm() -> None:
    assert settings_at(1, contrasts=2).level == close(1 - 0.04 / 2)
    assert settings_at(3).alpha == close(0.06 / math.pi**2 / 4)
    assert settings_at(1, LookRule.ONE).alpha == 0.05
    assert settings_at(4, LookRule.UNTIL_DECIDED).alpha == close(0.0131)
    assert settings_at(None).level == 0.95
