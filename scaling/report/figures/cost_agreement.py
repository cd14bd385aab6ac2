"""Agreement of costs: how similarly every two costs rank the models."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import canvas
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import INK, MUTED, WIDTH, look
from scaling.statistics.intervals import MeanInterval
from scaling.study.metrics import METRICS
from scaling.wording import listing, plural, points

MOST_LETTERS = 50  # of the names of all arms together


@dataclass(frozen=True)
class CostAgreement:
    """Kendall's τ-b of every two costs."""

    text: Text
    label: str  # what is ranked, with its n
    names: list[str]  # titles of the costs, in the order of the metrics
    tau: dict[tuple[int, int], MeanInterval]  # by the indices of two costs, the later first; where it is known


def cost_ranks(analysis: Analysis) -> CostAgreement | None:
    """τ of every two costs; None with fewer than three costs, for which one number suffices."""
    known = analysis.design_space.agreement
    costs = sorted({cost for pair in known for cost in pair}, key=list(METRICS).index)
    if len(costs) < 3:
        return None
    tau: dict[tuple[int, int], MeanInterval] = {}
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
        f"Kendall's τ-b over {plural(models, 'model')} (a model is a cell and arm): 1 if two costs rank them in the"
        " same order, 0 if their ranks are unrelated. Pale, bracketed: the 95 % interval includes 0."
    )
    (first, second), least = min(known.items(), key=lambda item: item[1].estimate)
    description = (
        f"Heat map of {len(known)} pairs of costs. The least similar are {METRICS[first].title} and"
        f" {METRICS[second].title}: {least.estimate:.2f}."
    )
    return CostAgreement(Text("How similarly costs rank models", caption, description), label, names, tau)


DEEPEST = 0.6  # opacity of τ = 1; text must stay readable on it, on light and dark paper
HEIGHT = 0.36  # inches of a row


@figure()
def cost_agreement(analysis: Analysis) -> Drawing | None:
    """Kendall's τ of every two costs as a heat map."""
    return drawn(cost_ranks(analysis), draw_ranks)


def draw_ranks(info: CostAgreement) -> Figure:
    """Draw the triangle below the diagonal, in the colours of arms, which follow the page into dark mode."""
    last = len(info.names) - 1
    paper, axes = canvas(HEIGHT * (last + 1), [info.label], left=1.3, bottom=0.1)
    for (row, column), tau in info.tau.items():
        _cell(axes, row, column, tau)
    for column, name in enumerate(info.names[:-1]):  # on the diagonal; the space to the right is free
        axes.text(column + 0.06, column - 0.3, name, ha="left", va="center", fontsize=8.5)
    paper.text(0.09 / WIDTH, 1 - 0.12 / paper.get_figheight(), info.label, ha="left", va="top", fontsize=9)
    axes.set(xlim=(0, last + 1), ylim=(last, -1), xticks=[])
    axes.set_yticks([place + 0.5 for place in range(last)], info.names[1:])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    return paper


def _cell(axes: Axes, row: int, column: int, tau: MeanInterval) -> None:
    is_sure = tau.is_above_zero or tau.is_below_zero
    colour = look(0 if tau.estimate >= 0 else 1)[0]
    corner = column + 0.03, row - 0.97
    axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=colour, alpha=abs(tau.estimate) * DEEPEST, linewidth=0))
    text = points(tau.estimate)
    axes.text(
        column + 0.5, row - 0.5, text if is_sure else f"({text})", ha="center", va="center",
        color=INK if is_sure else MUTED, fontsize=8,
    )  # fmt: skip
