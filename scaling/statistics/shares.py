"""Shares: how much of the gain of attention pooling is attention, and how much the capacity that comes with it.

Two poolings serve as controls: `average_mlp` has the parameters of attention without attention, `attention_no_mlp` has
attention without the MLP that holds most of its parameters. The two shares add up exactly to the gain, and nothing is
concluded from a difference that was not seen.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scaling.statistics.comparison import VerdictSettings, estimate_here
from scaling.statistics.contrast import Contrast
from scaling.statistics.estimates import Interval, only_finite
from scaling.statistics.kinds import usable_margin

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
    scores: Mapping[str, np.ndarray], settings: VerdictSettings, frame: Contrast | None = None
) -> Shares | None:
    """Divide the gain; None where the arms do not allow it.

    The gain has an interval at 1 − α, the shares at 1 − α/2 each, their difference and the interaction at 1 − α, all
    HERE, over the cells and repetitions in which all arms that are used have a score.

    Args:
        scores: arm → (cells, repetitions) in percent, NaN where there is none.
        settings: those of the study; a share counts as none within their margin, which is not above a tenth of the
            plain arm's mean error.
        frame: a contrast of the same cells with their names, costs and axes, for cells with one repetition.
    """
    wanted = contrasts(set(scores))
    if wanted is None:
        return None
    used = {arm: only_finite(scores[arm]) for arm in dict.fromkeys(arm for w in wanted.values() for arm in w)}
    complete = np.isfinite(np.sum(list(used.values()), axis=0))
    cells = np.flatnonzero(complete.any(axis=1))
    if len(cells) == 0:
        none = Interval(math.nan, math.nan, math.nan, 1 - settings.alpha, math.nan)
        return Shares("unknown", None, none, none, none, none, None, settings.margin, 0)

    def interval(weights: Weights, level: float) -> Interval:
        values = np.sum([weight * used[arm] for arm, weight in weights.items()], axis=0)
        values = np.where(complete, values, math.nan)
        place = replace(frame, arm=values, baseline=np.zeros_like(values)) if frame else Contrast(0 * values, values)
        return estimate_here(place.differences(cells), settings, level).mean.interval(level)

    alpha = settings.alpha
    difference = {arm: wanted["attention"].get(arm, 0) - wanted["capacity"].get(arm, 0) for arm in used}
    plain = np.where(complete, used[PLAIN], math.nan)[cells]
    found = _Found(
        interval(wanted["gain"], 1 - alpha),
        interval(wanted["attention"], 1 - alpha / 2),
        interval(wanted["capacity"], 1 - alpha / 2),
        interval(difference, 1 - alpha),
    )
    margin = usable_margin(settings.margin, float(np.nanmean(plain, axis=1).mean()))
    return Shares(
        cause=found.cause(margin),
        mostly=found.mostly(),
        gain=found.gain,
        attention=found.attention,
        capacity=found.capacity,
        difference=found.difference,
        interaction=interval(wanted["interaction"], 1 - alpha) if "interaction" in wanted else None,
        margin=margin,
        cells=len(cells),
    )


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
