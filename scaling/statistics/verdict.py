"""Verdict: what a comparison says, in one word and in one sentence."""

import math
from dataclasses import dataclass
from typing import Literal

from scaling.statistics import MARGIN
from scaling.statistics.images import ImageNoise
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.paired import PairedComparison
from scaling.statistics.planning import Plan, plan
from scaling.statistics.trend import Trend
from scaling.wording import plural, points

Kind = Literal["better", "worse", "practically equal", "inconclusive", "unknown"]
FEW_CELLS = 3


@dataclass(frozen=True)
class Asked:
    """How much the study asked for, to be held against what was paired."""

    factor: str  # such as pooling
    cells: int
    seeds: int  # a cell
    range: str  # what the paired cells span, such as "between 0.3 M and 5.1 M MACs"; may be empty
    comparisons: int  # arms compared with the baseline


@dataclass(frozen=True)
class Verdict:
    """The answer to one comparison."""

    kind: Kind
    sentence: str  # without a full stop
    comparison: PairedComparison
    margin: float  # percentage points
    plan: Plan | None  # what would settle it, where it is inconclusive
    trend: Trend | None  # of the difference over MACs
    noise: ImageNoise | None  # what other test images would do


def judge(interval: MeanInterval, margin: float) -> Kind:
    """Better or worse if the interval leaves out zero; practically equal if it lies within ±`margin`, zero or not."""
    if not interval.is_known:
        return "unknown"
    if interval.lies_within(margin):
        return "practically equal"
    if interval.is_above_zero:
        return "better"
    return "worse" if interval.is_below_zero else "inconclusive"


def give_verdict(
    comparison: PairedComparison,
    asked: Asked,
    *,
    trend: Trend | None = None,
    noise: ImageNoise | None = None,
    margin: float = MARGIN,
) -> Verdict:
    """Judge a comparison and put it into words."""
    kind = judge(comparison.difference, margin)
    needed = plan(comparison, margin) if kind == "inconclusive" else None
    sentence = SENTENCES[kind](comparison, asked, margin)
    if kind == "inconclusive":
        sentence += f"; {advice(needed, comparison)}"
    elif comparison.unit == "seed":
        sentence += "; whether it holds in other cells cannot be known from one"
    return Verdict(kind, sentence, comparison, margin, needed, trend, noise)


def arm_name(factor: str, arm: str) -> str:
    """Name of an arm in a sentence: `attention pooling`, but `patch_size 4`."""
    factor = factor.rpartition(".")[2]
    return f"{arm} {factor}" if arm[:1].isalpha() and arm not in {"True", "False"} else f"{factor} {arm}"


def advice(needed: Plan | None, comparison: PairedComparison) -> str:
    """What would settle an inconclusive comparison, the cheaper way first."""
    if needed is None:
        return "more cells are needed"
    ways = []
    if needed.more_seeds is not None and needed.seed_runs is not None:
        ways.append((needed.seed_runs, f"{plural(needed.more_seeds, 'more seed')} per cell"))
    if needed.more_cells is not None and needed.cell_runs is not None:
        seeds = max(1, round(comparison.seeds_per_cell))
        ways.append((needed.cell_runs, f"{plural(needed.more_cells, 'more cell')} of {plural(seeds, 'seed')}"))
    if not ways:
        return "no affordable number of runs would settle it"
    words = ", or ".join(f"about {what} ({runs} runs)" for runs, what in sorted(ways))
    words += f" needed to settle a difference of {needed.effect:.2f} points"
    if needed.more_seeds is None and comparison.unit == "cell" and math.isfinite(comparison.cell_sd):
        few = f"{len(comparison.cells)} cells are too few"
        why = few if len(comparison.cells) <= FEW_CELLS else f"cells seem to differ by {comparison.cell_sd:.2f} points"
        words += f" (more seeds alone would not do: {why})"
    return words


def interval_text(interval: MeanInterval, comparisons: int = 1, *, decimals: int = 2) -> str:
    """`95 % interval 0.41 to 1.27`; of several comparisons together: `simultaneous 95 % interval …`."""
    level = 1 - (1 - interval.level) * comparisons
    kind = "simultaneous " if comparisons > 1 else ""
    low, high = points(interval.low, decimals=decimals), points(interval.high, decimals=decimals)
    return f"{kind}{100 * level:.3g} % interval {low} to {high}"


