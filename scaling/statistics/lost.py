"""Lost trials: what the verdict would be if the trials that ended without a score had been bad ones."""

import math
from dataclasses import dataclass, replace

import numpy as np

from scaling.statistics.contrast import Contrast, Differences
from scaling.statistics.estimates import Interval

TOO_MANY = 0.15  # by which the arm's share of lost trials may exceed the baseline's


@dataclass(frozen=True)
class Losses:
    """Trials of both arms that ended without a score, and the intervals if they had been bad ones."""

    arm: int  # lost
    arm_trials: int  # finished or lost
    baseline: int
    baseline_trials: int
    never: tuple[str, ...]  # cells in which the arm never finished, and the baseline did
    if_arm_bad: Interval | None = None  # with the arm's lost trials at the worst seen; None where it lost no more
    if_baseline_bad: Interval | None = None

    @property
    def is_lopsided(self) -> bool:
        """Whether the arm lost over 15 points more of its trials than the baseline."""
        shares = [lost / max(1, trials) for lost, trials in self._counts()]
        return shares[0] - shares[1] > TOO_MANY + 1e-12

    @property
    def any(self) -> bool:
        return self.arm > 0 or self.baseline > 0

    def _counts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (self.arm, self.arm_trials), (self.baseline, self.baseline_trials)


def count_losses(contrast: Contrast) -> Losses:
    """Count the lost trials of both arms, over all cells."""
    baseline, arm = contrast.scores()
    base_lost, arm_lost = contrast.lost()
    base_done, arm_done = np.isfinite(baseline), np.isfinite(arm)
    never = arm_lost.any(axis=1) & ~arm_done.any(axis=1) & base_done.any(axis=1)
    names = contrast.all_differences().names
    return Losses(
        arm=int(arm_lost.sum()),
        arm_trials=int((arm_lost | arm_done).sum()),
        baseline=int(base_lost.sum()),
        baseline_trials=int((base_lost | base_done).sum()),
        never=tuple(names[i] for i in np.flatnonzero(never)),
    )


def with_worst(contrast: Contrast, of_arm: bool) -> Differences | None:
    """Differences with the lost trials of one arm at the worst seen; None where it lost none that the other did not.

    A lost trial has its cell's mean in that arm plus the worst deviation × √(S / (S − 1)): the deviation of a run from
    its own cell's mean in that arm, the lowest, and S the planned repetitions a cell; the root makes up for the mean
    holding the run itself. Where no cell repeats, a lost pair has the worst difference seen in any cell.
    """
    scores, lost = contrast.scores(), contrast.lost()
    side = 1 if of_arm else 0
    own, other = scores[side], scores[1 - side]
    missing = lost[side] & np.isfinite(other)
    if not missing.any():
        return None
    done = np.isfinite(own)
    counts = done.sum(axis=1)
    planned = int((done | lost[side]).sum(axis=1).max())
    paired = contrast.paired()
    if planned < 2 or not (counts > 1).any():
        return _worst_differences(contrast, missing, of_arm)
    means = np.where(done, own, 0.0).sum(axis=1) / np.maximum(counts, 1)
    worst = float(np.where(done & (counts > 1)[:, None], own - means[:, None], np.inf).min())
    filled = np.where(missing & (counts > 0)[:, None], means[:, None] + worst * math.sqrt(planned / (planned - 1)), own)
    changed = replace(contrast, arm=filled) if of_arm else replace(contrast, baseline=filled)
    return changed.differences(paired)


def _worst_differences(contrast: Contrast, missing: np.ndarray, of_arm: bool) -> Differences | None:
    """Differences of the paired cells and of those with a lost trial, which have the worst difference of any cell."""
    whole, paired = contrast.all_differences(), contrast.paired()
    if len(paired) == 0:
        return None
    seen = contrast.differences().values
    means = np.nanmean(seen, axis=1)
    worst = float(means.min() if of_arm else means.max())
    values = np.where(missing, worst, whole.values)
    cells = np.flatnonzero(np.isfinite(values).any(axis=1))
    return replace(contrast.differences(cells), values=values[cells])
