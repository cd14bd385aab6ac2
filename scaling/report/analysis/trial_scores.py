"""Trial scores: the compared trials as arrays, with the test images that each classified correctly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.statistics.bits import CellBits, TestBits, read_bits
from scaling.statistics.paired import PairedComparison
from scaling.study.records import Record


@dataclass(frozen=True)
class TrialScores:
    """Finished trials with a score whose learning rate was not rejected. Arrays are (trials,)."""

    cells: list[str]  # in the order of the table
    cell: np.ndarray  # index into `cells`
    arms: list[str]
    arm: np.ndarray  # index into `arms`
    seed: np.ndarray
    accuracy: np.ndarray  # test, percent
    bits: TestBits | None  # a row per trial; None if any trial does not record which images were correct

    def cell_bits(self) -> CellBits | None:
        """Which images each cell and arm classified correctly."""
        if self.bits is None:
            return None
        return CellBits.of(self.bits, self.cell, self.arm, len(self.cells), len(self.arms))

    def gained(self, comparison: PairedComparison) -> np.ndarray | None:
        """How much more often the arm classified an image correctly than the baseline: (images kept,) points.

        A mean over cells of means over the pairs of a cell, like the difference itself.
        """
        if self.bits is None or len(comparison.pairs) == 0:
            return None
        pairs = comparison.pairs
        cell, seed = places(self.cells, pairs["cell"]), pairs["seed"].to_numpy(dtype=int)
        of_cell = 1 / comparison.cells["pairs"].to_numpy(dtype=float) / len(comparison.cells)
        weight = of_cell[places(list(comparison.cells.index), pairs["cell"])]
        rows = [self._rows(cell, self.arms.index(arm), seed) for arm in (comparison.baseline, comparison.arm)]
        signed = np.concatenate([-weight, weight])[:, None]
        return 100 * self.bits.rows(np.concatenate(rows)).weighted(signed)[:, 0]

    def _rows(self, cell: np.ndarray, arm: int, seed: np.ndarray) -> np.ndarray:
        """Indices of the trials of `arm` in these cells and seeds: (pairs,)."""
        of_arm = np.flatnonzero(self.arm == arm)
        keys = pd.MultiIndex.from_arrays([self.cell[of_arm], self.seed[of_arm]])
        return of_arm[keys.get_indexer(pd.MultiIndex.from_arrays([cell, seed]))]


def places(names: Sequence[str], labels: Iterable[str]) -> np.ndarray:
    """Index of every label in `names`: (labels,)."""
    return pd.Index(list(names)).get_indexer(pd.Index(list(labels)))


def collect(table: pd.DataFrame, usable: np.ndarray, records: Sequence[Record], arms: Sequence[str]) -> TrialScores:
    """Collect the `usable` rows of a table of trials, (trials,) boolean; `records` are its rows in the same order."""
    rows = np.flatnonzero(usable)
    part = table.take(rows)
    cell, cells = pd.factorize(part["cell"])
    scores = [records[row].scores for row in rows.tolist()]
    return TrialScores(
        cells=[str(name) for name in cells],
        cell=np.asarray(cell, dtype=int),
        arms=list(arms),
        arm=places(arms, part["arm"]),
        seed=part["seed"].to_numpy(dtype=int),
        accuracy=part["test_accuracy"].to_numpy(dtype=float),
        bits=read_bits(
            [score.test_correct if score else None for score in scores],
            [score.test_examples if score else 0 for score in scores],
        ),
    )