def pairs_text(comparison: PairedComparison, asked: Asked) -> str:
    """What was paired: `12 of 12 cells × 5 seeds paired`, or `57 pairs in 12 of 12 cells` where some are missing."""
    counts = set(comparison.cells["pairs"])
    if comparison.unit == "seed":
        return f"{plural(len(comparison.pairs), 'seed')} paired"
    if len(counts) == 1:
        return f"{len(comparison.cells)} of {asked.cells} cells × {plural(counts.pop(), 'seed')} paired"
    cells = f"{len(comparison.cells)} of {asked.cells} cells"
    return f"{len(comparison.pairs)} of {asked.cells * asked.seeds} pairs, in {cells}"


def _evidence(interval: MeanInterval, comparison: PairedComparison, asked: Asked) -> str:
    """The parenthesis behind every difference, with as many decimals as show on which side of zero the interval is."""
    decimals = _decimals(interval)
    text = f"({interval_text(interval, asked.comparisons, decimals=decimals)}; {pairs_text(comparison, asked)})"
    return f"{text} {asked.range}".rstrip()


def _decimals(interval: MeanInterval) -> int:
    nearest = min(abs(interval.low), abs(interval.high))
    return next((d for d in (2, 3) if nearest == 0 or round(nearest, d) > 0), 4)


def _mirrored(interval: MeanInterval) -> MeanInterval:
    return MeanInterval(-interval.estimate, -interval.high, -interval.low, interval.level, interval.n)


def _where(comparison: PairedComparison) -> str:
    return f"in the only paired cell ({comparison.cells.index[0]}), " if comparison.unit == "seed" else ""


def _better(comparison: PairedComparison, asked: Asked, margin: float) -> str:
    return _one_side(comparison, asked, "beats", comparison.difference)


def _worse(comparison: PairedComparison, asked: Asked, margin: float) -> str:
    return _one_side(comparison, asked, "loses to", _mirrored(comparison.difference))


def _one_side(comparison: PairedComparison, asked: Asked, verb: str, interval: MeanInterval) -> str:
    arm, baseline = arm_name(asked.factor, comparison.arm), arm_name(asked.factor, comparison.baseline)
    by = points(interval.estimate, decimals=_decimals(interval))
    evidence = _evidence(interval, comparison, asked)
    return f"{_where(comparison)}{arm} {verb} {baseline} by {by} points of test accuracy {evidence}"


def _equal(comparison: PairedComparison, asked: Asked, margin: float) -> str:
    arm, baseline = arm_name(asked.factor, comparison.arm), arm_name(asked.factor, comparison.baseline)
    interval = comparison.difference
    return (
        f"{_where(comparison)}{arm} and {baseline} are practically equal: they differ by"
        f" {points(interval.estimate, signed=True)} points of test accuracy"
        f" {_evidence(interval, comparison, asked)}, the whole interval within ±{margin:g} points"
    )


def _inconclusive(comparison: PairedComparison, asked: Asked, margin: float) -> str:
    arm, baseline = arm_name(asked.factor, comparison.arm), arm_name(asked.factor, comparison.baseline)
    interval = comparison.difference
    return (
        f"inconclusive: {_where(comparison)}{arm} differs from {baseline} by"
        f" {points(interval.estimate, signed=True)} points of test accuracy {_evidence(interval, comparison, asked)}"
    )


def _unknown(comparison: PairedComparison, asked: Asked, margin: float) -> str:
    arm, baseline = arm_name(asked.factor, comparison.arm), arm_name(asked.factor, comparison.baseline)
    if comparison.unit == "none" and len(comparison.pairs) == 1:
        difference = points(comparison.difference.estimate, signed=True)
        return (
            f"no verdict: a single pair of trials gives {arm} {difference} points of test accuracy against {baseline};"
            " without a second seed or cell nothing tells it from chance"
        )
    return f"no verdict yet: no cell has a seed in which both {arm} and {baseline} have finished"


SENTENCES = {
    "better": _better,
    "worse": _worse,
    "practically equal": _equal,
    "inconclusive": _inconclusive,
    "unknown": _unknown,
}
