"""Paired differences: cell by cell, and over cells."""

from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import Analysis
from scaling.figures.text import Text
from scaling.statistics.intervals import Interval
from scaling.statistics.verdict import interval_text
from scaling.wording import plural, points


@dataclass(frozen=True)
class Forest:
    """One comparison: its paired cells and their mean. Differences in percentage points, each array (cells,)."""

    arm: str
    colour: int
    cells: list[str]
    estimate: np.ndarray
    low: np.ndarray  # NaN with one pair
    high: np.ndarray
    mean: Interval
    label: str  # of the mean, with its n


@dataclass(frozen=True)
class Differences:
    """Paired difference of each arm to the baseline, cell by cell."""

    text: Text
    baseline: str
    cells: list[str]  # from top to bottom
    labels: list[str]  # their names, with the number of pairs where that varies
    forests: list[Forest]
    margin: float


def differences(analysis: Analysis) -> Differences | None:
    """Paired difference in each cell and over cells; None where nothing is paired."""
    forests = []
    for verdict in analysis.verdicts:
        comparison = verdict.comparison
        if len(comparison.cells) == 0:
            continue
        cells, pairs = len(comparison.cells), len(comparison.pairs)
        over = f"mean of {plural(cells, 'cell')}" if comparison.unit == "cell" else "mean over seeds"
        forests.append(
            Forest(
                arm=comparison.arm,
                colour=analysis.arms.index(comparison.arm),
                cells=[str(cell) for cell in comparison.cells.index],
                estimate=comparison.cells["difference"].to_numpy(dtype=float),
                low=comparison.cells["low"].to_numpy(dtype=float),
                high=comparison.cells["high"].to_numpy(dtype=float),
                mean=comparison.difference,
                label=f"{over}, {plural(pairs, 'pair')}",
            )
        )
    if not forests:
        return None
    verdict = analysis.verdicts[0]
    comparisons = len(analysis.verdicts)
    means = "; ".join(
        f"{forest.arm}: {points(forest.mean.estimate, signed=True)} points ({interval_text(forest.mean, comparisons)},"
        f" {forest.label})"
        for forest in forests
    )
    caption = (
        f"Test accuracy minus that of {analysis.arms[0]} in the same cell and seed, in percentage points. Bars are 95 %"
        " intervals over the seeds of that cell alone (Student's t; among twenty about one misses the truth), an arrow"
        " where one leaves the picture. The diamond is the mean over cells with its interval. Shaded:"
        f" ±{verdict.margin:g} points, which count as no difference."
    )
    counts: dict[str, int] = {}
    for verdict in analysis.verdicts:
        cells = verdict.comparison.cells
        for cell, pairs in zip(cells.index, cells["pairs"].tolist(), strict=True):
            counts[str(cell)] = max(pairs, counts.get(str(cell), 0))
    names = list(counts)
    if len({*counts.values()}) > 1:
        caption += " In brackets: pairs of the cell."
    return Differences(
        text=Text("Difference in each cell", caption, f"Forest plot of paired differences. {means}."),
        baseline=analysis.arms[0],
        cells=names,
        labels=[f"{cell} ({counts[cell]})" for cell in names] if len({*counts.values()}) > 1 else names,
        forests=forests,
        margin=verdict.margin,
    )
