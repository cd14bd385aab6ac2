"""Sentences: a comparison in plain English."""

from collections.abc import Sequence

import numpy as np

from scaling.statistics.beyond import FEW_LEVELS, FEWEST_CELLS, has_one_size
from scaling.statistics.comparison import Assessment, HereEstimate, VerdictSettings
from scaling.statistics.estimates import Interval
from scaling.statistics.further_runs import MOST, FurtherRuns
from scaling.statistics.kinds import Kind
from scaling.statistics.parts import Part
from scaling.statistics.unknown import unknown_sentence
from scaling.statistics.words import Words
from scaling.wording import listing, plural, points

SMALL_NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
PART_NAMES = {
    2: "the cheaper and the more expensive half",
    3: "the cheapest, middle and most expensive third",
}


def bare(interval: Interval, signed: bool = False) -> str:
    """`0.41 (0.27 to 0.55)`, with as many decimals as show on which side of zero the ends are."""
    digits = decimals(interval)
    return f"{points(interval.estimate, signed=signed, decimals=digits)} ({ends(interval)})"


def ends(interval: Interval, joint: str = "to") -> str:
    digits = decimals(interval)
    return f"{points(interval.low, decimals=digits)} {joint} {points(interval.high, decimals=digits)}"


def decimals(interval: Interval) -> int:
    nearest = min(abs(interval.low), abs(interval.high))
    return next((d for d in (2, 3) if nearest == 0 or not nearest < 10**-d / 2), 4)


def level_text(level: float) -> str:
    """`95 % interval`, `98.7 % interval`."""
    return f"{100 * level:.3g} % interval"


def verdict_sentence(found: Assessment, settings: VerdictSettings, words: Words, further: FurtherRuns | None) -> str:
    """The verdict in one sentence or a few, with full stops."""
    own = found.estimate
    if own is None or found.kind is Kind.UNKNOWN:
        return unknown_sentence(found, settings, words)
    said = {
        Kind.BETTER: lambda: _one_side(found, own, words, "beats", found.here),
        Kind.WORSE: lambda: _one_side(found, own, words, "loses to", found.here.mirrored()),
        Kind.EQUAL: lambda: _equal(found, own, settings, words),
        Kind.BY_SIZE: lambda: _by_size(found, words),
        Kind.MIXED: lambda: (
            "Better in some of these models and worse in others, not in order of size:"
            f" mean {bare(found.here, signed=True)}."
        ),
        Kind.INCONCLUSIVE: lambda: _inconclusive(found, settings, words, further),
    }[found.kind]()
    return " ".join(part for part in (said, _beyond(found, own, words), _few_levels(own)) if part)


def _models(count: int, words: Words) -> str:
    if count == 1:
        return f"In the only model {words.ran.replace('were', 'was')}"
    return f"In the {count} models {words.ran}"


def _runs(own: HereEstimate) -> str:
    """`the luck of training, 3 runs each`."""
    low, high = int(own.cells.count.min()), int(own.cells.count.max())
    each = plural(high, "run") if low == high else f"{low} to {high} runs"
    what = "the luck of training" if own.cells.is_repeated else "how the models scatter"
    return f"{what}, {each} each"


def _one_side(found: Assessment, own: HereEstimate, words: Words, verb: str, interval: Interval) -> str:
    by = points(interval.estimate, decimals=decimals(interval))
    evidence = f"({level_text(interval.level)} {ends(interval)}: {_runs(own)})"
    return f"{_models(len(own.differences), words)}, {words.arm} {verb} {words.baseline} by {by} points {evidence}."


def _equal(found: Assessment, own: HereEstimate, settings: VerdictSettings, words: Words) -> str:
    here, count = found.here, len(found.parts)
    mean = f"{points(here.estimate, signed=True, decimals=decimals(here))} points on average ({ends(here)})"
    small = f"under {found.margin:.2g} points"
    if found.margin < settings.margin:
        small += ", a tenth of the errors that are left"
    alike = f", and in {PART_NAMES[count]} alike" if count > 1 else ""
    single = "" if own.cells.is_repeated else "; single models were not looked at, as each has one run an arm"
    whole = f"{mean}{alike} (typical difference {small}){single}."
    return f"{words.arm} and {words.baseline} are practically equal: {whole}"


def _by_size(found: Assessment, words: Words) -> str:
    said = [
        f"{_where(place, found.parts, words)} {'it' if said_before else words.arm}"
        f" {'wins' if part.wide.is_above_zero else 'loses'} by"
        f" {bare(part.wide if part.wide.is_above_zero else part.wide.mirrored())}"
        for said_before, (place, part) in enumerate(
            (place, part)
            for place, part in enumerate(found.parts)
            if part.wide.is_above_zero or part.wide.is_below_zero
        )
    ]
    share = {2: "half", 3: "third"}[len(found.parts)]
    return f"It depends on size: {', '.join(said)}, each a mean over a {share} of the models."


def _where(place: int, parts: Sequence[Part], words: Words) -> str:
    part = parts[place]
    low, high = part.low_cost or 0.0, part.high_cost or 0.0
    if place == 0:
        return f"up to {words.costs(high)}"
    if place == len(parts) - 1:
        return f"from {words.costs(low)} on"
    return f"between {words.span(low, high)}"


