"""Contrast: the scores of two arms in the same cells, and the differences of their pairs.

A pair is a cell and a repetition in which both arms have a score. Arrays are (cells, repetitions); a place without a
score holds NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from scaling.statistics.estimates import only_finite


@dataclass(frozen=True)
class ImageVariance:
    """What the choice of the test images does to a mean difference, in points²; see `other_images.image_variance`."""

    of_images: float  # var(u) / n
    interaction: float  # MS_int / (n · ΣS)
    images: int  # n


@dataclass(frozen=True)
class Differences:
    """Differences arm − baseline of the cells that have a pair, in points."""

    values: np.ndarray  # (cells, repetitions), NaN where there is no pair
    names: tuple[str, ...]  # of the cells
    cost: np.ndarray | None  # (cells,) of the baseline; None unless all are known and positive
    axes: Mapping[str, np.ndarray]  # numeric axes with at least two levels: (cells,) each

    def __len__(self) -> int:
        return len(self.values)

    def take(self, cells: np.ndarray | Sequence[int]) -> "Differences":
        """The same of some cells, by their places."""
        cells = np.asarray(cells, dtype=int)
        cost = None if self.cost is None else self.cost[cells]
        axes = with_levels({name: values[cells] for name, values in self.axes.items()})
        return Differences(self.values[cells], tuple(self.names[i] for i in cells), cost, axes)

    def without(self, cell: int) -> "Differences":
        """The same without one cell."""
        return self.take(np.delete(np.arange(len(self)), cell))


@dataclass(frozen=True)
class Contrast:
    """Scores of an arm and of the baseline in percent, more being better."""

    baseline: np.ndarray  # (cells, repetitions), NaN where there is no score
    arm: np.ndarray
    names: Sequence[str] = ()  # of the cells; numbered where empty
    cost: np.ndarray | None = None  # (cells,) of the baseline, such as MACs; NaN where unknown
    axes: Mapping[str, np.ndarray] = field(default_factory=dict)  # numeric axes of the cells: (cells,) each
    baseline_lost: np.ndarray | None = None  # (cells, repetitions): trials that ended without a score
    arm_lost: np.ndarray | None = None  # by default those where the other arm alone has a score
    image_variance: ImageVariance | None = None

    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores of baseline and arm, NaN in place of whatever is not finite."""
        return self._scores

    def lost(self) -> tuple[np.ndarray, np.ndarray]:
        """Which trials of baseline and arm ended without a score: two (cells, repetitions) of booleans."""
        missing = [np.isnan(scores) for scores in self._scores]
        own = [None if lost is None else np.asarray(lost, dtype=bool) for lost in (self.baseline_lost, self.arm_lost)]
        baseline = missing[0] & ~missing[1] if own[0] is None else own[0] & missing[0]
        arm = missing[1] & ~missing[0] if own[1] is None else own[1] & missing[1]
        return baseline, arm

    def paired(self) -> np.ndarray:
        """Places of the cells that have a pair."""
        return self._paired

    @cached_property
    def _scores(self) -> tuple[np.ndarray, np.ndarray]:
        return only_finite(self.baseline), only_finite(self.arm)

    @cached_property
    def _paired(self) -> np.ndarray:
        baseline, arm = self._scores
        return np.flatnonzero(np.isfinite(arm - baseline).any(axis=1)) if arm.size else np.zeros(0, dtype=int)

    def all_differences(self) -> Differences:
        """Differences of all cells, whether they have a pair or not."""
        baseline, arm = self.scores()
        names = tuple(str(name) for name in self.names) or tuple(f"cell {i + 1}" for i in range(len(arm)))
        axes = {name: np.asarray(values, dtype=float) for name, values in self.axes.items()}
        return Differences(arm - baseline, names, self.cost, axes)

    def differences(self, cells: np.ndarray | None = None) -> Differences:
        """Differences of the paired cells, or of the given ones."""
        whole = self.all_differences()
        cells = self.paired() if cells is None else cells
        cost = known_costs(None if whole.cost is None else np.asarray(whole.cost, dtype=float)[cells])
        return replace(replace(whole, cost=None).take(cells), cost=cost)


def known_costs(cost: np.ndarray | None) -> np.ndarray | None:
    """Costs where all of them are known and positive, otherwise None."""
    return cost if cost is not None and bool((np.isfinite(cost) & (cost > 0)).all()) else None


def with_levels(axes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The axes that are numbers throughout, with at least two levels."""
    return {name: values for name, values in axes.items() if np.isfinite(values).all() and len(np.unique(values)) > 1}
