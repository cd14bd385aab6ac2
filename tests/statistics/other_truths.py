"""Studies with known truth beyond one contrast: looks, several arms, tuned rates, images, equal cost, shares, laws."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling.statistics.comparison import VerdictSettings, assess, plan_of, settings_at
from scaling.statistics.contrast import Contrast
from scaling.statistics.equal_cost_parts import POINTS, EqualCostParts, Polyline, compare_at_equal_cost, polyline
from scaling.statistics.further_runs import LookRule
from scaling.statistics.kinds import Kind
from scaling.statistics.other_images import image_variance
from scaling.statistics.shares import CAPACITY, MECHANISM, PLAIN, TREATED, share_the_gain
from scaling.statistics.weighted_law import LawFit, fit_law
from tests.statistics.truths import SD, Course, Rates, Rng, shares

CLAIMS = (Kind.BETTER, Kind.WORSE, Kind.BY_SIZE, Kind.MIXED)
One = Callable[
    [Rng], tuple[str, bool | None, bool]
]  # a study: its kind, whether the interval held, whether it was wrong


@dataclass(frozen=True)
class OtherTruth:
    """Studies of one kind; `one` simulates and judges a single study."""

    name: str
    one: One
    note: str = ""  # why a rate is not what is claimed elsewhere


def run_other(truth: OtherTruth, studies: int, seed: int = 0) -> Rates:
    """Judge many studies of a truth."""
    rng = np.random.default_rng(seed)
    kinds: Counter[str] = Counter()
    held, false = [], 0
    for _ in range(studies):
        kind, hit, wrong = truth.one(rng)
        kinds[kind] += 1
        false += wrong
        if hit is not None:
            held.append(hit)
    here = sum(held) / len(held) if held else math.nan
    return Rates(truth.name, studies, here, math.nan, false / studies, shares(kinds, studies))


def pairs(rng: Rng, effect: float, cells: int, repetitions: int, sd: float = SD) -> Contrast:
    shape = (cells, repetitions)
    base = np.linspace(60, 85, cells)[:, None]
    cost = np.geomspace(3e5, 3e7, cells)
    return Contrast(base + rng.normal(0, sd, shape), base + effect + rng.normal(0, sd, shape), cost=cost)


def joined(one: Contrast, more: Contrast) -> Contrast:
    """A study that was extended by repetitions."""
    return Contrast(np.hstack([one.baseline, more.baseline]), np.hstack([one.arm, more.arm]), cost=one.cost)


def advice_followed(effect: float, cells: int, first: int, looks: int = 8) -> One:
    """The page's plan is run, and the verdict looked at again, until it is decided or the looks are over."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        data, found = pairs(rng, effect, cells, first), None
        for look in range(1, looks + 1):
            settings = settings_at(look)
            found = assess(data, settings)
            plan = plan_of(found, settings)
            if plan is None or plan.repetitions is None or data.arm.shape[1] > 150:
                break
            data = joined(data, pairs(rng, effect, cells, plan.repetitions))
        assert found is not None
        wrong = found.kind in CLAIMS if effect == 0 else found.kind in (Kind.WORSE, Kind.BY_SIZE, Kind.MIXED)
        return str(found.kind), None, wrong

    return one


def until_decided(effect: float, cells: int) -> One:
    """Six looks, each at half as many runs again."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        whole = pairs(rng, effect, cells, 16)
        kind = Kind.UNKNOWN
        for look, repetitions in enumerate((2, 3, 5, 7, 11, 16), start=1):
            data = Contrast(whole.baseline[:, :repetitions], whole.arm[:, :repetitions], cost=whole.cost)
            kind = assess(data, settings_at(look, LookRule.UNTIL_DECIDED)).kind
            if kind not in (Kind.INCONCLUSIVE, Kind.UNKNOWN):
                break
        return str(kind), None, kind in CLAIMS

    return one


def several_arms(arms: int, cells: int, repetitions: int, noise_of_baseline: float = SD) -> One:
    """No arm differs; wrong is a study in which any of them is said to."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        shape = (cells, repetitions)
        base, cost = 70 + rng.normal(0, noise_of_baseline, shape), np.geomspace(3e5, 3e7, cells)
        found = [
            assess(Contrast(base, 70 + rng.normal(0, SD, shape), cost=cost), VerdictSettings(contrasts=arms - 1))
            for _ in range(arms - 1)
        ]
        held = all(each.here.low <= 0 <= each.here.high for each in found)
        wrong = any(each.kind in CLAIMS for each in found)
        return "some arm differs" if wrong else "none differs", held, wrong

    return one