def _inconclusive(found: Assessment, settings: VerdictSettings, words: Words, further: FurtherRuns | None) -> str:
    numbers = bare(found.here, signed=True).replace(" (", " points (", 1)
    if found.equal_on_these_images:
        return (
            f"equal on these images: {numbers}; {settings.images or 'these'} images cannot show whether the difference"
            f" is within ±{found.margin:.2g}."
        )
    said = [f"inconclusive: {numbers}."]
    if found.withheld:
        said.append(withheld_text(found, words))
    if found.margin == 0:
        said.append(f"{words.baseline} makes no mistakes, so that no difference counts as none.")
    if further:
        said.append(advice(further))
    elif settings.is_last_look:
        said.append("The plan was fixed, so that further runs are a new study.")
    if further and settings.look is not None and settings.next_alpha is not None:
        level = f"{100 * settings.next_alpha:.1g} %"
        together = "both" if settings.look == 1 else "all"
        said.append(
            f"This was look {settings.look}; what look {settings.look + 1} may say is at the {level} level, so that"
            f" {together} together hold 5 %."
        )
    return " ".join(said)


def advice(further: FurtherRuns) -> str:
    """What more runs would settle, for the stated difference."""
    said = []
    if further.repetitions is not None:
        said.append(
            f"if it is {further.detect:.2g} or more, {further.repetitions} more {_run_word(further.repetitions)} of"
            f" each model and arm ({further.runs} runs) show it in four of five cases"
        )
    if further.settle is not None:
        more = f"{further.settle} more ({further.settle_runs} runs)" if said else (
            f"{further.settle} more {_run_word(further.settle)} of each model and arm ({further.settle_runs} runs)"
        )  # fmt: skip
        said.append(f"{more} settle it in any case")
    if not said:
        return f"Not even {MOST} more runs of each model and arm would show a difference of {further.detect:.2g}."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _run_word(count: int) -> str:
    return "run" if count == 1 else "runs"


def withheld_text(found: Assessment, words: Words) -> str:
    """Why better or worse is not said although the interval leaves out zero."""
    losses = found.losses
    counts = f"{lost_text(found, words)}"
    bound = losses.if_arm_bad if found.withheld is Kind.BETTER else losses.if_baseline_bad
    if bound is not None and bound.is_known and not (bound.is_above_zero or bound.is_below_zero):
        return (
            f"{counts}: counted at the worst seen, the difference is {bare(bound)}, so '{found.withheld}' is not said."
        )
    return f"{counts}, so '{found.withheld}' is not said."


def lost_text(found: Assessment, words: Words) -> str:
    """`attention lost 4 of 36 runs, average none`."""
    losses = found.losses
    other = f"{losses.baseline} of {losses.baseline_trials}" if losses.baseline else "none"
    own = f"{losses.arm} of {plural(losses.arm_trials, 'run')}" if losses.arm else "no run"
    return f"{words.arm} lost {own}, {words.baseline} {other}"


def _beyond(found: Assessment, own: HereEstimate, words: Words) -> str:
    """What is known of other models."""
    beyond, cost = found.beyond, own.differences.cost
    if beyond is None:
        return _no_beyond(own)
    if found.kind in (Kind.BY_SIZE, Kind.MIXED):
        return ""
    sizes = "of this range" if cost is None else f"between {words.span(float(cost.min()), float(cost.max()))}"
    better, worse = found.kind is Kind.BETTER, found.kind is Kind.WORSE
    if (better and beyond.is_above_zero) or (worse and beyond.is_below_zero):
        shown = beyond if better else beyond.mirrored()
        return f"Other models {sizes}: {ends(shown)}, {found.kind} as well."
    if better or worse:
        return f"Other models {sizes}: anything from {ends(beyond)}, not settled."
    return f"Other models {sizes}: {ends(beyond)}."


def _no_beyond(own: HereEstimate) -> str:
    count = len(own.differences)
    if count == 1:
        return "Nothing is known of others."
    if count < FEWEST_CELLS:
        return f"Of other models these {_in_words(count)} cannot tell."
    if own.differences.cost is None:
        return "The costs of the models are not known, so that nothing is said of other sizes."
    if has_one_size(own.differences.cost):
        return "All models cost the same, so that nothing is known of other sizes."
    return "Nothing is known of other models."


def _few_levels(own: HereEstimate) -> str:
    """About which levels of the axes this is said, where an axis has few."""
    axes, count = own.differences.axes, len(own.differences)
    few = {name: np.unique(values) for name, values in axes.items() if len(np.unique(values)) < FEW_LEVELS}
    if not few or count < FEWEST_CELLS:
        return ""
    said = listing([f"{_plural_of(name)} {', '.join(f'{v:g}' for v in levels)}" for name, levels in few.items()])
    others = " or ".join(_plural_of(name) for name in few)
    return f"Said of {said}; of other {others} these {_in_words(count)} models cannot tell."


def _plural_of(name: str) -> str:
    name = name.rpartition(".")[2]
    return name if name.endswith("s") else f"{name}s"


def _in_words(count: int) -> str:
    return SMALL_NUMBERS[count] if count < len(SMALL_NUMBERS) else str(count)
