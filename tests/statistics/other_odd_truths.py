"""Further truths beyond one contrast: arms that share cells oddly, curves and laws that no model assumes."""

import math
from collections.abc import Callable

import numpy as np

from scaling.statistics.comparison import VerdictSettings, assess, plan_of, settings_at
from scaling.statistics.contrast import Contrast
from scaling.statistics.equal_cost_parts import Polyline, polyline
from scaling.statistics.kinds import Kind
from scaling.statistics.shares import CAPACITY, MECHANISM, PLAIN, TREATED, share_the_gain
from scaling.statistics.weighted_law import LawFit, fit_law
from tests.statistics.other_truths import (
    CLAIMS,
    One,
    OtherTruth,
    across,
    at_equal_cost,
    attribution,
    half,
    judged_at_equal_cost,
    late,
    law,
    nothing,
    preferring_images,
    several_arms,
    tuned,
    until_decided,
)
from tests.statistics.truths import SD, Course, Noise, Rng, heavy, uneven

MOST_REPETITIONS = 200


def advice_under(noise: Noise, cells: int, first: int, effect: float = 0.0, spread: float = 0.0, looks: int = 8) -> One:
    """The page's plan is run, and looked at again, where luck is not normal or cells differ."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        own = effect + rng.normal(0, spread, (cells, 1)) if spread else np.full((cells, 1), effect)

        luck = noise(rng, (2, cells, MOST_REPETITIONS))
        base, cost = np.linspace(60, 85, cells)[:, None], np.geomspace(3e5, 3e7, cells)
        repetitions, found = first, None
        for look in range(1, looks + 1):
            settings = settings_at(look)
            scores = base + luck[:, :, :repetitions]
            found = assess(Contrast(scores[0], scores[1] + own, cost=cost), settings)
            plan = plan_of(found, settings)
            if plan is None or plan.repetitions is None or repetitions + plan.repetitions > MOST_REPETITIONS:
                break
            repetitions += plan.repetitions
        assert found is not None
        mean = float(own.mean())
        wrong = (found.kind is Kind.BETTER and mean <= 0) or (found.kind is Kind.WORSE and mean >= 0)
        wrong |= found.kind in (Kind.BY_SIZE, Kind.MIXED) and spread == 0
        return str(found.kind), None, wrong

    return one


def one_arm_differs(arms: int, cells: int, repetitions: int, effect: float) -> One:
    """One of several arms is better; wrong is a study in which another is said to differ, or this one to be worse."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        shape = (cells, repetitions)
        base, cost = 70 + rng.normal(0, SD, shape), np.geomspace(3e5, 3e7, cells)
        true = [effect] + [0.0] * (arms - 2)
        found = [
            assess(Contrast(base, 70 + by + rng.normal(0, SD, shape), cost=cost), VerdictSettings(contrasts=arms - 1))
            for by in true
        ]
        held = all(each.here.low <= by <= each.here.high for each, by in zip(found, true, strict=True))
        wrong = any(each.kind in CLAIMS for each in found[1:])
        wrong |= found[0].kind in (Kind.WORSE, Kind.BY_SIZE, Kind.MIXED, Kind.EQUAL)
        return "seen" if found[0].kind is Kind.BETTER else "not seen", held, wrong

    return one


Curve = Callable[[np.ndarray], np.ndarray]  # accuracy in percent at places from 0 to 1


def saturating(place: np.ndarray) -> np.ndarray:
    return 60 + 25 * (1 - np.exp(-2 * place))


def near_ceiling(place: np.ndarray) -> np.ndarray:
    return 99 + 0.8 * place


def uneven_curves(
    places: tuple[np.ndarray, np.ndarray], gain: Course, base: Curve = saturating, noise: Noise | None = None,
    shape: Callable[[Rng, int], np.ndarray] | None = None, sd: float = SD / 3**0.5,
) -> One:  # fmt: skip
    """Arms at places of their own in log cost, 0 to 1 of a range of e^4.6, whose cells are not the same.

    Args:
        noise: of (arms, cells, 1); by default normal with `sd` points.
        shape: what single cells differ by, of both arms where they have as many cells.
    """

    is_paired = len(places[0]) == len(places[1])

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        moved = 0.0 if shape is None or not is_paired else shape(rng, len(places[0]))

        def line(arm: int) -> Polyline:
            own = places[arm]
            luck = rng.normal(0, sd, len(own)) if noise is None else noise(rng, (2, len(own), 1))[arm, :, 0]
            accuracy = base(own) + (gain(own) if arm else 0) + luck + moved
            names = [f"{'c' if is_paired else arm}{i}" for i in range(len(own))]
            return polyline(3e5 * np.exp(4.6 * own), accuracy, names)

        return judged_at_equal_cost(line(0), line(1), lambda log_cost: gain((log_cost - math.log(3e5)) / 4.6))

    return one


