"""Sentences for the difference at equal cost, for the shares of attention and capacity, and for scaling laws."""

import math

from scaling.statistics.equal_cost_parts import EqualCostParts
from scaling.statistics.estimates import Interval
from scaling.statistics.kinds import Kind
from scaling.statistics.missing import Missing
from scaling.statistics.sentences import bare, ends
from scaling.statistics.shares import Shares
from scaling.statistics.weighted_law import LawFit
from scaling.statistics.words import Words
from scaling.wording import points

SHORT_PARTS = {
    2: ("in the cheaper half", "the more expensive half"),
    3: ("in the cheapest third", "the middle", "the most expensive"),
}


def equal_cost_sentence(found: EqualCostParts | Missing, words: Words) -> str:
    """`At equal MACs attention is ahead by 0.31 (0.10 to 0.52) on average over …; in the cheapest third …`."""
    at = f"At equal {words.cost_title or words.cost or 'cost'}"
    if isinstance(found, Missing):
        return f"{at} there is no answer: {found.said}."
    over = f"on average over {words.span(found.low_cost, found.high_cost, 'to')}"
    names = SHORT_PARTS[len(found.parts)]
    each = ", ".join(
        f"{name} {bare(part.interval) if part.interval.is_known else 'unknown'}"
        for name, part in zip(names, found.parts, strict=True)
    )
    return f"{at} {_mean(found, words)} {over}; {each}."


def law_sentence(found: LawFit | Missing, words: Words) -> str:
    """`α 0.30 (0.24 to 0.37) over 1 M to 300 M MACs; whether the curve flattens to a floor or bends, …`"""
    if isinstance(found, Missing):
        return f"No law of {words.arm}: {found.said}."
    alpha, over = found.alpha, words.span(found.low_cost, found.high_cost, "to")
    if not found.tells_alpha:
        return f"No exponent of {words.arm}: any α fits {over}."
    high = points(alpha.high) if math.isfinite(alpha.high) else "open"
    start = f"α {points(alpha.estimate)} ({points(alpha.low)} to {high}) over {over}"
    if found.floor_is_known:
        return f"{start}; it flattens to a floor of {bare(found.floor)} % error."
    return f"{start}; whether the curve flattens to a floor or bends, these costs do not tell."


def _mean(found: EqualCostParts, words: Words) -> str:
    mean = found.mean
    if found.kind is Kind.BETTER:
        return f"{words.arm} is ahead by {bare(mean)}"
    if found.kind is Kind.WORSE:
        return f"{words.arm} is behind by {bare(mean.mirrored())}"
    if found.kind is Kind.BY_SIZE:
        return f"it depends on size: {words.arm} differs from {words.baseline} by {bare(mean, signed=True)}"
    if found.kind is Kind.EQUAL:
        return f"{words.arm} and {words.baseline} are practically equal, {bare(mean, signed=True)}"
    if found.kind is Kind.UNKNOWN:
        return f"nothing tells {words.arm} and {words.baseline} apart, {points(mean.estimate, signed=True)} points"
    return f"it is inconclusive, {bare(mean, signed=True)}"


def shares_sentence(found: Shares) -> str:
    """`Of the gain of 0.81, attention gives 0.41 (0.22 to 0.60) and capacity 0.40 (0.21 to 0.59): both.`"""
    if found.cause == "unknown":
        return "Attention or capacity: no verdict, as nothing tells the luck of training where all arms were run."
    if not found.gain.is_above_zero:
        start = f"The gain of {bare(found.gain, signed=True)} is not settled"
    else:
        start = f"Of the gain of {points(found.gain.estimate)} ({ends(found.gain)})"
    return f"{start}, {_body(found)}{_mostly(found)}.{_interaction(found.interaction)}"


def _body(found: Shares) -> str:
    attention, capacity = bare(found.attention), bare(found.capacity)
    if found.cause == "attention at least":
        return f"attention gives {attention} at least; capacity {capacity}, open"
    if found.cause == "capacity at least":
        return f"capacity gives {capacity} at least; attention {attention}, open"
    ending = {
        "both": "both",
        "attention": f"attention, capacity being within ±{found.margin:.2g}",
        "capacity": f"capacity, attention being within ±{found.margin:.2g}",
    }.get(found.cause, "open")
    return f"attention gives {attention} and capacity {capacity}: {ending}"


def _mostly(found: Shares) -> str:
    return f", mostly {found.mostly}" if found.mostly and found.cause in ("both", "open", *_AT_LEAST) else ""


_AT_LEAST = ("attention at least", "capacity at least")


def _interaction(interval: Interval | None) -> str:
    if interval is None or not interval.is_known:
        return ""
    if interval.is_above_zero:
        return f" They help each other: {bare(interval)} more together than each by itself."
    return f" Together they give {bare(interval, signed=True)} more than each by itself."
