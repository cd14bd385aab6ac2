"""Controls: is the gain of attention pooling due to attention, or to the capacity that comes with it?

Two poolings answer this if they are arms of a study: `average_mlp` has the parameters of attention without attention,
`attention_no_mlp` has attention without the MLP that holds most of its parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from scaling.statistics.intervals import MeanInterval
from scaling.statistics.paired import LEVEL, compare
from scaling.statistics.verdict import judge
from scaling.wording import plural, points

PLAIN, TREATED, CAPACITY, MECHANISM = "average", "attention", "average_mlp", "attention_no_mlp"
Cause = Literal["attention", "capacity", "both", "neither", "open", "no gain"]
PARTS = (  # baseline, arm, meaning of a gain
    (PLAIN, TREATED, "the whole gain"),
    (PLAIN, CAPACITY, "capacity alone"),
    (CAPACITY, TREATED, "attention at equal capacity"),
    (PLAIN, MECHANISM, "attention without the MLP"),
    (MECHANISM, TREATED, "the MLP on top of attention"),
)
ATTENTION, OF_CAPACITY = "attention", "capacity"
EVIDENCE = {  # contrasts that show each cause; the first known one counts
    ATTENTION: ((CAPACITY, TREATED), (PLAIN, MECHANISM)),
    OF_CAPACITY: ((PLAIN, CAPACITY), (MECHANISM, TREATED)),
}


@dataclass(frozen=True)
class ControlContrast:
    """One contrast among the four poolings, in paired cells."""

    baseline: str
    arm: str
    meaning: str
    difference: MeanInterval  # points; simultaneous with the other parts at 95 %
    pairs: int


@dataclass(frozen=True)
class ControlAnswer:
    """Whether a gain is due to attention or capacity."""

    cause: Cause
    sentence: str  # without a full stop
    parts: list[ControlContrast]


def attention_or_capacity(
    table: pd.DataFrame, arms: Sequence[str], margin: float, resolution: float = 0.0
) -> ControlAnswer | None:
    """Judge the contrasts that the arms allow, in the trials of `table`; None if no control is an arm.

    Args:
        margin: points within which a difference counts as none.
        resolution: smallest step of the accuracy, 100 / test images; the least spread of an interval.
    """
    if not {PLAIN, TREATED} <= set(arms) or not {CAPACITY, MECHANISM} & set(arms):
        return None
    wanted = [(base, arm, meaning) for base, arm, meaning in PARTS if base in arms and arm in arms]
    compared = [
        compare(table, base, arm, comparisons=len(wanted), level=LEVEL, resolution=resolution)
        for base, arm, _ in wanted
    ]
    parts = [
        ControlContrast(base, arm, meaning, comparison.difference, len(comparison.pairs))
        for (base, arm, meaning), comparison in zip(wanted, compared, strict=True)
    ]
    kinds = {(part.baseline, part.arm): judge(part.difference, margin) for part in parts}
    found = {
        cause: next((kinds[contrast] for contrast in contrasts if contrast in kinds), "unknown")
        for cause, contrasts in EVIDENCE.items()
    }
    cause = _cause(kinds[PLAIN, TREATED], found[ATTENTION], found[OF_CAPACITY])
    numbers = "; ".join(f"{part.meaning} ({part.arm} − {part.baseline}) {_number(part.difference)}" for part in parts)
    level = f"simultaneous {100 * LEVEL:.3g} % intervals of {plural(len(parts), 'difference')}"
    return ControlAnswer(cause, f"{SAID[cause]}: {numbers} ({level})", parts)


def _cause(whole: str, attention: str, capacity: str) -> Cause:
    if whole in ("worse", "practically equal"):
        return "no gain"
    if whole != "better" or "unknown" in (attention, capacity):
        return "open"
    helps = (attention == "better", capacity == "better")
    if helps == (True, True):
        return "both"
    if helps == (True, False):
        return "attention"
    if helps == (False, True):
        return "capacity"
    return "neither" if {attention, capacity} <= {"worse", "practically equal"} else "open"


SAID: dict[Cause, str] = {
    "attention": "the gain is due to attention: capacity alone shows no significant gain",
    "capacity": "the gain is due to capacity: attention at equal capacity shows no significant gain",
    "both": "the gain is due to both attention and capacity; each gains by itself",
    "neither": "neither attention nor capacity explains the gain by itself",
    "open": "it is not yet decided whether the gain is due to attention or capacity",
    "no gain": "attention pooling has no gain over average pooling to attribute to attention or capacity",
}


def _number(interval: MeanInterval) -> str:
    if not interval.is_known:
        return "unknown"
    estimate = points(interval.estimate, signed=True)
    return f"{estimate} points [{points(interval.low, signed=True)}, {points(interval.high, signed=True)}]"
