"""Paired comparison of two arms: the difference in each cell, and over cells, with intervals.

A pair is a cell and a seed in which both arms finished: same place on the axes, same data order, same initial trunk.
Model: difference(cell, seed) = μ + b(cell) + e(cell, seed), with b of variance τ² (cells really differ) and e of
variance σ² (seeds). The cell is the unit that generalises: μ is estimated by the mean over cells of the cells' means,
with a t interval over cells, whose spread contains both τ² and σ²/seeds. More seeds in few cells therefore cannot
feign certainty about cells that were not run. docs/statistics.md derives this and shows how it does in simulation.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from scaling.statistics.intervals import MeanInterval, mean_interval

LEVEL = 0.95  # of a family of comparisons together


@dataclass(frozen=True)
class PairedComparison:
    """One arm against the baseline."""

    baseline: str
    arm: str
    pairs: pd.DataFrame  # one row a pair: cell, seed, baseline, arm, difference
    cells: pd.DataFrame  # one row a paired cell, indexed by its name; see `per_cell`
    difference: MeanInterval  # arm − baseline in percentage points
    unit: Literal["cell", "seed", "none"]  # what `difference` generalises over
    seed_sd: float  # σ: SD of a pair's difference within a cell; NaN with one seed a cell
    cell_sd: float  # τ: SD of the true difference among cells; NaN if σ or the cells do not determine it

    @property
    def seeds_per_cell(self) -> float:
        """Harmonic mean of the pairs a cell: what stands for the seeds in variances of cell means."""
        return 1 / _mean_inverse(self.cells) if len(self.cells) else 0.0


def compare(
    table: pd.DataFrame,
    baseline: str,
    arm: str,
    *,
    comparisons: int = 1,
    level: float = LEVEL,
    score: str = "test_accuracy",
    resolution: float = 0.0,
) -> PairedComparison:
    """Compare `arm` with `baseline` in the trials of `table` (columns cell, arm, seed, status and the score).

    Args:
        comparisons: arms compared with the baseline in this study. Bonferroni: each interval has the level
            1 − (1 − level) / comparisons, so that all of them together hold with `level`.
        resolution: smallest step of the score, 100 / test images. A difference of two rounded scores has at least the
            standard deviation resolution / √6, and no interval is made from less.
    """
    joint = 1 - (1 - level) / comparisons
    pairs = find_pairs(table, baseline, arm, score)
    smallest_sd = resolution / math.sqrt(6)
    cells = per_cell(pairs, level, smallest_sd)
    seed_sd = _seed_sd(cells)
    if len(cells) == 1:  # other cells cannot be known; say so and use what there is
        one = pairs["difference"].to_numpy()
        unit = "seed" if len(one) > 1 else "none"
        return PairedComparison(
            baseline, arm, pairs, cells, mean_interval(one, joint, smallest_sd), unit, seed_sd, math.nan
        )
    smallest_of_means = smallest_sd * math.sqrt(_mean_inverse(cells)) if len(cells) else 0.0
    difference = mean_interval(cells["difference"].to_numpy(), joint, smallest_of_means)
    unit = "cell" if len(cells) else "none"
    return PairedComparison(baseline, arm, pairs, cells, difference, unit, seed_sd, _cell_sd(cells, seed_sd))


def find_pairs(table: pd.DataFrame, baseline: str, arm: str, score: str = "test_accuracy") -> pd.DataFrame:
    """Pairs of finished trials: columns cell, seed, baseline, arm, difference; cells in the table's order."""
    baseline_scores, arm_scores = (_scores(table, name, score) for name in (baseline, arm))
    rows = [
        (cell, seed, value, arm_scores[cell, seed], arm_scores[cell, seed] - value)
        for (cell, seed), value in baseline_scores.items()
        if (cell, seed) in arm_scores
    ]
    return pd.DataFrame(rows, columns=pd.Index(["cell", "seed", "baseline", "arm", "difference"]))


def _scores(table: pd.DataFrame, arm: str, score: str) -> dict[tuple[str, int], float]:
    """Scores of an arm's finished trials, by cell and seed."""
    usable = (table["arm"] == arm) & (table["status"] == "finished") & table[score].notna()
    of_arm = table[usable]
    return dict(zip(zip(of_arm["cell"], of_arm["seed"], strict=True), of_arm[score], strict=True))


def per_cell(pairs: pd.DataFrame, level: float = LEVEL, smallest_sd: float = 0.0) -> pd.DataFrame:
    """One row a cell: pairs, mean of each arm, mean difference, its t interval over the seeds of this cell, and SD.

    Each interval holds on its own with `level` (among twenty cells about one misses), and is NaN with one pair.
    """
    codes, names = pd.factorize(pairs["cell"])
    count = np.bincount(codes, minlength=len(names))
    differences = pairs["difference"].to_numpy(dtype=float)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, weights=values, minlength=len(names)) / count

    difference = mean(differences)
    squares = np.bincount(codes, weights=(differences - difference[codes]) ** 2, minlength=len(names))
    repeated = count > 1
    sd = np.sqrt(np.divide(squares, count - 1, out=np.full(len(names), np.nan), where=repeated))
    half = np.full(len(names), np.nan)
    half[repeated] = (
        stats.t.ppf((1 + level) / 2, count[repeated] - 1)
        * np.maximum(sd[repeated], smallest_sd)
        / np.sqrt(count[repeated])
    )
    columns = {
        "pairs": count,
        "baseline": mean(pairs["baseline"].to_numpy(dtype=float)),
        "arm": mean(pairs["arm"].to_numpy(dtype=float)),
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "sd": sd,
    }
    return pd.DataFrame(columns, index=pd.Index(names, name="cell"))


def _mean_inverse(cells: pd.DataFrame) -> float:
    """Mean over cells of 1 / pairs."""
    return float((1 / cells["pairs"].to_numpy(dtype=float)).mean())


def _seed_sd(cells: pd.DataFrame) -> float:
    """σ, pooled within cells as in a one-way analysis of variance."""
    df = cells["pairs"].to_numpy(dtype=float) - 1
    if df.sum() < 1:
        return math.nan
    return math.sqrt(float(np.nansum(df * cells["sd"].to_numpy(dtype=float) ** 2) / df.sum()))


def _cell_sd(cells: pd.DataFrame, seed_sd: float) -> float:
    """τ by the method of moments: var(cell means) = τ² + σ² · mean(1 / pairs), cut off at zero."""
    if len(cells) < 2 or math.isnan(seed_sd):
        return math.nan
    spread = float(cells["difference"].to_numpy().var(ddof=1))
    return math.sqrt(max(0.0, spread - seed_sd**2 * _mean_inverse(cells)))
