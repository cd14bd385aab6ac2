"""Changes of sign at equal cost: between which parts of the range the better arm changes.

A part's interval is of the mean over the part, so that a change can be placed between parts and never at a cost.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from scaling.statistics.equal_cost_parts import EqualCostParts
from scaling.statistics.estimates import Interval
from scaling.statistics.missing import Missing
from scaling.statistics.parts import Part
from scaling.statistics.sentences import decimals, ends
from scaling.statistics.words import Words
from scaling.wording import listing, points

PART_NAMES = {
    1: ("the whole range",),
    2: ("the cheaper half", "the more expensive half"),
    3: ("the cheapest third", "the middle third", "the most expensive third"),
}


@dataclass(frozen=True)
class SignChange:
    """Two parts whose intervals lie on either side of zero, with none between them that lies on a side."""

    before: int  # place of the cheaper part
    after: int


def sign_of(part: Part) -> int:
    """1 or −1 where the part's interval leaves out zero, otherwise 0."""
    return int(part.interval.is_above_zero) - int(part.interval.is_below_zero)


def sign_changes(parts: Sequence[Part]) -> list[SignChange]:
    """Find the changes of sign along the parts, the cheapest part first; parts that are open are passed over."""
    decided = [(place, sign) for place, part in enumerate(parts) if (sign := sign_of(part))]
    return [
        SignChange(before, after) for (before, sign), (after, other) in itertools.pairwise(decided) if sign != other
    ]


def sign_change_sentence(found: EqualCostParts | Missing, words: Words) -> str:
    """Say between which parts the better arm changes, or that no change is seen, with a full stop."""
    at = f"At equal {words.cost_title or words.cost or 'cost'}"
    if isinstance(found, Missing):
        return f"{at} nothing is known of a change of sign: {found.said}."
    names = PART_NAMES[len(found.parts)]
    changes = sign_changes(found.parts)
    if changes:
        return f"{at} the better arm changes {listing([_between(one, found, words) for one in changes])}."
    signs = [sign_of(part) for part in found.parts]
    open_parts = [name for name, sign in zip(names, signs, strict=True) if not sign]
    if not open_parts:
        better = words.arm if signs[0] > 0 else words.baseline
        return f"{at} no change of sign: {better} is ahead in every part."
    if len(open_parts) == len(names):
        return f"{at} no change of sign is seen: no part is decided."
    return f"{at} no change of sign is seen; {listing(open_parts)} {_are(open_parts)} open."


def _between(change: SignChange, found: EqualCostParts, words: Words) -> str:
    names = PART_NAMES[len(found.parts)]
    before, after = (_described(found.parts[place], names[place], words) for place in (change.before, change.after))
    skipped = names[change.before + 1 : change.after]
    left_open = f", {listing(skipped)} being open" if skipped else ""
    return f"between {before} and {after}{left_open}"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _described(part: Part, name: str, words: Words) -> str:
    """`the cheaper half (0.3 M to 0.9 M MACs: −0.33, −0.48 to −0.18)`."""
    assert part.low_cost is not None
    assert part.high_cost is not None
    return f"{name} ({words.span(part.low_cost, part.high_cost, 'to')}: {with_ends(part.interval)})"


def with_ends(interval: Interval) -> str:
    """`−0.33, −0.48 to −0.18`, to stand in brackets."""
    return f"{points(interval.estimate, signed=True, decimals=decimals(interval))}, {ends(interval)}"
