"""Learning curves: validation accuracy while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import Analysis
from scaling.figures.text import Text
from scaling.figures.thinning import sample
from scaling.wording import plural

MOST_CELLS = 300  # of one arm, drawn as a line each


@dataclass(frozen=True)
class Curve:
    """Learning curves of one arm."""

    arm: str
    colour: int
    label: str  # with its n
    epochs: np.ndarray  # (epochs,) counted from 1
    mean: np.ndarray  # (epochs,) percent, over cells
    cells: list[np.ndarray]  # one (epochs of the cell,) a cell that is drawn, mean over its seeds


@dataclass(frozen=True)
class Curves:
    """Validation accuracy while training."""

    text: Text
    curves: list[Curve]


def curves(analysis: Analysis) -> Curves | None:
    """Validation accuracy by epoch, of finished trials; None where no trial finished with a curve."""
    found, thinned = [], False
    for colour, arm in enumerate(analysis.arms):
        by_cell: dict[str, list[np.ndarray]] = {}
        for record in analysis.records:
            if record.arm == arm and record.status == "finished" and record.curve:
                cell = str(record.cell)
                by_cell.setdefault(cell, []).append(np.array([epoch.val_accuracy for epoch in record.curve]))
        cells = [_mean_curve(trials) for trials in by_cell.values()]
        if cells:
            mean = _mean_curve(cells)
            drawn = [cells[place] for place in sample(len(cells), MOST_CELLS)]
            thinned = thinned or len(drawn) < len(cells)
            trials = sum(map(len, by_cell.values()))
            label = f"{arm} ({plural(len(cells), 'cell')}, {plural(trials, 'trial')})"
            found.append(Curve(arm, colour, label, np.arange(1, len(mean) + 1), mean, drawn))
    if not found:
        return None
    ends = "; ".join(
        f"{c.arm}: from {c.mean[0]:.1f} to {c.mean[-1]:.1f} % in {plural(len(c.mean), 'epoch')}" for c in found
    )
    caption = (
        "Validation accuracy after each epoch: faint lines are cells (means over their seeds), bold ones the mean over"
        " cells, as far as all of them were trained. Finished trials only."
        f"{f' {MOST_CELLS} cells of an arm are drawn; the means are of all.' if thinned else ''}"
    )
    return Curves(Text("Learning curves", caption, f"Line plot of validation accuracy by epoch. {ends}."), found)


def _mean_curve(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of curves over the epochs that all of them reached."""
    length = min(map(len, curves))
    return np.stack([curve[:length] for curve in curves]).mean(axis=0)
