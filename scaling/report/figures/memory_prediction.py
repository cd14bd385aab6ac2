"""Memory of a training step: predicted against measured."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.accounts import check_memory
from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.drawing import Drawing, drawn
from scaling.report.figures.figure import Section, figure
from scaling.report.figures.text import Text
from scaling.report.figures.theme import MUTED, PAPER, look
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural


@dataclass(frozen=True)
class ArmMemory:
    """Memory of a training step of one arm; arrays are (cells,) in bytes."""

    arm: str
    colour: int
    label: str  # with its n
    predicted: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True)
class MemoryPrediction:
    """Predicted against measured memory, per arm."""

    text: Text
    predicted: Metric
    measured: Metric
    arms: list[ArmMemory]


def arm_memory(analysis: Analysis) -> MemoryPrediction | None:
    """Predicted and measured memory of a training step; None if no finished trial has both."""
    check = check_memory(analysis)
    if check is None:
        return None
    metric = METRICS["measured_memory"]
    arms = []
    for colour, arm in enumerate(analysis.arms):
        mine = np.array([other == arm for other in check.arms])
        if mine.any():
            label = f"{arm} ({plural(int(mine.sum()), 'cell')})"
            arms.append(ArmMemory(arm, colour, label, check.predicted[mine], check.measured[mine]))
    caption = (
        "Peak of a training step at the recipe's batch size; points are cells. Those on the line are predicted exactly,"
        " those above it too high. Measured on a GPU: the peak of CUDA's allocator; on a CPU: bytes of live tensors."
    )
    ranges = "; ".join(
        f"{one.arm}: {plural(len(one.measured), 'cell')}, measured {metric.text(one.measured.min())} to"
        f" {metric.text(one.measured.max())}"
        for one in arms
    )
    description = f"Scatter plot of predicted against measured memory with the line of equality. {ranges}."
    text = Text("Memory, predicted and measured", caption, description)
    return MemoryPrediction(text, METRICS["training_memory"], metric, arms)


@figure(section=Section.RESOURCES)
def memory_prediction(analysis: Analysis) -> Drawing | None:
    """Predicted against measured memory of a training step."""
    return drawn(arm_memory(analysis), draw_memory)


def draw_memory(info: MemoryPrediction) -> Figure:
    """Draw predicted over measured memory with the line of equality; both axes have the same range."""
    paper, axes = canvas(3.7, [one.label for one in info.arms])
    everything = np.concatenate([[*one.predicted, *one.measured] for one in info.arms])
    log_axis(axes, everything, info.measured)
    log_axis(axes, everything, info.predicted, vertical=True)
    axes.plot(axes.get_xlim(), axes.get_xlim(), color=MUTED, linewidth=0.9, zorder=2)
    for one in info.arms:
        colour, marker = look(one.colour)
        axes.scatter(one.measured, one.predicted, s=30, marker=marker, color=colour, edgecolors=PAPER,
                     linewidths=0.6, zorder=3)  # fmt: skip
    axes.set(xlabel=info.measured.label, ylabel=info.predicted.label)
    legend(axes, [(one.label, one.colour) for one in info.arms])
    return paper
