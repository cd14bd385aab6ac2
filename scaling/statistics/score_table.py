"""Score table: the scores of a study by arm, cell and repetition, from which the contrast of any two arms is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scaling.statistics.contrast import Contrast, ImageVariance

SCORE, COST = "test_accuracy", "macs"


@dataclass(frozen=True)
class ScoreTable:
    """Scores in percent, more being better; arrays are (arms, cells, repetitions) unless stated otherwise."""

    arms: Sequence[str]
    cells: Sequence[str]
    scores: np.ndarray  # NaN where there is none
    lost: np.ndarray  # booleans: trials that ended without a score
    rows: np.ndarray  # row of the frame that each score is from; −1 where there is none
    costs: np.ndarray | None = None  # (arms, cells), NaN where unknown
    axes: Mapping[str, np.ndarray] = field(default_factory=dict)  # axes that are numbers: (cells,) each

    def contrast(self, baseline: str, arm: str, image_variance: ImageVariance | None = None) -> Contrast:
        """The scores of two arms in the same cells."""
        a, b = self.arms.index(baseline), self.arms.index(arm)
        return Contrast(
            self.scores[a],
            self.scores[b],
            self.cells,
            None if self.costs is None else self.costs[a],
            self.axes,
            self.lost[a],
            self.lost[b],
            image_variance,
        )


def score_table(
    frame: pd.DataFrame,
    arms: Sequence[str],
    *,
    axes: Sequence[str] = (),
    score: str = SCORE,
    cost: str | None = COST,
    shared_seeds: bool = False,
) -> ScoreTable:
    """Arrange a table with a row a trial that has ended; of two rows of one cell, arm and repetition the last counts.

    Args:
        frame: columns cell, arm, repetition, the score (NaN: lost), the cost and the axes.
        axes: columns that name a cell; those that are numbers count as axes of a grid.
        shared_seeds: equal repetitions of different cells are the same draw, so that they must have one place.
    """
    cell, names = pd.factorize(frame["cell"])
    arm = pd.Index(list(arms)).get_indexer(pd.Index(frame["arm"]))
    repetition = repetition_places(cell, pd.Series(frame["repetition"]), shared_seeds)
    shape = (len(arms), len(names), int(repetition.max(initial=0)) + 1)
    values = np.asarray(frame[score], dtype=float)
    scores, ran, rows = np.full(shape, np.nan), np.zeros(shape, dtype=bool), np.full(shape, -1)
    place = (arm, cell, repetition)
    scores[place], ran[place] = np.where(np.isfinite(values), values, np.nan), True
    rows[place] = np.where(np.isfinite(values), np.arange(len(frame)), -1)
    costs = None
    if cost is not None and cost in frame:
        costs = mean_costs(np.asarray(frame[cost], dtype=float), arm, cell, shape[:2])
    first = np.unique(cell, return_index=True)[1]
    numbers = {axis: numeric(frame[axis].iloc[first]) for axis in axes}
    return ScoreTable(
        arms=list(arms),
        cells=[str(name) for name in names],
        scores=scores,
        lost=ran & np.isnan(scores),
        rows=rows,
        costs=costs,
        axes={axis: found for axis, found in numbers.items() if found is not None},
    )


def repetition_places(cell: np.ndarray, labels: pd.Series, shared_seeds: bool) -> np.ndarray:
    """Place of each row among the repetitions of its cell: equal labels of a cell have one place, (rows,).

    Places are counted within each cell, as labels such as 1337 are no counts; where seeds are shared, over all cells.
    """
    codes = pd.factorize(labels, use_na_sentinel=False, sort=True)[0]
    if shared_seeds or len(codes) == 0:
        return codes
    keys = np.unique(np.stack([cell, codes], axis=1), axis=0)
    first = np.searchsorted(keys[:, 0], np.arange(cell.max() + 1))
    place = pd.MultiIndex.from_arrays(list(keys.T)).get_indexer(pd.MultiIndex.from_arrays([cell, codes]))
    return place - first[cell]


def mean_costs(values: np.ndarray, arm: np.ndarray, cell: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mean of the known costs of each arm in each cell: (arms, cells), NaN where none is known."""
    known = np.isfinite(values)
    place = np.ravel_multi_index((arm[known], cell[known]), shape)
    counts = np.bincount(place, minlength=shape[0] * shape[1])
    sums = np.bincount(place, values[known], minlength=shape[0] * shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).reshape(shape)


def numeric(values: pd.Series) -> np.ndarray | None:
    """Values of an axis as floats; None where they are names or truth values."""
    if any(isinstance(value, bool | str | np.bool_) for value in values):
        return None
    found = np.asarray(pd.to_numeric(values, errors="coerce"), dtype=float)
    return found if np.isfinite(found).all() else None
