"""Front certainty: how surely each configuration is on the front of its arm."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import MAIN_COST, Analysis
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.registry import Drawing, drawn, plot
from scaling.report.figures.text import Text
from scaling.report.figures.theme import look
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural

MOST = 1500  # points an arm; of more, the likeliest are drawn


@dataclass(frozen=True)
class Certainty:
    """One arm's configurations, in order of cost; arrays (configurations,)."""

    arm: str
    colour: int
    label: str  # with its n, and whether the front is stable
    cost: np.ndarray
    accuracy: np.ndarray  # percent
    probability: np.ndarray  # of being on the front of its arm
    observed: np.ndarray  # boolean: on it by mean test accuracy


@dataclass(frozen=True)
class Certainties:
    """All arms over one cost."""

    text: Text
    cost: Metric
    score: Metric
    arms: list[Certainty]


def front_certainty(analysis: Analysis, cost_name: str = MAIN_COST) -> Certainties | None:
    """Configurations with the probability that they are on their arm's front; None where that is not known."""
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
        stable = "stable" if odds.stable[arm] else "not stable under seeds"
        label = f"{arm} ({plural(count, 'cell')}; front {stable})"
        arms.append(Certainty(arm, colour, label, costs[rows], accuracy[rows], odds.own[rows], odds.observed[rows]))
        sure = int((odds.own[rows] >= 0.95).sum())
        words.append(f"{arm}: {int(odds.observed[rows].sum())} on the front, {sure} of them with 95 % or more")
    if not arms:
        return None
    noise = "seeds and of test images" if odds.images_included else "seeds"
    caption = (
        "Points are cells; the fuller, the likelier on the front of their arm when scores are drawn anew with the luck"
        f" of {noise}. The line joins the cells that are on it by mean test accuracy."
    )
    description = f"Scatter plot of test accuracy against {cost.label}. {'; '.join(words)}."
    return Certainties(Text("How sure the fronts are", caption, description), cost, score, arms)


@plot
def front_probability(analysis: Analysis) -> Drawing | None:
    """Cells over MACs, filled by how likely they are on the front."""
    return drawn(front_certainty(analysis), draw_certainty)


def draw_certainty(info: Certainties) -> Figure:
    """Draw cells whose filling is the probability, and the observed fronts."""
    figure, axes = canvas(3.4, [arm.label for arm in info.arms])
    for arm in info.arms:
        colour, marker = look(arm.colour)
        axes.plot(arm.cost[arm.observed], arm.accuracy[arm.observed], color=colour, linewidth=1.0, zorder=2)
        fill = np.array([to_rgba(colour, float(p)) for p in arm.probability])
        axes.scatter(arm.cost, arm.accuracy, s=34, marker=marker, facecolors=fill, edgecolors=colour, linewidths=0.9,
                     zorder=3)  # fmt: skip
    log_axis(axes, np.concatenate([arm.cost for arm in info.arms]), info.cost)
    axes.set(xlabel=info.cost.label, ylabel=info.score.label)
    legend(axes, [(arm.label, arm.colour) for arm in info.arms])
    return figure
