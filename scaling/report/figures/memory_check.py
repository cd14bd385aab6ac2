"""Memory: predicted against measured."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scaling.report.analysis.accounts import check_memory
from scaling.report.analysis.analysis import Analysis
from scaling.report.figures.canvas import canvas, legend, log_axis
from scaling.report.figures.registry import Drawing, drawn, plot
from scaling.report.figures.text import Text
from scaling.report.figures.theme import MUTED, PAPER, look
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural


@dataclass(frozen=True)
class MemoryCloud:
    """Memory of a training step of one arm: points are cells, each array (cells,) in bytes."""

    arm: str
    colour: int
    label: str  # with its n
    predicted: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True)
class Memory:
    """Predicted against measured memory."""

    text: Text
    predicted: Metric
    measured: Metric
    clouds: list[MemoryCloud]


def memory(analysis: Analysis) -> Memory | None:
    """Predicted against measured memory of a training step; None where no finished trial has both."""
    check = check_memory(analysis)
    if check is None:
        return None
    metric = METRICS["measured_memory"]
    clouds = []
    for colour, arm in enumerate(analysis.arms):
        mine = np.array([other == arm for other in check.arms])
        if mine.any():
            label = f"{arm} ({plural(int(mine.sum()), 'cell')})"
            clouds.append(MemoryCloud(arm, colour, label, check.predicted[mine], check.measured[mine]))
    caption = (
        "Peak of a training step at the recipe's batch size; points are cells. On the line a prediction is right, above"
        " it too high. Measured: the peak of CUDA's allocator on a GPU, the bytes of the tensors alive on a CPU."
    )
    ranges = "; ".join(
        f"{cloud.arm}: {plural(len(cloud.measured), 'cell')}, measured {metric.text(cloud.measured.min())} to"
        f" {metric.text(cloud.measured.max())}"
        for cloud in clouds
    )
    description = f"Scatter plot of predicted against measured memory with the line of equality. {ranges}."
    text = Text("Memory, predicted and measured", caption, description)
    return Memory(text, METRICS["training_memory"], metric, clouds)


@plot
def memory_prediction(analysis: Analysis) -> Drawing | None:
    """Predicted against measured memory of a training step."""
    return drawn(memory(analysis), draw_memory)


def draw_memory(info: Memory) -> Figure:
    """Draw predicted over measured memory, with the line of equality; both axes have one range."""
    figure, axes = canvas(3.7, [cloud.label for cloud in info.clouds])
    everything = np.concatenate([[*cloud.predicted, *cloud.measured] for cloud in info.clouds])
    log_axis(axes, everything, info.measured)
    log_axis(axes, everything, info.predicted, vertical=True)
    axes.plot(axes.get_xlim(), axes.get_xlim(), color=MUTED, linewidth=0.9, zorder=2)
    for cloud in info.clouds:
        colour, marker = look(cloud.colour)
        axes.scatter(cloud.measured, cloud.predicted, s=30, marker=marker, color=colour, edgecolors=PAPER,
                     linewidths=0.6, zorder=3)  # fmt: skip
    axes.set(xlabel=info.measured.label, ylabel=info.predicted.label)
    legend(axes, [(cloud.label, cloud.colour) for cloud in info.clouds])
    return figure
