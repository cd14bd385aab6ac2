"""Cost ranks: how far every two costs rank the models alike."""

from dataclasses import dataclass

from scaling.answers.analysis import Analysis
from scaling.figures.text import Text
from scaling.statistics.intervals import Interval
from scaling.study.metrics import METRICS
from scaling.wording import listing, plural

MOST_LETTERS = 50  # of the names of all arms


@dataclass(frozen=True)
class CostRanks:
    """Kendall's τ-b of every two costs."""

    text: Text
    label: str  # what is ranked, with its n
    names: list[str]  # titles of the costs, in the order of the metrics
    tau: dict[tuple[int, int], Interval]  # by the places of two costs, the later one first; of those that are known


def cost_ranks(analysis: Analysis) -> CostRanks | None:
    """τ of every two costs; None with fewer than three costs, of which one number tells all."""
    known = analysis.design_space.agreement
    costs = sorted({cost for pair in known for cost in pair}, key=list(METRICS).index)
    if len(costs) < 3:
        return None
    tau: dict[tuple[int, int], Interval] = {}
    for pair, found in known.items():
        earlier, later = sorted(map(costs.index, pair))
        tau[later, earlier] = found
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
    return CostRanks(Text("Where costs rank models alike", caption, description), label, names, tau)
