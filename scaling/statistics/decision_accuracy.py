"""Decision accuracy: whether smaller models decide between two arms as the largest ones do.

Magnusson et al., "DataDecide: how to predict best pretraining data with small experiments" (2025): the share of
decisions at a small scale that agree with those at the target scale. Here a decision is the sign of arm − baseline.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from scaling.statistics.contrast import Differences
from scaling.statistics.estimates import SAME, Interval
from scaling.statistics.here import cell_means, mean_here
from scaling.statistics.intervals import Bounded
from scaling.statistics.missing import Missing
from scaling.statistics.parts import Part
from scaling.statistics.sentences import bare
from scaling.statistics.sign_changes import with_ends
from scaling.statistics.words import Words
from scaling.wording import plural

SHARE_LEVEL = 0.95


@dataclass(frozen=True)
class SizeDifference:
    """Arm − baseline at one size, in points."""

    low_cost: float
    high_cost: float
    interval: Interval  # its estimate is known, its ends may not be
    cells: tuple[str, ...]

    @property
    def sign(self) -> int:
        """1, −1, or 0 where the two are equal."""
        estimate = self.interval.estimate
        return 0 if abs(estimate) < SAME else int(math.copysign(1, estimate))


@dataclass(frozen=True)
class DecisionAccuracy:
    """How far smaller sizes have the sign of the largest."""

    sizes: list[SizeDifference]  # the smallest first
    share: Bounded | None  # percent of the smaller sizes that agree; None where the largest does not decide

    @property
    def largest(self) -> SizeDifference:
        return self.sizes[-1]

    @property
    def smaller(self) -> list[SizeDifference]:
        return self.sizes[:-1]

    @property
    def is_decided(self) -> bool:
        """Whether the largest size's own interval leaves out zero."""
        return self.largest.interval.is_above_zero or self.largest.interval.is_below_zero

    @property
    def agreeing(self) -> int:
        """Smaller sizes with the sign of the largest."""
        return sum(one.sign == self.largest.sign for one in self.smaller)

    @property
    def opposed(self) -> int:
        """Smaller sizes whose own interval lies on the other side of zero than the largest's."""
        above = self.largest.interval.is_above_zero
        if not self.is_decided:
            return 0
        return sum(one.interval.is_below_zero if above else one.interval.is_above_zero for one in self.smaller)

    @property
    def agrees_from(self) -> SizeDifference | None:
        """The smallest size from which on all have the sign of the largest; None where it does not decide."""
        if not self.is_decided:
            return None
        first = self.largest
        for one in reversed(self.smaller):
            if one.sign != first.sign:
                break
            first = one
        return first


def by_size(differences: Differences, level: float, images: int | None = None) -> DecisionAccuracy | Missing:
    """Compare the sign at every size with that at the largest; a size is all cells whose baselines cost the same.

    The interval of a size is that of `here.mean_here` over its cells: only the luck of training is random.

    Args:
        differences: of the paired cells.
        level: of each size's interval, 1 − α/k.
        images: in the test set; None where unknown.
    """
    if len(differences) == 0:
        return Missing("no trials", "no cell has a pair of finished trials")
    if differences.cost is None:
        return Missing("unknown cost", "the costs of the models are not known, so that none is the largest")
    cells = cell_means(differences.values, images)
    order = np.argsort(differences.cost, kind="stable")
    costs = differences.cost[order]
    starts = np.flatnonzero(np.diff(costs) > SAME * costs[:-1]) + 1
    sizes = []
    for members in np.split(order, starts):
        ends = float(differences.cost[members[0]]), float(differences.cost[members[-1]])
        names = tuple(differences.names[i] for i in members)
        sizes.append(SizeDifference(*ends, mean_here(cells, members).interval(level), names))
    return decision_accuracy(sizes)


def by_part(parts: Sequence[Part]) -> DecisionAccuracy | Missing:
    """Compare the sign of every part of the cells with that of the most expensive part."""
    if any(part.low_cost is None for part in parts):
        return Missing("unknown cost", "the costs of the models are not known, so that none is the largest")
    sizes = [SizeDifference(part.low_cost or 0.0, part.high_cost or 0.0, part.interval, part.cells) for part in parts]
    return decision_accuracy(sizes)


def decision_accuracy(sizes: Sequence[SizeDifference]) -> DecisionAccuracy | Missing:
    """Compare the sign of every size with that of the largest; `sizes` in order of cost.

    A size without a sign, at which the arms are equal, does not agree.
    """
    if len(sizes) < 2:
        return Missing("too few cells", "there is one size, and none to compare with it")
    found = DecisionAccuracy(list(sizes), None)
    if not found.is_decided:
        return found
    return DecisionAccuracy(found.sizes, binomial_interval(found.agreeing, len(found.smaller), SHARE_LEVEL))


def binomial_interval(successes: int, trials: int, level: float) -> Bounded:
    """Exact interval of a share, in percent.

        low: the α/2 quantile of Beta(k, n − k + 1)         high: the 1 − α/2 quantile of Beta(k + 1, n − k)

    Clopper and Pearson (1934). It takes each of the n for one draw of the same kind, and holds at least `level`.
    """
    k, n, half = successes, trials, (1 - level) / 2
    low = float(special.betaincinv(k, n - k + 1, half)) if k else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - half)) if k < n else 1.0
    return Bounded(100 * k / n, 100 * low, 100 * high, level)


def decision_sentence(found: DecisionAccuracy | Missing, words: Words, noun: str = "size") -> str:
    """Say from what size on the sign is that of the largest, or why nothing can be said, with a full stop."""
    arms = f"{words.arm} against {words.baseline}"
    if isinstance(found, Missing):
        return f"{arms}: whether smaller {noun}s decide as the largest is not known, as {found.said}."
    own = found.largest.interval
    if not found.is_decided:
        given = f"its difference is {bare(own, signed=True)}" if own.is_known else "it was trained once"
        return f"{arms}: the largest {noun} does not decide, {given}."
    first, share = found.agrees_from, found.share
    assert first is not None
    assert share is not None
    count = f"{found.agreeing} of {plural(len(found.smaller), f'smaller {noun}')}"
    agree = "has" if found.agreeing == 1 else "have"
    said = (
        f"{arms}: {count} {agree} the sign of the largest ({with_ends(own)}), {share.estimate:.0f} %"
        f" ({share.low:.0f} to {share.high:.0f})"
    )
    if first is found.largest:
        return f"{said}; the next smaller {noun} does not."
    return f"{said}: every {noun} from {words.costs(first.low_cost)} up."
