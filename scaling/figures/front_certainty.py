"""Front certainty: how surely each configuration is on the front of its arm."""

from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import MAIN_COST, Analysis
from scaling.figures.text import Text
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
