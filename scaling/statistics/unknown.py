"""Unknown: why there is no verdict, in a word for scripts and in a sentence for readers."""

import math
from enum import StrEnum

from scaling.statistics.comparison import Assessment, VerdictSettings
from scaling.statistics.kinds import Kind
from scaling.statistics.words import Words
from scaling.wording import plural, points


class Reason(StrEnum):
    """Why a comparison has no verdict."""

    INCOMPLETE = "incomplete"  # trials of the plan are missing
    NO_BASELINE = "no run of the baseline"
    NO_ARM = "no run of the arm"
    NO_PAIR = "no pair"  # no cell and repetition in which both have a score
    ONE_PAIR = "one pair"
    ONE_DRAW = "one seed"  # shared by all cells
    NO_SPREAD = "no spread"  # all differences are equal


def reason_of(found: Assessment, settings: VerdictSettings) -> Reason | None:
    """Why an assessment has no verdict; None where it has one."""
    if found.kind is not Kind.UNKNOWN:
        return None
    own, losses = found.estimate, found.losses
    if own is None:
        if losses.baseline == losses.baseline_trials:
            return Reason.NO_BASELINE
        return Reason.NO_ARM if losses.arm == losses.arm_trials else Reason.NO_PAIR
    cells = own.cells
    if len(cells.mean) == 1 and cells.count[0] == 1:
        return Reason.ONE_PAIR
    if settings.shared_seeds and not own.mean.is_known and math.isnan(own.mean.variance):
        return Reason.ONE_DRAW
    return Reason.NO_SPREAD


def unknown_sentence(found: Assessment, settings: VerdictSettings, words: Words) -> str:
    """No verdict, and why."""
    own = found.estimate
    difference = "" if own is None else points(float(own.cells.mean.mean()), signed=True)
    said = {
        Reason.NO_BASELINE: f"no run of {words.baseline} has finished with a score.",
        Reason.NO_ARM: f"no run of {words.arm} has finished with a score.",
        Reason.NO_PAIR: f"no model has a run in which both {words.arm} and {words.baseline} have finished.",
        Reason.ONE_PAIR: f"a single pair of runs gives {difference} points, and one pair does not show its own luck.",
        Reason.ONE_DRAW: f"{difference} points, but all models were trained with the same seed, so that its luck cannot"
        " be told from the difference.",
        Reason.NO_SPREAD: f"{difference} points on average, but the pairs of each model differ by the same, so that"
        " nothing shows how much luck moves a score.",
    }
    reason = reason_of(found, settings)
    return f"No verdict: {said[reason]}" if reason else "No verdict."


def incomplete_sentence(difference: float, pairs: int, planned: int, words: Words) -> str:
    """The difference so far, without a verdict."""
    so_far = f"{pairs} of {plural(planned, 'pair')}; no verdict before the plan is complete."
    if not pairs:
        return f"No verdict yet: {so_far}"
    return f"{words.arm} differs from {words.baseline} by {points(difference, signed=True)} points so far: {so_far}"
