"""Missing: why a statistic cannot be given, for a reader and for a script."""

from dataclasses import dataclass
from typing import Literal

Why = Literal[
    "no trials",  # nothing has finished with a score
    "one arm",  # a comparison needs two
    "unknown cost",  # the records do not have this cost, or not for enough cells
    "equal costs",  # all cells cost the same, so that there is no range
    "no overlap",  # the arms have no cost in common
    "too few cells",
    "too few costs",  # distinct, for a law through them
    "narrow range",  # of costs, for a law along it
    "one seed",  # the effect of luck on a score is unknown
    "incomplete",  # trials of the plan are missing
]


@dataclass(frozen=True)
class Missing:
    """A statistic that the data do not support."""

    why: Why
    said: str  # one clause, without a full stop

    def __bool__(self) -> bool:
        return False
