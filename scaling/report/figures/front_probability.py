"""Probability that each cell is on the front of its arm."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.accuracy_by_cost import FRONT, front_steps
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import look
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric, main_cost
from scaling.wording import plural

MOST = 1500  # points per arm; the most probable are drawn


@dataclass(frozen=True)
class ArmFront:
    """The cells of one arm in order of cost; arrays are (cells,)."""

    arm: str
    colour: int
    label: str  # with its n and whether the front is stable
    cost: np.ndarray
    accuracy: np.ndarray  # percent
    probability: np.ndarray  # of being on the front of its arm
    front: np.ndarray  # boolean: on the front of its arm, as in every figure


@dataclass(frozen=True)
class FrontProbability:
    """All arms over one cost."""

    text: Text
    cost: Metric
    score: Metric
    arms: list[ArmFront]


def arm_fronts(analysis: Analysis, cost_name: str) -> FrontProbability | None:
    """Cells with the probability that they are on their arm's front; None if that is not known."""
    odds, cells = analysis.front_odds[cost_name], analysis.cells
    if isinstance(odds, Missing):
        return None
    cost, score = METRICS[cost_name], METRICS["test_accuracy"]
    costs, accuracy = cells[cost_name].to_numpy(dtype=float), cells["test_accuracy"].to_numpy(dtype=float)
    arms, words = [], []
    for colour, arm in enumerate(analysis.arms):
        rows = np.flatnonzero((cells["arm"] == arm).to_numpy() & np.isfinite(odds.own))
        if len(rows) == 0:
            continue
        count = len(rows)
        rows = rows[np.argsort(-odds.own[rows], kind="stable")[:MOST]]
        rows = rows[np.argsort(costs[rows], kind="stable")]
        stable = "stable" if odds.stable[arm] else "not stable under repetitions"
        label = f"{arm} ({plural(count, 'cell')}; front {stable})"
        front = analysis.fronts[cost_name]["own"].to_numpy()[rows]
        arms.append(ArmFront(arm, colour, label, costs[rows], accuracy[rows], odds.own[rows], front))
        sure = int((odds.own[rows] >= 0.95).sum())
        words.append(f"{arm}: {int(front.sum())} on the front, {sure} of them with 95 % or more")
    if not arms:
        return None
    noise = "repetitions and of test images" if odds.images_included else "repetitions"
    caption = (
        "Points are cells. The fuller a point, the more probable it is on the front of its arm when scores are redrawn"
        f" with the noise of {noise}. {FRONT.partition(':')[0]}."
    )
    description = f"Scatter plot of test accuracy against {cost.label}. {'; '.join(words)}."
    return FrontProbability(Text("How certain the fronts are", caption, description), cost, score, arms)


@figure(section=Section.FRONTS)
def front_probability(analysis: Analysis) -> Drawing | None:
    """Cells over MACs, filled by the probability that they are on the front."""
    return drawn(arm_fronts(analysis, main_cost()), draw_fronts)


def draw_fronts(info: FrontProbability) -> Figure:
    """Draw the observed fronts, and cells whose opacity is the probability."""
    paper, axes = canvas(3.4, [arm.label for arm in info.arms])
    end = max(float(arm.cost[-1]) for arm in info.arms)
    for arm in info.arms:
        colour, marker = look(arm.colour)
        if arm.front.any():
            steps = front_steps(arm.cost[arm.front], arm.accuracy[arm.front], end)
            axes.plot(*steps, color=colour, linewidth=1.0, drawstyle="steps-post", zorder=2)
        fill = np.array([to_rgba(colour, float(p)) for p in arm.probability])
        axes.scatter(arm.cost, arm.accuracy, s=34, marker=marker, facecolors=fill, edgecolors=colour, linewidths=0.9,
                     zorder=3)  # fmt: skip
    log_axis(axes, np.concatenate([arm.cost for arm in info.arms]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel=info.score.label)
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return paper
