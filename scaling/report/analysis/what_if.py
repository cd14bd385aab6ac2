"""What if: what would change a verdict, from what is known of it."""

import math

import numpy as np

from scaling.report.analysis.verdicts import ArmVerdict
from scaling.statistics.comparison import VerdictSettings, assess
from scaling.statistics.estimates import Interval
from scaling.statistics.kinds import Kind, usable_margin
from scaling.statistics.sentences import advice, bare
from scaling.wording import plural

MOST_CELLS = 60  # to leave out one by one
DECIDED = (Kind.BETTER, Kind.WORSE)


def what_would_change(verdict: ArmVerdict, settings: VerdictSettings) -> list[str]:
    """Sentences on what could turn the verdict into another one; empty where there is none."""
    if verdict.kind is Kind.UNKNOWN:
        return []
    said = [_without_one(verdict, settings), _other_images(verdict), _lost(verdict), _margin(verdict, settings)]
    if verdict.found.further:
        said.append(advice(verdict.found.further))
    return [sentence for sentence in said if sentence]


def _without_one(verdict: ArmVerdict, settings: VerdictSettings) -> str | None:
    """How often the kind would be another with one model less."""
    cells = verdict.contrast.paired()
    if not 2 < len(cells) <= MOST_CELLS:
        return None
    kinds = [assess(verdict.contrast, settings, np.delete(cells, place)).kind for place in range(len(cells))]
    other = [kind for kind in kinds if kind is not verdict.kind]
    if not other:
        return f"Leaving out any one of the {len(cells)} models changes nothing."
    names = list(verdict.cells.index)
    first = next(place for place, kind in enumerate(kinds) if kind is not verdict.kind)
    if len(other) == 1:
        return f"Without {names[first]} it would be {other[0]}; without any other model it stays."
    words = " or ".join(dict.fromkeys(str(kind) for kind in other))
    return f"Without one of {plural(len(other), 'model')}, such as {names[first]}, it would be {words}."


def _other_images(verdict: ArmVerdict) -> str | None:
    """What the choice of the test images does to a verdict that leaves out zero."""
    images = verdict.found.assessment.other_images
    if images is None or verdict.kind not in DECIDED:
        return None
    if images.both.is_above_zero or images.both.is_below_zero:
        return f"Other test images would leave it as it is: {bare(images.both, signed=True)} points with them."
    return f"Other test images could: with them, too, it is {bare(images.both, signed=True)} points."


def _lost(verdict: ArmVerdict) -> str | None:
    """What lost trials would do if they had been the worst seen."""
    losses = verdict.found.assessment.losses
    bounds = [bound for bound in (losses.if_arm_bad, losses.if_baseline_bad) if bound is not None and bound.is_known]
    if not bounds or verdict.kind not in DECIDED:
        return None
    widest = min(bounds, key=_distance)
    return f"With the lost runs at the worst seen it is {bare(widest, signed=True)} points."


def _distance(interval: Interval) -> float:
    """By how much an interval leaves out zero; negative where it holds zero."""
    return max(interval.low, -interval.high)


def _margin(verdict: ArmVerdict, settings: VerdictSettings) -> str | None:
    """From which margin on a difference of this size would count as none; None where a margin may not be so large."""
    here = verdict.difference
    reach = max(abs(here.low), abs(here.high))
    if verdict.kind in (Kind.EQUAL, Kind.BY_SIZE, Kind.MIXED) or not math.isfinite(reach):
        return None
    if usable_margin(reach, float(np.mean(verdict.cells["baseline"].to_numpy(dtype=float)))) < reach:
        return None
    return (
        f"A margin of {reach:.2g} points or more would count a difference like this as none; {settings.margin:.2g} was"
        " set, and a margin is to be set before the results are seen."
    )