def one_odd_cell(by: float) -> Callable[[Rng, int], np.ndarray]:
    """A cell of a shape that does not suit either arm."""

    def draw(rng: Rng, cells: int) -> np.ndarray:
        return rng.normal(0, 0.3, cells) + by * (np.arange(cells) == rng.integers(cells))

    return draw


def wide(cells: int, shift: float = 0.0) -> np.ndarray:
    return np.linspace(0, 1, cells) + shift


def attribution_with(
    attention: float, capacity: float, together: float = 0.0, cells: int = 6, repetitions: int = 3, spread: float = 0.0
) -> One:
    """Four arms, whose shares differ from cell to cell or help each other."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        own = [by + rng.normal(0, spread, (cells, 1)) for by in (attention, capacity)]
        level = {PLAIN: 0.0, MECHANISM: own[0], CAPACITY: own[1], TREATED: own[0] + own[1] + together}
        scores = {arm: 70 + by + rng.normal(0, SD, (cells, repetitions)) for arm, by in level.items()}
        frame = Contrast(scores[PLAIN], scores[TREATED], cost=np.geomspace(3e5, 3e7, cells))
        found = share_the_gain(scores, VerdictSettings(), frame)
        assert found is not None
        truth = [float(part.mean()) + together / 2 for part in own]
        shares = (found.attention, found.capacity)
        held = all(share.low <= true <= share.high for share, true in zip(shares, truth, strict=True))
        wrong = (found.attention.is_above_zero and truth[0] <= 0) or (found.capacity.is_above_zero and truth[1] <= 0)
        wrong |= found.cause == "attention" and abs(truth[1]) > found.margin
        wrong |= found.cause == "capacity" and abs(truth[0]) > found.margin
        return found.cause, held, bool(wrong)

    return one


def law_of(
    mean: Curve, alpha: float | None, has_floor: bool, costs: np.ndarray, noise: Callable[[Rng, np.ndarray], np.ndarray]
) -> One:
    """A curve of errors along cost, under noise of points; `alpha` is None where it is no power law."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        true = mean(costs)
        found = fit_law(costs, true + noise(rng, true))
        if not isinstance(found, LawFit):
            return "none", None, False
        held = None if alpha is None else found.alpha.low <= alpha <= found.alpha.high
        return (
            "a floor" if found.floor_is_known else "a floor or a bend",
            held,
            found.floor_is_known and not has_floor,
        )

    return one


def power(floor: float, alpha: float, amplitude: float = 30.0) -> Curve:
    return lambda cost: floor + amplitude * (cost / 1e6) ** -alpha


def normal_points(sd: float) -> Callable[[Rng, np.ndarray], np.ndarray]:
    return lambda rng, true: rng.normal(0, sd, len(true))


def heavy_points(rng: Rng, true: np.ndarray) -> np.ndarray:
    return SD * rng.standard_t(3, len(true)) / math.sqrt(3)


def two_bends(cost: np.ndarray) -> np.ndarray:
    """Slopes 0.1, 0.5 and 0.1 in log-log: slow, fast, slow."""
    x = np.log(cost / 1e6)
    ends = np.log([10.0, 60.0])
    return 40 * np.exp(-0.1 * x - 0.4 * np.clip(x - ends[0], 0, ends[1] - ends[0]))


NINE, LONG = np.geomspace(1e6, 3e8, 9), np.geomspace(1e6, 3e8, 20)

