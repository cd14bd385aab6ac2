"""The whole verdict of one arm against the baseline: numbers, kind, remarks and sentence."""

import math
from dataclasses import replace

import numpy as np

from scaling.statistics.comparison import Assessment, Comparison, VerdictSettings, assess, no_assessment, plan_of
from scaling.statistics.contrast import Contrast
from scaling.statistics.estimates import Interval, around
from scaling.statistics.kinds import Kind
from scaling.statistics.lost import count_losses
from scaling.statistics.remarks import deciding_cell, growth, odd_cells
from scaling.statistics.sentences import bare, decimals, ends, level_text, lost_text, verdict_sentence
from scaling.statistics.unknown import Reason, incomplete_sentence, reason_of
from scaling.statistics.words import Words
from scaling.wording import first_few, plural, points

MOST_NAMED = 6
CLEAN = 0.05


def judge(contrast: Contrast, settings: VerdictSettings | None = None, words: Words | None = None) -> Comparison:
    """Judge a contrast and put the answer into words."""
    settings, words = settings or VerdictSettings(), words or Words()
    found = assess(contrast, settings)
    further = plan_of(found, settings)
    return Comparison(
        kind=found.kind,
        here=found.here,
        beyond=found.beyond,
        parts=found.parts,
        margin=found.margin,
        remarks=remarks_on(contrast, settings, found, words),
        sentence=verdict_sentence(found, settings, words, further),
        further=further,
        assessment=found,
        reason=reason_of(found, settings),
    )


def so_far(contrast: Contrast, settings: VerdictSettings, words: Words, planned: int) -> Comparison:
    """The difference so far of a plan that is incomplete: the kind is unknown, and nothing has an interval.

    Args:
        planned: pairs of the whole plan.
    """
    values = contrast.differences().values
    pairs = int(np.isfinite(values).sum())
    planned = max(planned, pairs)
    difference = float(np.nanmean(values, axis=1).mean()) if len(values) else math.nan
    here = around(difference, math.nan, settings.level, math.nan)
    found = replace(no_assessment(settings, count_losses(contrast)), here=here)
    return Comparison(
        kind=Kind.UNKNOWN,
        here=here,
        beyond=None,
        parts=[],
        margin=settings.margin,
        remarks=[],
        sentence=incomplete_sentence(difference, pairs, planned, words),
        further=None,
        assessment=found,
        reason=Reason.INCOMPLETE,
    )


def remarks_on(contrast: Contrast, settings: VerdictSettings, found: Assessment, words: Words) -> list[str]:
    """Sentences that go with the verdict, whatever its kind."""
    own = found.estimate
    said = [*_lost(found, words)]
    if own is None:
        return said
    if found.kind is not Kind.UNKNOWN:
        if cell := deciding_cell(contrast, settings, found):
            said.append(f"Without {cell.name} ({points(cell.difference, signed=True)} points) it would be {cell.kind}.")
        for odd in odd_cells(own):
            said.append(
                f"{odd.name} is odd: {points(odd.difference, signed=True)} points where the other models suggest"
                f" {points(odd.expected, signed=True)}."
            )
        if (slope := growth(own, settings.level)) and (slope.low > 0 or slope.high < 0):
            said.append(_growth(slope))
    said += _other_images(found, words)
    if len(own.differences) > 1 and own.differences.cost is None:
        said.append("The costs of the models are not known, so that nothing is said by size.")
    if not own.cells.is_repeated and len(own.differences) > 1:
        said.append("Each model has one run an arm: whether single models differ is not known.")
    return said


def _growth(slope: Interval) -> str:
    verb = "rises" if slope.low > 0 else "falls"
    shown = slope if slope.low > 0 else slope.mirrored()
    by = points(shown.estimate, decimals=decimals(shown))
    return f"With size the difference {verb} by {by} points per doubling of the cost ({ends(shown)})."


def _lost(found: Assessment, words: Words) -> list[str]:
    losses, said = found.losses, []
    if losses.any:
        said.append(f"{lost_text(found, words)}.")
    elif losses.arm_trials > 1 and found.estimate is not None:
        share = 100 * (1 - CLEAN ** (1 / losses.arm_trials))
        said.append(
            f"No run of {words.arm} was lost; {plural(losses.arm_trials, 'run')} cannot rule out that up to"
            f" {share:.0f} % of runs would collapse."
        )
    if losses.never:
        said.append(
            f"{words.arm} does not train at {first_few(losses.never, MOST_NAMED)}, which is no part of the difference."
        )
    return said


def _other_images(found: Assessment, words: Words) -> list[str]:
    other = found.other_images
    if other is None:
        return []
    both = other.both
    return [
        f"With other test images like these {other.images}, too, {bare(both, signed=True)} points"
        f" ({level_text(both.level)})."
    ]
