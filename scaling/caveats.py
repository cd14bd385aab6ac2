"""Caveats: what a reader must know before believing the verdict; one function a caveat, silent where none is due."""

import math
from collections import Counter
from collections.abc import Callable

from scaling.analysis import Analysis, incomplete, overheads
from scaling.metrics import METRICS
from scaling.statistics.verdict import arm_name, judge, plural, points

Caveat = Callable[[Analysis], str | None]
CAVEATS: dict[str, Caveat] = {}
FEWEST_EXAMPLES = 2000  # test images below which one image weighs more than 0.05 points
WORTH_SAYING = 5.0  # percent of extra cost
AT_MOST = 6  # cells named one by one


def caveat(say: Caveat) -> Caveat:
    """Register a function as a caveat under its own name; to be used as a decorator."""
    name = say.__name__
    if name in CAVEATS:
        raise ValueError(f"a caveat named '{name}' is registered already")
    CAVEATS[name] = say
    return say


def caveats(analysis: Analysis) -> list[str]:
    """All that applies, one sentence or two each."""
    return [said for say in CAVEATS.values() if (said := say(analysis)) is not None]


@caveat
def under_way(analysis: Analysis) -> str | None:
    """The study has trials that have not ended."""
    missing = analysis.progress.missing
    if not missing:
        return None
    planned = plural(analysis.progress.planned, "trial")
    said = f"{missing} of {planned} have not ended: they are running, or not yet started."
    if not any(verdict.comparison.difference.is_known for verdict in analysis.verdicts):
        return said
    return f"{said} A verdict that is looked at again and again until it pleases is no longer one with 95 % confidence."


@caveat
def lost_pairs(analysis: Analysis) -> str | None:
    """Trials that failed or diverged took pairs with them."""
    lost = incomplete(analysis)
    if not lost:
        return None
    by_arm = Counter(record.arm for record in analysis.records if record.status != "finished")
    counts = ", ".join(f"{arm} {by_arm[arm]}" for arm in analysis.arms)
    named = "; ".join(f"{cell}: {what}" for cell, what in lost[:AT_MOST])
    rest = f"; and {plural(len(lost) - AT_MOST, 'cell')} more" if len(lost) > AT_MOST else ""
    return (
        f"Trials that failed or diverged leave no pair ({counts}). Where an arm fails more often than the other, the"
        f" difference over the rest flatters it. Pairs are missing in {named}{rest}."
    )


@caveat
def few_cells(analysis: Analysis) -> str | None:
    """One cell, or two or three."""
    paired = max((len(verdict.comparison.cells) for verdict in analysis.verdicts), default=0)
    if paired == 1:
        return "One cell is paired: the interval is over its seeds, and says nothing about other sizes."
    if 1 < paired <= 3:
        return f"Only {paired} cells are paired: how much cells differ is hardly known, so the interval is wide."
    return None


@caveat
def one_seed(analysis: Analysis) -> str | None:
    """No repetition within cells."""
    comparisons = [verdict.comparison for verdict in analysis.verdicts if len(verdict.comparison.cells)]
    if not comparisons or any(math.isfinite(comparison.seed_sd) for comparison in comparisons):
        return None
    return (
        "There is one seed a cell: the luck of a seed and a true difference between cells cannot be told apart, and no"
        " cell has an interval of its own."
    )


@caveat
def unequal_cost(analysis: Analysis) -> str | None:
    """Equal cells are not equal costs."""
    said = []
    for verdict in analysis.verdicts:
        more = [o for o in overheads(analysis, verdict) if abs(o.mean) >= WORTH_SAYING and o.cost != "train_seconds"]
        if more:
            costs = " and ".join(f"{points(o.mean, signed=True, decimals=1)} % {METRICS[o.cost].title}" for o in more)
            said.append(f"{arm_name(analysis.study.factor, verdict.comparison.arm)} has {costs}")
    if not said:
        return None
    return (
        f"Arms are compared in the same cell, not at the same cost: {'; '.join(said)} on the average. The plots of"
        " accuracy against cost show what is left of the difference there."
    )


@caveat
def other_test_images(analysis: Analysis) -> str | None:
    """The interval is about these test images; others could move the difference."""
    examples = analysis.test_examples
    told = [verdict for verdict in analysis.verdicts if verdict.noise]
    if examples is None or not analysis.verdicts or (not told and examples >= FEWEST_EXAMPLES):
        return None
    if not told:
        return (
            f"The test set has {examples:,} images, so that one image is {100 / examples:.2f} points. The interval"
            " covers other seeds and cells, not other test images; on so few, those could move a small difference."
        )
    said = [f"The interval covers other cells and seeds, not other test images than these {examples:,}."]
    for verdict in told:
        assert verdict.noise
        both, name = verdict.noise.both, arm_name(analysis.study.factor, verdict.comparison.arm)
        changed = judge(both, verdict.margin)
        then = "" if changed == verdict.kind else f": then the verdict would be “{changed}”"
        said.append(
            f"For {name}, others of the same kind would move the difference by about"
            f" ±{points(verdict.noise.half_width)} points; with that the interval is {points(both.low)} to"
            f" {points(both.high)}{then}."
        )
    return " ".join(said)


@caveat
def mixed_machines(analysis: Analysis) -> str | None:
    """Records come from different devices or versions."""
    mixed = []
    for name in ("device", "torch", "commit"):
        values = {str(record.environment[name]) for record in analysis.records if record.environment.get(name)}
        if len(values) > 1:
            mixed.append(f"{name} ({', '.join(sorted(values))})")
    if not mixed:
        return None
    return f"The trials do not share one {', '.join(mixed)}; within a pair that may bias the difference."
