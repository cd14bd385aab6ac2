"""Learning curves: validation accuracy by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import canvas, legend
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import look
from scaling.report.figures.thinning import sample
from scaling.wording import plural

MOST_CELLS = 300  # lines of one arm


@dataclass(frozen=True)
class ArmCurves:
    """Learning curves of one arm."""

    arm: str
    colour: int
    label: str  # with its n
    epochs: np.ndarray  # (epochs,) counted from 1
    mean: np.ndarray  # (epochs,) percent, over cells
    cells: list[np.ndarray]  # per cell that is drawn, (epochs of the cell,), mean over its repetitions


@dataclass(frozen=True)
class LearningCurves:
    """Validation accuracy by epoch, per arm."""

    text: Text
    arms: list[ArmCurves]


def arm_curves(analysis: Analysis) -> LearningCurves | None:
    """Validation accuracy by epoch of finished trials; None if no trial finished with a curve."""
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
            shown = [cells[place] for place in sample(len(cells), MOST_CELLS)]
            thinned = thinned or len(shown) < len(cells)
            trials = sum(map(len, by_cell.values()))
            label = f"{arm} ({plural(len(cells), 'cell')}, {plural(trials, 'trial')})"
            found.append(ArmCurves(arm, colour, label, np.arange(1, len(mean) + 1), mean, shown))
    if not found:
        return None
    ends = "; ".join(
        f"{c.arm}: from {c.mean[0]:.1f} to {c.mean[-1]:.1f} % in {plural(len(c.mean), 'epoch')}" for c in found
    )
    caption = (
        "Validation accuracy after each epoch. Faint lines are cells (means over their repetitions), bold lines means"
        " over cells up to the last epoch that all of them reached. Finished trials only."
        f"{f' At most {MOST_CELLS} cells of an arm are drawn; the means include all of them.' if thinned else ''}"
    )
    description = f"Line plot of validation accuracy by epoch. {ends}."
    return LearningCurves(Text("Learning curves", caption, description), found)


def _mean_curve(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Average curves over the epochs that all of them reached."""
    length = min(map(len, curves))
    return np.stack([curve[:length] for curve in curves]).mean(axis=0)


@figure(section=Section.CURVES)
def learning_curves(analysis: Analysis) -> Drawing | None:
    """Validation accuracy by epoch."""
    return drawn(arm_curves(analysis), draw_curves)


def draw_curves(info: LearningCurves) -> Figure:
    """Draw the curves of cells faint and their mean bold."""
    paper, axes = canvas(3.2, [curve.label for curve in info.arms])
    for curve in info.arms:
        colour, _ = look(curve.colour)
        lines = [np.column_stack([np.arange(1, len(cell) + 1), cell]) for cell in curve.cells]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.7, alpha=0.35, zorder=2))
        axes.plot(curve.epochs, curve.mean, color=colour, linewidth=2, zorder=3)
        if len(curve.epochs) == 1:
            axes.scatter(curve.epochs, curve.mean, color=colour, s=26, zorder=3)
    axes.autoscale_view()
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.set(xlabel="Epoch", ylabel="Validation accuracy (%)")
    legend(axes, [(curve.label, curve.colour) for curve in info.arms])
    return paper
