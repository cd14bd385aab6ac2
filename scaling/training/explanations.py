"""Attention maps of a network with attention pooling, and figures of them over the images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from scaling.models.pool import AttendingPool
from scaling.study.errors import ModelError

BATCH = 32


@dataclass(frozen=True, eq=False)
class Explanation:
    """One image, the network's prediction, and the attention maps of its pooling."""

    image: np.ndarray  # uint8 (H, W, C), as the network saw it
    prediction: str  # the most probable class and its probability
    maps: np.ndarray  # (T, h, w): one map, or one for each of the most probable classes
    titles: list[str]  # of the maps


def attention_maps(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the weight that the pooling gives each position: images (N, in_chans, H, W) to maps (N, T, h, w).

    T is the number of tokens, one or one per class; heads are averaged. A map sums to one, or to less if the token also
    attends to itself.

    Raises:
        ModelError: if the network's pooling does not attend.
    """
    return _run(model, images)[1]


def explain(
    model: nn.Module,
    images: np.ndarray,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    class_names: Sequence[str] = (),
    top: int = 12,
) -> list[Explanation]:
    """Explain images, uint8 (N, H, W, C): one map each, or one for each of the `top` most probable classes.

    Args:
        mean: of the training pixels by channel, in units of 0 to 255; with `std` it normalises the images.

    Raises:
        ModelError: if the network's pooling does not attend.
    """
    device = next(model.parameters()).device
    centre, scale = (torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1) for values in (mean, std))
    explanations: list[Explanation] = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        inputs = (torch.from_numpy(batch).permute(0, 3, 1, 2).float() - centre) / scale
        logits, maps = (tensor.float().cpu() for tensor in _run(model, inputs.to(device)))
        for image, shares, own in zip(batch, logits.softmax(dim=-1), maps, strict=True):
            explanations.append(_explanation(image, shares, own, class_names, top))
    return explanations


def gallery(explanations: Sequence[Explanation], *, columns: int = 4) -> Figure:
    """Draw explanations on one page, in `columns` pairs of an image and its first map."""
    rows = -(-len(explanations) // columns)
    columns = min(columns, len(explanations))
    figure = _page(explanations[0], rows, 2 * columns, inches=1.5)
    axes = figure.subplots(rows, 2 * columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, explanation in enumerate(explanations):
        row, column = divmod(number, columns)
        _draw_image(axes[row, 2 * column], explanation, size=8)
        _draw_map(axes[row, 2 * column + 1], explanation, 0, size=8)
    return figure


def drawing(explanation: Explanation) -> Figure:
    """Draw one explanation: the image, and every map beside it."""
    panels = 1 + len(explanation.maps)
    columns = min(panels, 5)
    rows = -(-panels // columns)
    figure = _page(explanation, rows, columns, inches=2.6)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for ax in axes:
        ax.set_axis_off()
    _draw_image(axes[0], explanation, size=10)
    for number in range(len(explanation.maps)):
        _draw_map(axes[1 + number], explanation, number, size=10)
    return figure


def _run(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (N, K) and maps (N, T, h, w) of one pass, from the input of the pooling."""
    pool = attending_pooling(model)
    reached: list[torch.Tensor] = []
    hook = pool.register_forward_pre_hook(lambda _, inputs: reached.append(inputs[0]))
    was_training = model.training
    try:
        with torch.no_grad():
            logits = model.eval()(images)
            return logits, pool.maps(reached[0])
    finally:
        hook.remove()
        model.train(was_training)


def attending_pooling(model: nn.Module) -> AttendingPool:
    """Return the outermost pooling that attends."""
    for module in model.modules():
        if isinstance(module, AttendingPool):
            return module
    raise ModelError("this network's pooling does not attend, so there is no attention to draw")


def _explanation(
    image: np.ndarray, shares: torch.Tensor, maps: torch.Tensor, class_names: Sequence[str], top: int
) -> Explanation:
    best = shares.argsort(descending=True)[:top].tolist()
    names = [f"{class_names[k] if class_names else f'class {k}'} · {100 * shares[k]:.0f} %" for k in best]
    per_class = len(maps) == len(shares) and len(maps) > 1
    chosen = maps[best] if per_class else maps
    return Explanation(image, names[0], chosen.numpy(), names if per_class else ["attention"])


def _page(explanation: Explanation, rows: int, columns: int, *, inches: float) -> Figure:
    """Return an empty figure for panels `inches` wide, with the height of the images and a title."""
    height, width = explanation.image.shape[:2]
    return Figure(figsize=(inches * columns, (inches * height / width + 0.35) * rows), layout="constrained")


def _draw_image(ax: Axes, explanation: Explanation, *, size: int) -> None:
    ax.imshow(explanation.image.squeeze(), cmap="gray", vmin=0, vmax=255)
    ax.set_title(explanation.prediction, fontsize=size)


def _draw_map(ax: Axes, explanation: Explanation, number: int, *, size: int) -> None:
    """Draw one map over the image in grey; the map's largest weight has the brightest colour."""
    height, width = explanation.image.shape[:2]
    ax.imshow(explanation.image.mean(axis=-1), cmap="gray", vmin=0, vmax=255)
    frame = (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(explanation.maps[number], cmap="inferno", alpha=0.65, interpolation="bilinear", vmin=0, extent=frame)
    ax.set_title(explanation.titles[number], fontsize=size)
