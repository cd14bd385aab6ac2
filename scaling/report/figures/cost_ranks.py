"""Cost ranks: how far every two costs rank the models alike."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import canvas
from scaling.report.figures.registry import Drawing, drawn, plot
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, MUTED, WIDTH, look
from scaling.statistics.intervals import Interval
from scaling.study.metrics import METRICS
from scaling.wording import listing, plural, points

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


DEEPEST = 0.6  # opacity of τ = 1; ink must stay readable on it, on white and on dark paper
HEIGHT = 0.36  # inches of a row


@plot
def cost_agreement(analysis: Analysis) -> Drawing | None:
    """Kendall's τ of every two costs as a heat map."""
    return drawn(cost_ranks(analysis), draw_ranks)


def draw_ranks(info: CostRanks) -> Figure:
    """Draw the triangle below the diagonal; as the colours are those of arms, they follow the page into dark mode."""
    last = len(info.names) - 1
    figure, axes = canvas(HEIGHT * (last + 1), [info.label], left=1.3, bottom=0.1)
    for (row, column), tau in info.tau.items():
        _cell(axes, row, column, tau)
    for column, name in enumerate(info.names[:-1]):  # on the diagonal, where all is free to the right
        axes.text(column + 0.06, column - 0.3, name, ha="left", va="center", fontsize=8.5)
    figure.text(0.09 / WIDTH, 1 - 0.12 / figure.get_figheight(), info.label, ha="left", va="top", fontsize=9)
    axes.set(xlim=(0, last + 1), ylim=(last, -1), xticks=[])
    axes.set_yticks([place + 0.5 for place in range(last)], info.names[1:])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    return figure


def _cell(axes: Axes, row: int, column: int, tau: Interval) -> None:
    is_sure = tau.is_above_zero or tau.is_below_zero
    colour = look(0 if tau.estimate >= 0 else 1)[0]
    corner = column + 0.03, row - 0.97
    axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=colour, alpha=abs(tau.estimate) * DEEPEST, linewidth=0))
    told = points(tau.estimate)
    axes.text(
        column + 0.5, row - 0.5, told if is_sure else f"({told})", ha="center", va="center",
        color=INK if is_sure else MUTED, fontsize=8,
    )  # fmt: skip
