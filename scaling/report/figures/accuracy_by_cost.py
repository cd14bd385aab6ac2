"""Accuracy against a cost: cells and trials of each arm, and its front."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.analysis import Analysis, share_of_front
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.registry import Drawing, drawn, plot
from scaling.report.figures.text import Text
from scaling.report.figures.theme import MUTED, PAPER, look
from scaling.report.figures.thinning import MOST, sample
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural


@dataclass(frozen=True)
class Cloud:
    """One arm on the plane of cost and accuracy; points are cells, in order of cost.

    Where there are very many, `drawn` and `trials_drawn` hold the places of a sample; all of the front are in it.
    """

    arm: str
    colour: int  # place of the arm in the study
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    accuracy: np.ndarray  # (cells,) percent, mean over seeds
    sd: np.ndarray  # (cells,) points, over seeds; NaN with one seed
    front: np.ndarray  # (cells,) boolean: on the arm's own front
    trial_cost: np.ndarray  # (trials,)
    trial_accuracy: np.ndarray  # (trials,) percent
    drawn: np.ndarray  # (cells drawn,) places
    trials_drawn: np.ndarray  # (trials drawn,) places


@dataclass(frozen=True)
class Accuracy:
    """Accuracy against a cost."""

    text: Text
    cost: Metric
    score: Metric
    clouds: list[Cloud]
    published: list[tuple[str, np.ndarray, np.ndarray]]  # series, its costs and accuracies in percent; for orientation


def accuracy(analysis: Analysis, cost_name: str, note: str = "") -> Accuracy | None:
    """Test accuracy against a cost, with the front of each arm; None where no trial has both."""
    cost, score = METRICS[cost_name], METRICS["test_accuracy"]
    cells, trials = analysis.cells, analysis.finished
    trial_costs, trial_scores = cost(trials), score(trials)
    clouds = []
    for colour, arm in enumerate(analysis.arms):
        rows = np.flatnonzero((cells["arm"] == arm).to_numpy() & (cells[cost_name] > 0).to_numpy())
        if len(rows) == 0:
            continue
        rows = rows[np.argsort(cells[cost_name].to_numpy()[rows], kind="stable")]
        mine = (trials["arm"] == arm).to_numpy() & (trial_costs > 0)
        front = analysis.fronts[cost_name]["own"].to_numpy()[rows]
        clouds.append(
            Cloud(
                arm=arm,
                colour=colour,
                label=f"{arm} ({plural(len(rows), 'cell')}, {plural(int(mine.sum()), 'trial')})",
                cost=cells[cost_name].to_numpy(dtype=float)[rows],
                accuracy=cells["test_accuracy"].to_numpy(dtype=float)[rows],
                sd=cells["test_sd"].to_numpy(dtype=float)[rows],
                front=front,
                trial_cost=trial_costs[mine],
                trial_accuracy=trial_scores[mine],
                drawn=sample(len(rows), keep=front),
                trials_drawn=sample(int(mine.sum())),
            )
        )
    if not clouds:
        return None
    shares = ", ".join(f"{arm} {number}" for arm, number in share_of_front(analysis, cost_name).items())
    caption = f"Points are cells, faint dots trials. On the joint front of all arms: {shares}."
    if any(max(len(cloud.cost), len(cloud.trial_cost)) > MOST for cloud in clouds):
        caption += f" Of each arm {MOST:,} cells and trials are drawn, chosen at random, and all of its front."
    ranges = "; ".join(
        f"{cloud.arm}: {plural(len(cloud.cost), 'cell')} from {cost.text(cloud.cost[0])} to"
        f" {cost.text(cloud.cost[-1])}, {cloud.accuracy.min():.1f} to {cloud.accuracy.max():.1f} %"
        for cloud in clouds
    )
    title = f"Accuracy against {cost.title}"
    return Accuracy(
        text=Text(
            title, f"{caption} {note}".rstrip(), f"Scatter plot of test accuracy against {cost.label}. {ranges}."
        ),
        cost=cost,
        score=score,
        clouds=clouds,
        published=_published(analysis, cost_name),
    )


def _published(analysis: Analysis, cost_name: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Published numbers that tell this cost, by series."""
    found = []
    for one in analysis.context.references:
        known = [point for point in one.points if getattr(point, cost_name, None)]
        if known:
            costs = np.array([getattr(point, cost_name) for point in known], dtype=float)
            found.append((one.series, costs, np.array([point.accuracy for point in known])))
    return found


SHARED = "Trials ran side by side on one machine: these seconds are bookkeeping, not a measurement of speed."


PUBLISHED = "x+1"  # markers of published series; arms have filled ones


@plot
def accuracy_by_macs(analysis: Analysis) -> Drawing | None:
    """Test accuracy against MACs."""
    return drawn(accuracy(analysis, "macs"), draw_accuracy)


@plot
def accuracy_by_params(analysis: Analysis) -> Drawing | None:
    """Test accuracy against parameters."""
    return drawn(accuracy(analysis, "params"), draw_accuracy)


@plot
def accuracy_by_activations(analysis: Analysis) -> Drawing | None:
    """Test accuracy against activations."""
    return drawn(accuracy(analysis, "activations"), draw_accuracy)


@plot
def accuracy_by_train_seconds(analysis: Analysis) -> Drawing | None:
    """Test accuracy against training seconds, with a warning where trials shared a machine."""
    note = SHARED if analysis.trials_overlap else ""
    return drawn(accuracy(analysis, "train_seconds", note), draw_accuracy)


def draw_accuracy(info: Accuracy) -> Figure:
    """Draw accuracy over a cost: cells, single trials, fronts."""
    figure, axes = canvas(3.7, [cloud.label for cloud in info.clouds])
    for cloud in info.clouds:
        colour, marker = look(cloud.colour)
        axes.plot(cloud.cost[cloud.front], cloud.accuracy[cloud.front], color=colour, linewidth=1.4, zorder=3)
        axes.scatter(
            cloud.trial_cost[cloud.trials_drawn], cloud.trial_accuracy[cloud.trials_drawn], s=7, color=colour,
            alpha=0.28, linewidths=0, zorder=2,
        )  # fmt: skip
        cost, accuracy, front = cloud.cost[cloud.drawn], cloud.accuracy[cloud.drawn], cloud.front[cloud.drawn]
        axes.errorbar(
            cost, accuracy, cloud.sd[cloud.drawn], fmt="none", ecolor=colour, elinewidth=1, alpha=0.7, zorder=3
        )
        for chosen, fill in ((front, colour), (~front, PAPER)):
            axes.scatter(
                cost[chosen], accuracy[chosen], s=30, marker=marker, color=fill, edgecolors=colour,
                linewidths=1.2, zorder=4,
            )  # fmt: skip
    for order, (series, cost, accuracy) in enumerate(info.published):
        axes.scatter(
            cost, accuracy, s=34, marker=PUBLISHED[order % len(PUBLISHED)], color=MUTED, linewidths=1, zorder=5
        )
        axes.annotate(f"{series} (paper)", (float(cost[-1]), float(accuracy[-1])), xytext=(-5, -9), color=MUTED,
                      textcoords="offset points", ha="right", va="top", fontsize=8)  # fmt: skip
    costs = [*(cloud.trial_cost for cloud in info.clouds), *(cost for _, cost, _ in info.published)]
    log_axis(axes, np.concatenate(costs), info.cost)
    axes.set(xlabel=info.cost.label, ylabel=info.score.label)
    legend(axes, [(cloud.label, cloud.colour) for cloud in info.clouds])
    return figure