OTHER_ODD_TRUTHS = [
    OtherTruth("advice followed, heavy tails, no difference, 6 × 3", advice_under(heavy(), 6, 3)),
    OtherTruth("advice followed, uneven noise, no difference, 6 × 3", advice_under(uneven(12), 6, 3)),
    OtherTruth("advice followed, cells differ by 0.3, 6 × 3", advice_under(heavy(), 6, 3, spread=0.3)),
    OtherTruth("advice followed, +0.1, 12 × 2", advice_under(uneven(3), 12, 2, 0.1)),
    OtherTruth("until decided, no difference, 24 cells", until_decided(0.0, 24)),
    OtherTruth("three arms, 12 × 3", several_arms(3, 12, 3)),
    OtherTruth("eight arms, 12 × 1", several_arms(8, 12, 1)),
    OtherTruth("four arms, one of them +0.5, 6 × 3", one_arm_differs(4, 6, 3, 0.5)),
    OtherTruth("learning rate tuned, both flat, 50 × 2", tuned(50, 2, 5, 0.0)),
    OtherTruth("learning rate tuned, baseline sharply peaked, 12 × 3", tuned(12, 3, 5, 4.0)),
    OtherTruth("50 images that prefer an arm, 6 × 3", preferring_images(6, 3, 50, 0.2)),
    OtherTruth("equal cost, 5 cells, no difference", at_equal_cost(5, nothing)),
    OtherTruth("equal cost, 40 cells, +0.5", at_equal_cost(40, half)),
    OtherTruth("equal cost, 12 cells of their own, crossing", at_equal_cost(12, across, is_paired=False)),
    OtherTruth("equal cost, 9 cells, late gain", at_equal_cost(9, late)),
    OtherTruth("equal cost, 15 against 7 cells", uneven_curves((wide(15), wide(7, 0.05)), nothing)),
    OtherTruth("equal cost, half of the range shared", uneven_curves((wide(12), wide(12, 0.5)), nothing)),
    OtherTruth("equal cost, cells bunched", uneven_curves((wide(12) ** 3, wide(12) ** 3 + 0.1), nothing)),
    OtherTruth("equal cost, costs in pairs",
               uneven_curves((np.repeat(wide(8), 2), np.repeat(wide(8), 2) + 0.1), nothing)),
    OtherTruth("equal cost, noise uneven twelvefold",
               uneven_curves((wide(12), wide(12, 0.1)), nothing, noise=uneven(12))),
    OtherTruth("equal cost, one cell 5 points off in both arms",
               uneven_curves((wide(12), wide(12, 0.1)), nothing, shape=one_odd_cell(-5.0)),
               "limit: a single cell far off the curve"),
    OtherTruth("equal cost, 99 % and more", uneven_curves((wide(12), wide(12, 0.1)), nothing, near_ceiling, sd=0.02)),
    OtherTruth("shares of 0.4 and 0.4 that help each other", attribution_with(0.4, 0.4, together=0.4)),
    OtherTruth("shares of 0.5 and 0, cells differ by 0.3", attribution_with(0.5, 0.0, spread=0.3)),
    OtherTruth("shares of 0 and 0.5, 24 × 1", attribution_with(0.0, 0.5, cells=24, repetitions=1)),
    OtherTruth("shares of 0.2 and 0.2, three arms, 12 cells", attribution(0.2, 0.2, 3, 12)),
    OtherTruth("law of 6 costs", law(5, 0.3, 0, costs=6)),
    OtherTruth("law of 20 costs", law(5, 0.3, 0, costs=20)),
    OtherTruth("law over one decade", law_of(power(5, 0.3), 0.3, True, np.geomspace(1e6, 1e7, 12), normal_points(0.3))),
    OtherTruth("steep law, high floor", law_of(power(20, 1.0), 1.0, True, NINE, normal_points(0.3)),
               "limit: the two or three cheapest costs alone tell the exponent"),
    OtherTruth("law under heavy tails", law_of(power(5, 0.3), 0.3, True, NINE, heavy_points)),
    OtherTruth("law whose cells scatter by a point", law_of(power(5, 0.3), 0.3, True, LONG, normal_points(1.0))),
    OtherTruth("law with bends on both sides", law_of(two_bends, None, False, LONG, normal_points(0.3))),
    OtherTruth("error falls with the log of cost",
               law_of(lambda cost: 40 - 2.5 * np.log(cost / 1e6), None, False, NINE, normal_points(0.3))),
]  # fmt: skip
