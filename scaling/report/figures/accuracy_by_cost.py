"""Accuracy against every cost that is a column of the tables: cells, trials and front of each arm."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis, share_of_front
from scaling.report.analysis.cell_marks import CellMark, cell_marks, joined
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.direct_labels import place_labels
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import MUTED, PAPER, look
from scaling.report.figures.thinning import MOST, sample
from scaling.study.metrics import METRICS, Metric, Role, column_costs
from scaling.wording import plural

SHARED = "Trials ran concurrently on one machine: these seconds do not measure speed."
PUBLISHED = "x+1"  # markers of published series; those of arms are filled
FRONT = (
    "Steps are the Pareto front of an arm: its filled points are chosen on validation accuracy and drawn at test"
    " accuracy."
)
FEW = 60  # cells of all arms up to which each has a label and a size
LABEL = 6.5  # points, the smallest text


@dataclass(frozen=True)
class ArmAccuracy:
    """One arm on the plane of cost and accuracy; points are cells, in order of cost.

    Members of the front are chosen on validation accuracy; the line through them is the highest of their mean test
    accuracies up to each cost, so that it never falls.
    `drawn` and `trials_drawn` hold indices: all of them, or a sample that includes the whole front.
    """

    arm: str
    colour: int  # index of the arm in the study
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    accuracy: np.ndarray  # (cells,) percent, mean over repetitions
    sd: np.ndarray  # (cells,) points, over repetitions; NaN with one
    front: np.ndarray  # (cells,) boolean: on the front of the arm
    trial_cost: np.ndarray  # (trials,)
    trial_accuracy: np.ndarray  # (trials,) percent
    marks: list[CellMark]  # (cells,)
    drawn: np.ndarray  # (cells drawn,) indices
    trials_drawn: np.ndarray  # (trials drawn,) indices


@dataclass(frozen=True)
class AccuracyByCost:
    """Accuracy against a cost, per arm."""

    text: Text
    cost: Metric
    score: Metric
    arms: list[ArmAccuracy]
    published: list[tuple[str, np.ndarray, np.ndarray]]  # series, its costs, its accuracies in percent
    joins: bool  # cells on one line


def arm_accuracy(analysis: Analysis, cost_name: str, note: str = "") -> AccuracyByCost | None:
    """Test accuracy against a cost, with the front of each arm; None if no trial has both."""
    cost, score = METRICS[cost_name], METRICS["test_accuracy"]
    cells, trials = analysis.cells, analysis.finished
    trial_costs, trial_scores = cost(trials), score(trials)
    marks = cell_marks(analysis)
    arms = []
    for colour, arm in enumerate(analysis.arms):
        rows = np.flatnonzero((cells["arm"] == arm).to_numpy() & (cells[cost_name] > 0).to_numpy())
        if len(rows) == 0:
            continue
        rows = rows[np.argsort(cells[cost_name].to_numpy()[rows], kind="stable")]
        mine = (trials["arm"] == arm).to_numpy() & (trial_costs > 0)
        front = analysis.fronts[cost_name]["own"].to_numpy()[rows]
        arms.append(
            ArmAccuracy(
                arm=arm,
                colour=colour,
                label=f"{arm} ({plural(len(rows), 'cell')}, {plural(int(mine.sum()), 'trial')})",
                cost=cells[cost_name].to_numpy(dtype=float)[rows],
                accuracy=cells["test_accuracy"].to_numpy(dtype=float)[rows],
                sd=cells["test_sd"].to_numpy(dtype=float)[rows],
                front=front,
                marks=[marks[label] for label in cells["cell"].to_numpy()[rows]],
                trial_cost=trial_costs[mine],
                trial_accuracy=trial_scores[mine],
                drawn=sample(len(rows), keep=front),
                trials_drawn=sample(int(mine.sum())),
            )
        )
    if not arms:
        return None
    shares = ", ".join(f"{arm} {number}" for arm, number in share_of_front(analysis, cost_name).items())
    joins = joined(marks)
    caption = f"Points are cells, faint dots single trials, bars ±1 standard deviation over repetitions. {FRONT}"
    caption += " Thin lines join cells that differ in one axis alone." if joins else ""
    caption += f" On the joint front of all arms: {shares}."
    if any(max(len(one.cost), len(one.trial_cost)) > MOST for one in arms):
        caption += f" A random {MOST:,} cells and trials of each arm are drawn, and all of its front."
    ranges = "; ".join(
        f"{one.arm}: {plural(len(one.cost), 'cell')} from {cost.text(one.cost[0])} to"
        f" {cost.text(one.cost[-1])}, {one.accuracy.min():.1f} to {one.accuracy.max():.1f} %"
        for one in arms
    )
    description = f"Scatter plot of test accuracy against {cost.label}. {ranges}."
    return AccuracyByCost(
        text=Text(f"Accuracy against {cost.title}", f"{caption} {note}".rstrip(), description),
        cost=cost,
        score=score,
        arms=arms,
        published=_published(analysis, cost_name),
        joins=joins,
    )


def _published(analysis: Analysis, cost_name: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Published numbers that include this cost, by series."""
    found = []
    for one in analysis.context.references:
        known = [point for point in one.points if getattr(point, cost_name, None)]
        if known:
            costs = np.array([getattr(point, cost_name) for point in known], dtype=float)
            found.append((one.series, costs, np.array([point.accuracy for point in known])))
    return found


