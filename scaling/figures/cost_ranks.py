"""Cost ranks: how far every two costs rank the models alike."""

import math
from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import Analysis
from scaling.figures.text import Text
from scaling.metrics import METRICS
from scaling.statistics.verdict import listing, plural

MOST_LETTERS = 50  # of the names of all arms


@dataclass(frozen=True)
class CostRanks:
    """Kendall's τ-b of every two costs."""

    text: Text
    label: str  # what is ranked, with its n
    names: list[str]  # titles of the costs, in the order of the metrics
    tau: np.ndarray  # (costs, costs), symmetric, 1 on the diagonal; NaN where not known
    is_sure: np.ndarray  # (costs, costs) whether the interval leaves out 0


def cost_ranks(analysis: Analysis) -> CostRanks | None:
    """τ of every two costs; None with fewer than three costs, of which one number tells all."""
    known = {pair: tau for pair, tau in analysis.design_space.agreement.items() if math.isfinite(tau.estimate)}
    costs = list(dict.fromkeys(cost for pair in known for cost in pair))
    costs.sort(key=list(METRICS).index)
    if len(costs) < 3:
        return None
    place = {cost: number for number, cost in enumerate(costs)}
    tau = np.full((len(costs), len(costs)), np.nan)
    np.fill_diagonal(tau, 1)
    is_sure = np.zeros(tau.shape, dtype=bool)
    for (one, other), found in known.items():
        for at in ((place[one], place[other]), (place[other], place[one])):
            tau[at], is_sure[at] = found.estimate, found.low > 0 or found.high < 0
    names = [METRICS[cost].title for cost in costs]
    models = max(found.n for found in known.values())
    arms = listing(analysis.arms)
    if len(arms) > MOST_LETTERS:
        arms = plural(len(analysis.arms), "arm")
    label = f"{plural(models, 'model')}: {arms} in {plural(len(set(analysis.cells['cell'])), 'cell')}"
    caption = (
        f"Kendall's τ-b over {plural(models, 'model')} (cells in their arms): 1 where two costs rank them in the same"
        " order, 0 where they have nothing to do with each other. Intervals of pale numbers in brackets hold 0."
    )
    (first, second), least = min(known.items(), key=lambda item: item[1].estimate)
    description = (
        f"Heat map of {len(known)} pairs of costs. The least alike are {METRICS[first].title} and"
        f" {METRICS[second].title}: {least.estimate:.2f}."
    )
    return CostRanks(Text("Where costs rank models alike", caption, description), label, names, tau, is_sure)