def tuned(cells: int, repetitions: int, rates: int, peak: float) -> One:
    """The arm is flat in the learning rate, the baseline peaked; the repetition that chooses is not scored."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        loss = peak * (np.arange(rates) - rates // 2) ** 2
        tries = 70 - loss + rng.normal(0, SD, (cells, rates))
        chosen = tries.argmax(axis=1)
        baseline = 70 - loss[chosen][:, None] + rng.normal(0, SD, (cells, repetitions - 1))
        contrast = Contrast(baseline, 70 + rng.normal(0, SD, (cells, repetitions - 1)), cost=np.arange(1.0, cells + 1))
        truth = float(loss[chosen].mean())
        found = assess(contrast, VerdictSettings())
        wrong = found.kind in (Kind.WORSE,) or (found.kind is Kind.BETTER and truth == 0)
        return str(found.kind), found.here.low <= truth <= found.here.high, wrong

    return one


def preferring_images(cells: int, repetitions: int, images: int, by: float) -> One:
    """The test images are drawn, too, and some suit an arm; held is the interval over other images."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        suits = rng.choice([-by, by], images)
        gains = [
            (rng.random((repetitions, images)) < 0.7 + suits).astype(float)
            - (rng.random((repetitions, images)) < 0.7).astype(float)
            for _ in range(cells)
        ]
        scores = np.array([100 * gain.mean(axis=1) for gain in gains])
        contrast = Contrast(
            np.full(scores.shape, 70.0), 70 + scores, cost=np.arange(1.0, cells + 1),
            image_variance=image_variance(gains, images),
        )  # fmt: skip
        found = assess(contrast, VerdictSettings(images=images))
        other = found.other_images
        held = None if other is None else other.both.low <= 0 <= other.both.high
        return str(found.kind), held, found.kind is Kind.EQUAL

    return one


def at_equal_cost(
    cells: int, gain: Course, more: float = 0.4, shape: float = 0.4, is_s: bool = False, is_paired: bool = True
) -> One:
    """The arm costs `more` in log and gains along log cost; a cell's shape moves both arms.

    Held is the interval of the mean over the shared range.
    """

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        x = np.log(np.geomspace(3e5, 3e7, cells))
        own = x + more if is_paired else np.sort(rng.uniform(x[0] + more, x[-1] + more, cells))

        def base(at: np.ndarray) -> np.ndarray:
            place = (at - x[0]) / (x[-1] - x[0])
            return 60 + 25 / (1 + np.exp(-12 * (place - 0.5))) if is_s else 60 + 25 * (1 - np.exp(-2 * place))

        def gained(at: np.ndarray) -> np.ndarray:
            return gain((at - x[0]) / (x[-1] - x[0]))

        moved = rng.normal(0, shape, (2, cells))
        if is_paired:
            moved[1] = moved[0]
        luck = rng.normal(0, SD / math.sqrt(3), (2, cells))
        names = [[f"c{i}" for i in range(cells)], [f"{'c' if is_paired else 'd'}{i}" for i in range(cells)]]
        a = polyline(np.exp(x), base(x) + moved[0] + luck[0], names[0])
        b = polyline(np.exp(own), base(own) + gained(own) + moved[1] + luck[1], names[1])
        return judged_at_equal_cost(a, b, gained)

    return one


def judged_at_equal_cost(a: Polyline, b: Polyline, gained: Course) -> tuple[str, bool | None, bool]:
    """Kind, whether the interval of the mean holds, and whether the kind is wrong.

    Args:
        gained: the true difference at log costs.
    """
    found = compare_at_equal_cost(a, b, 0.2, 0.95)
    if not isinstance(found, EqualCostParts):
        return "none", None, False
    truth = gained(np.log(found.cost))
    parts = [truth[places].mean() for places in np.array_split(np.arange(POINTS), len(found.parts))]
    wrong = {
        Kind.BETTER: truth.mean() <= 1e-12,
        Kind.WORSE: truth.mean() >= -1e-12,
        Kind.BY_SIZE: not min(parts) < 0 < max(parts),
        Kind.EQUAL: max(abs(truth.mean()), math.sqrt(float(np.mean(np.square(parts))))) > found.margin,
    }.get(found.kind, False)
    held = found.mean.low <= truth.mean() <= found.mean.high if found.mean.is_known else None
    return str(found.kind), held, bool(wrong)