def _register(cost_name: str) -> None:
    """Make the figure of one cost; times carry a warning if trials shared a machine."""
    is_time = METRICS[cost_name].role is Role.TIME

    def draw(analysis: Analysis) -> Drawing | None:
        note = SHARED if is_time and analysis.trials_overlap else ""
        return drawn(arm_accuracy(analysis, cost_name, note), draw_accuracy)

    draw.__name__ = f"accuracy_by_{cost_name}"
    figure(section=Section.ACCURACY, order=2)(draw)


for _cost in column_costs():
    _register(_cost)


def front_steps(cost: np.ndarray, accuracy: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the step line of a front, to draw with `steps-post`; it goes on level to the cost `end`.

    Args:
        cost: (members,) in order.
        accuracy: (members,) percent.
    """
    return np.append(cost, end), np.append(highest := np.maximum.accumulate(accuracy), highest[-1:])


def draw_accuracy(info: AccuracyByCost) -> Figure:
    """Draw accuracy over a cost: cells, single trials, fronts, published numbers."""
    paper, axes = canvas(3.7, [one.label for one in info.arms])
    few = sum(len(arm.cost) for arm in info.arms) <= FEW
    end = max(float(arm.cost[-1]) for arm in info.arms)
    fronts = []
    for arm in info.arms:
        colour, marker = look(arm.colour)
        if arm.front.any():
            fronts.append(steps := front_steps(arm.cost[arm.front], arm.accuracy[arm.front], end))
            axes.plot(*steps, color=colour, linewidth=1.4, drawstyle="steps-post", zorder=3)
        if info.joins:
            _join(axes, arm, colour)
        axes.scatter(
            arm.trial_cost[arm.trials_drawn], arm.trial_accuracy[arm.trials_drawn], s=7, color=colour,
            alpha=0.28, linewidths=0, zorder=2,
        )  # fmt: skip
        cost, accuracy, front = arm.cost[arm.drawn], arm.accuracy[arm.drawn], arm.front[arm.drawn]
        sizes = np.array([arm.marks[i].size for i in arm.drawn]) if few else np.full(len(cost), 0.5)
        axes.errorbar(cost, accuracy, arm.sd[arm.drawn], fmt="none", ecolor=colour, elinewidth=1, alpha=0.7, zorder=3)
        for chosen, fill in ((front, colour), (~front, PAPER)):
            axes.scatter(
                cost[chosen], accuracy[chosen], s=18 + 30 * sizes[chosen], marker=marker, color=fill,
                edgecolors=colour, linewidths=1.2, zorder=4,
            )  # fmt: skip
    for order, (series, cost, accuracy) in enumerate(info.published):
        axes.scatter(
            cost, accuracy, s=34, marker=PUBLISHED[order % len(PUBLISHED)], color=MUTED, linewidths=1, zorder=5
        )
        axes.annotate(f"{series} (paper)", (float(cost[-1]), float(accuracy[-1])), xytext=(-5, -9), color=MUTED,
                      textcoords="offset points", ha="right", va="top", fontsize=8)  # fmt: skip
    costs = [*(one.trial_cost for one in info.arms), *(cost for _, cost, _ in info.published)]
    log_axis(axes, np.concatenate(costs), info.cost)
    axes.set(xlabel=info.cost.label, ylabel=info.score.label)
    legend(axes, [(one.label, one.colour) for one in info.arms])
    if few:
        place_labels(
            axes,
            np.concatenate([one.cost for one in info.arms]),
            np.concatenate([one.accuracy for one in info.arms]),
            [mark.label for one in info.arms for mark in one.marks],
            [look(one.colour)[0] for one in info.arms for _ in one.marks],
            LABEL,
            fronts,
        )
    return paper


def _join(axes: Axes, arm: ArmAccuracy, colour: str) -> None:
    """Join the cells of an arm that differ in one axis alone."""
    lines = np.array([mark.line for mark in arm.marks])
    for line in np.unique(lines):
        mine = lines == line
        axes.plot(arm.cost[mine], arm.accuracy[mine], color=colour, linewidth=0.7, linestyle=":", alpha=0.8, zorder=2)
