"""Trial scores: the compared trials as arrays, with the test images that each classified correctly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.statistics.bits import CellBits, TestBits, read_bits
from scaling.statistics.contrast import ImageVariance
from scaling.statistics.other_images import image_variance
from scaling.statistics.score_table import ScoreTable
from scaling.study.records import Record


@dataclass(frozen=True)
class TrialScores:
    """Finished trials with a score that counts. Arrays are (trials,)."""

    cells: list[str]  # in the order of the table
    cell: np.ndarray  # index into `cells`
    arms: list[str]
    arm: np.ndarray  # index into `arms`
    repetition: np.ndarray
    accuracy: np.ndarray  # test, percent
    bits: TestBits | None  # a row per trial; None if any trial does not record which images were correct
    place: np.ndarray  # of each row of the table among the trials; −1 where it is none of them

    def cell_bits(self) -> CellBits | None:
        """Which images each cell and arm classified correctly."""
        if self.bits is None:
            return None
        return CellBits.of(self.bits, self.cell, self.arm, len(self.cells), len(self.arms))

    def image_variance(self, scores: ScoreTable, baseline: str, arm: str) -> ImageVariance | None:
        """What the choice of the test images does to the mean difference; None where trials do not record them.

        Args:
            scores: of all rows of the table.
        """
        if self.bits is None:
            return None
        rows = [scores.rows[scores.arms.index(name)] for name in (arm, baseline)]
        paired = (rows[0] >= 0) & (rows[1] >= 0)
        cell = np.nonzero(paired)[0]
        if len(cell) == 0:
            return None
        ahead, behind = (self.place[of[paired]] for of in rows)
        gains = np.split(self.bits.gained(ahead, behind), np.flatnonzero(np.diff(cell)) + 1)
        return image_variance(gains, self.bits.images)


def places(names: Sequence[str], labels: Iterable[str]) -> np.ndarray:
    """Index of every label in `names`: (labels,)."""
    return pd.Index(list(names)).get_indexer(pd.Index(list(labels)))


def collect(table: pd.DataFrame, usable: np.ndarray, records: Sequence[Record], arms: Sequence[str]) -> TrialScores:
    """Collect the `usable` rows of a table of trials, (trials,) boolean; `records` are its rows in the same order."""
    rows = np.flatnonzero(usable)
    part = table.take(rows)
    cell, cells = pd.factorize(part["cell"])
    scores = [records[row].scores for row in rows.tolist()]
    place = np.full(len(table), -1)
    place[rows] = np.arange(len(rows))
    return TrialScores(
        cells=[str(name) for name in cells],
        cell=np.asarray(cell, dtype=int),
        arms=list(arms),
        arm=places(arms, part["arm"]),
        repetition=part["repetition"].to_numpy(dtype=int),
        accuracy=part["test_accuracy"].to_numpy(dtype=float),
        bits=read_bits(
            [score.test_correct if score else None for score in scores],
            [score.test_examples if score else 0 for score in scores],
        ),
        place=place,
    )