def attribution(attention: float, capacity: float, arms: int, cells: int = 6) -> One:
    """Held: both shares together. Wrong: a cause that is none, or one said to be alone that is not."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        means = {PLAIN: 0.0, CAPACITY: capacity, TREATED: attention + capacity}
        if arms == 4:
            means[MECHANISM] = attention
        scores = {arm: 70 + mean + rng.normal(0, SD, (cells, 3)) for arm, mean in means.items()}
        found = share_the_gain(scores, VerdictSettings())
        assert found is not None
        held = (
            found.attention.low <= attention <= found.attention.high
            and found.capacity.low <= capacity <= found.capacity.high
        )
        named = {"both": (1, 1), "attention": (1, 0), "capacity": (0, 1)}.get(found.cause)
        wrong = attention <= 0 and found.cause.startswith("attention")
        wrong |= capacity <= 0 and found.cause.startswith("capacity")
        if named is not None:
            wrong |= (named[0] and attention <= 0) or (named[1] and capacity <= 0)
            wrong |= (not named[0] and abs(attention) > found.margin) or (not named[1] and abs(capacity) > found.margin)
        return found.cause, held, bool(wrong)

    return one


def law(floor: float, alpha: float, power: float, later: float | None = None, costs: int = 9) -> One:
    """Held: α. Wrong: a floor where there is none; with `later` the exponent changes to it along the way."""

    def one(rng: Rng) -> tuple[str, bool | None, bool]:
        cost = np.geomspace(1e6, 3e8, costs)
        mean = floor + (35 - floor) * (cost / 1e6) ** -alpha
        if later is not None:
            mean = np.where(cost < 2e7, mean, 35 * 20**-alpha * (cost / 2e7) ** -later)
        error = mean + SD * (mean / 15) ** power * rng.normal(size=costs)
        found = fit_law(cost, error)
        assert isinstance(found, LawFit)
        held = None if later is not None else found.alpha.low <= alpha <= found.alpha.high
        is_wrong = found.floor_is_known and (floor == 0 or later is not None)
        return "a floor" if found.floor_is_known else "a floor or a bend", held, is_wrong

    return one


def nothing(place: np.ndarray) -> np.ndarray:
    return 0 * place


def half(place: np.ndarray) -> np.ndarray:
    return 0.5 + 0 * place


def late(place: np.ndarray) -> np.ndarray:
    return 5 * np.maximum(place - 0.7, 0)


def across(place: np.ndarray) -> np.ndarray:
    return 3 * (place - 0.6)


OTHERS = [
    OtherTruth("advice followed for eight looks, no difference, 6 × 3", advice_followed(0.0, 6, 3)),
    OtherTruth("advice followed for eight looks, no difference, 1 × 3", advice_followed(0.0, 1, 3)),
    OtherTruth("advice followed, the stated difference is there, 6 × 2", advice_followed(0.4, 6, 2)),
    OtherTruth("until decided, no difference, 6 cells", until_decided(0.0, 6)),
    OtherTruth("four arms, 6 × 3", several_arms(4, 6, 3)),
    OtherTruth("eight arms, 6 × 3", several_arms(8, 6, 3)),
    OtherTruth("eight arms, baseline three times as noisy, 6 × 3", several_arms(8, 6, 3, 3 * SD)),
    OtherTruth("learning rate tuned, both flat, 24 × 2", tuned(24, 2, 3, 0.0)),
    OtherTruth("learning rate tuned, baseline peaked, 6 × 4", tuned(6, 4, 3, 1.0)),
    OtherTruth("360 images that prefer an arm, 6 × 3", preferring_images(6, 3, 360, 0.15)),
    OtherTruth("1000 images that prefer an arm, 4 × 5", preferring_images(4, 5, 1000, 0.05)),
    OtherTruth("equal cost, 6 cells, no difference", at_equal_cost(6, nothing)),
    OtherTruth("equal cost, 12 cells, no difference", at_equal_cost(12, nothing)),
    OtherTruth("equal cost, 12 cells, +0.5", at_equal_cost(12, half)),
    OtherTruth("equal cost, 15 cells, hockey stick", at_equal_cost(15, late)),
    OtherTruth("equal cost, 15 cells, crossing", at_equal_cost(15, across)),
    OtherTruth("equal cost, 12 cells, S-shaped curves", at_equal_cost(12, nothing, is_s=True)),
    OtherTruth("equal cost, 24 cells, S-shaped curves", at_equal_cost(24, nothing, is_s=True)),
    OtherTruth("equal cost, 12 cells, cells of their own", at_equal_cost(12, nothing, is_paired=False)),
    OtherTruth("equal cost, 12 cells, arm costs 90 % more", at_equal_cost(12, nothing, more=math.log(1.9))),
    *[
        OtherTruth(f"shares of {a:g} and {c:g}, {n} arms", attribution(a, c, n))
        for a, c in ((0.4, 0.4), (0.6, 0.3), (0.8, 0.0), (0.0, 0.0))
        for n in (3, 4)
    ],
    OtherTruth("law with floor, constant noise", law(5, 0.3, 0)),
    OtherTruth("law with floor, noise proportional to the error", law(5, 0.3, 1)),
    OtherTruth("law with floor, noise growing as the error falls", law(5, 0.3, -1)),
    OtherTruth("law without a floor", law(0, 0.3, 0)),
    OtherTruth("broken law", law(0, 0.4, 0, later=0.1)),
    OtherTruth("broken law, proportional noise", law(0, 0.4, 1, later=0.1)),
]
