"""Shares: how much of the gain of attention pooling is attention, and how much the capacity that comes with it.

Two poolings serve as controls: `average_mlp` has the parameters of attention without attention, `attention_no_mlp` has
attention without the MLP that holds most of its parameters. The two shares add up exactly to the gain, and nothing is
concluded from a difference that was not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaling.statistics.estimates import Interval, only_finite
from scaling.statistics.here import cell_means
from scaling.statistics.contrast import Differences, known_costs, with_levels
from scaling.statistics.beyond import scatter_about
from scaling.statistics.kinds import usable_margin
from scaling.statistics.parts import mean_of

PLAIN, TREATED, CAPACITY, MECHANISM = "average", "attention", "average_mlp", "attention_no_mlp"
Cause = Literal["both", "attention", "capacity", "attention at least", "capacity at least", "open", "unknown"]
Weights = Mapping[str, float]


@dataclass(frozen=True)
class Shares:
    """The gain of attention over average pooling in its two shares, over the same cells and repetitions."""

    cause: Cause
    mostly: Literal["attention", "capacity"] | None  # which share is the larger one, where that is sure
    gain: Interval
    attention: Interval  # at the level of two intervals that hold together
    capacity: Interval
    difference: Interval  # attention − capacity
    interaction: Interval | None  # with all four arms: above zero, the two help each other
    margin: float
    cells: int


def contrasts(arms: set[str]) -> dict[str, Weights] | None:
    """Weights of the arms in the gain, the shares and the interaction; None where the controls are missing.

    Four arms: attention = ½ [(y10 − y00) + (y11 − y01)], capacity = ½ [(y01 − y00) + (y11 − y10)]; without y10
    (attention_no_mlp) y11 − y01 and y01 − y00; without y01 (average_mlp) y10 − y00 and y11 − y10. The averages over
    both orders are Shapley values (Shapley 1953).
    """
    if not {PLAIN, TREATED} <= arms:
        return None
    gain = {TREATED: 1.0, PLAIN: -1.0}
    if {CAPACITY, MECHANISM} <= arms:
        half = {TREATED: 0.5, PLAIN: -0.5}
        return {
            "gain": gain,
            "attention": {**half, MECHANISM: 0.5, CAPACITY: -0.5},
            "capacity": {**half, MECHANISM: -0.5, CAPACITY: 0.5},
            "interaction": {TREATED: 1.0, MECHANISM: -1.0, CAPACITY: -1.0, PLAIN: 1.0},
        }
    if CAPACITY in arms:
        return {"gain": gain, "attention": {TREATED: 1.0, CAPACITY: -1.0}, "capacity": {CAPACITY: 1.0, PLAIN: -1.0}}
    if MECHANISM in arms:
        return {"gain": gain, "attention": {MECHANISM: 1.0, PLAIN: -1.0}, "capacity": {TREATED: 1.0, MECHANISM: -1.0}}
    return None


def share_the_gain(
    scores: Mapping[str, np.ndarray],
    margin: float,
    alpha: float = 0.05,
    images: int | None = None,
    cost: np.ndarray | None = None,
    axes: Mapping[str, np.ndarray] | None = None,
) -> Shares | None:
    """Divide the gain; None where the arms do not allow it.

    The gain has an interval at 1 − α, the shares at 1 − α/2 each, their difference and the interaction at 1 − α, all
    HERE, over the cells and repetitions in which all arms that are used have a score.

    Args:
        scores: arm → (cells, repetitions) in percent, NaN where there is none.
        margin: points within which a share counts as none; not above a tenth of the plain arm's mean error.
        cost: (cells,) and `axes`: as in `Contrast`; used where cells have one repetition.
    """
    wanted = contrasts(set(scores))
    if wanted is None:
        return None
    used = {arm: only_finite(scores[arm]) for arm in dict.fromkeys(arm for w in wanted.values() for arm in w)}
    complete = np.isfinite(np.sum(list(used.values()), axis=0))
    cells = np.flatnonzero(complete.any(axis=1))
    kept = {arm: np.where(complete, values, np.nan)[cells] for arm, values in used.items()}
    costs = known_costs(None if cost is None else np.asarray(cost, dtype=float)[cells])
    own_axes = with_levels({name: np.asarray(values, dtype=float)[cells] for name, values in (axes or {}).items()})

    def interval(weights: Weights, level: float) -> Interval:
        if len(cells) == 0:
            return Interval(*(float("nan"),) * 3, level, float("nan"))
        values = np.sum([weight * kept[arm] for arm, weight in weights.items()], axis=0)
        means = cell_means(values, images)
        place = Differences(values, tuple(map(str, cells)), costs, own_axes)
        scatter = None if means.is_repeated else scatter_about(means.mean, place)
        return mean_of(means, scatter).interval(level)

    difference = {arm: wanted["attention"].get(arm, 0) - wanted["capacity"].get(arm, 0) for arm in used}
    plain = float(np.nanmean(kept[PLAIN], axis=1).mean()) if len(cells) else float("nan")
    found = _Found(
        interval(wanted["gain"], 1 - alpha),
        interval(wanted["attention"], 1 - alpha / 2),
        interval(wanted["capacity"], 1 - alpha / 2),
        interval(difference, 1 - alpha),
    )
    least = usable_margin(margin, plain)
    interaction = interval(wanted["interaction"], 1 - alpha) if "interaction" in wanted else None
    return Shares(
        found.cause(least), found.mostly(), found.gain, found.attention, found.capacity, found.difference,
        interaction, least, len(cells),
    )  # fmt: skip


@dataclass(frozen=True)
class _Found:
    gain: Interval
    attention: Interval
    capacity: Interval
    difference: Interval

    def cause(self, margin: float) -> Cause:
        """What the shares show: a cause alone needs the other share to be within the margin, not merely unseen."""
        if not (self.attention.is_known and self.capacity.is_known):
            return "unknown"
        if self.attention.is_above_zero and self.capacity.is_above_zero:
            return "both"
        if self.attention.is_above_zero:
            return "attention" if self.capacity.lies_within(margin) else "attention at least"
        if self.capacity.is_above_zero:
            return "capacity" if self.attention.lies_within(margin) else "capacity at least"
        return "open"

    def mostly(self) -> Literal["attention", "capacity"] | None:
        if not self.gain.is_above_zero:
            return None
        if self.difference.is_above_zero:
            return "attention"
        return "capacity" if self.difference.is_below_zero else None
