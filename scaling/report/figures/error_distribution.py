"""Error distribution function of each arm, with its band."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.design_space import PLAIN
from scaling.report.figures.canvas import canvas, legend
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import look
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural

MOST_STEPS = 1000  # drawn of one curve


@dataclass(frozen=True)
class ArmErrors:
    """Distribution of one arm; arrays are (steps,)."""

    label: str  # with its n
    colour: int
    error: np.ndarray  # percent
    share: np.ndarray  # percent of cells
    half_width: float  # percentage points of the share


@dataclass(frozen=True)
class ErrorDistributions:
    """All arms under one weighting."""

    text: Text
    score: Metric
    arms: list[ArmErrors]


def arm_errors(analysis: Analysis, cost: str) -> ErrorDistributions | None:
    """Distributions with cells weighted for `cost`, or unweighted; None if no arm has one."""
    spread = analysis.design_space.spreads.get(cost)
    if spread is None or isinstance(spread, Missing):
        return None
    arms = []
    for colour, arm in enumerate(analysis.arms):
        found = spread.arms[arm]
        if isinstance(found, Missing):
            continue
        keep = np.unique(np.linspace(0, found.n - 1, min(found.n, MOST_STEPS)).round().astype(int))
        label = f"{arm} ({plural(found.n, 'cell')}, effectively {found.effective:.0f})"
        if cost == PLAIN:
            label = f"{arm} ({plural(found.n, 'cell')})"
        arms.append(ArmErrors(label, colour, found.errors[keep], 100 * found.share[keep], 100 * found.half_width))
    if not arms:
        return None
    weighted, title = "", "Distribution of errors"
    if cost != PLAIN:
        name = METRICS[cost].title
        weighted = f" Cells are weighted so that all arms have the same distribution of {name}."
        title = f"{title}, normalised for {name}"
    caption = (
        "Share of cells whose test error (mean over repetitions) is at most the value on the axis. The bands hold for"
        f" all errors and arms simultaneously with 95 % (Dvoretzky–Kiefer–Wolfowitz).{weighted}"
    )
    halves = [(arm.label, arm.error[min(np.searchsorted(arm.share, 50), len(arm.error) - 1)]) for arm in arms]
    medians = "; ".join(f"{label}: half of the cells below {error:.2f} %" for label, error in halves)
    return ErrorDistributions(Text(title, caption, f"Step curves. {medians}."), METRICS["test_error"], arms)


@figure()
def error_distribution(analysis: Analysis) -> Drawing | None:
    """Share of cells over test error, every cell with the same weight."""
    return drawn(arm_errors(analysis, PLAIN), draw_errors)


@figure()
def error_distribution_by_macs(analysis: Analysis) -> Drawing | None:
    """Share of cells over test error, normalised for MACs."""
    return drawn(arm_errors(analysis, "macs"), draw_errors)


def draw_errors(info: ErrorDistributions) -> Figure:
    """Draw a step curve and its band for each arm."""
    paper, axes = canvas(3.2, [arm.label for arm in info.arms])
    ends = np.concatenate([arm.error for arm in info.arms])
    low, high = ends.min(), ends.max()
    margin = 0.03 * max(high - low, 0.1)
    for arm in info.arms:
        colour, _ = look(arm.colour)
        x = np.concatenate([[low - margin], arm.error, [high + margin]])
        y = np.concatenate([[0.0], arm.share, [100.0]])
        band = np.clip(y - arm.half_width, 0, 100), np.clip(y + arm.half_width, 0, 100)
        axes.fill_between(x, *band, step="post", color=colour, alpha=0.13, linewidth=0, zorder=1)
        axes.step(x, y, where="post", color=colour, linewidth=1.5, zorder=3)
    axes.set(xlabel=info.score.label, ylabel="cells (%)", xlim=(low - margin, high + margin), ylim=(0, 100))
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return paper
