"""Resolution: at which size images are trained on, epoch by epoch; they are evaluated at the size they have.

Touvron et al., "Fixing the train-test resolution discrepancy", arXiv 1906.06423; Tan and Le, "EfficientNetV2", arXiv
2104.00298, section 4 (progressive learning).
"""

import copy
from typing import Any

import torch
from torch import nn

from scaling.config import Recipe
from scaling.errors import ModelError

Size = tuple[int, int]


def training_sizes(recipe: Recipe, image_size: Size, stride: int = 1) -> list[Size | None]:
    """Height and width of the training images in every epoch; None: as they are.

    The shorter side grows linearly from the first epoch to the last, in whole strides of the network.

    Raises:
        ModelError: larger than the images are.
    """
    if recipe.train_resolution is None:
        return [None] * recipe.epochs
    first, last = recipe.train_resolution
    short = min(image_size)
    if max(first, last) > short:
        raise ModelError(
            f"recipe.train_resolution {max(first, last)} is larger than the images, of which the shorter side has"
            f" {short} pixels; raise data.image_size, at which models are evaluated"
        )
    sizes: list[Size | None] = []
    for epoch in range(recipe.epochs):
        side = first + (last - first) * epoch / max(1, recipe.epochs - 1)
        height, width = (max(stride, round(side * full / short / stride) * stride) for full in image_size)
        sizes.append(None if (height, width) == image_size else (height, width))
    return sizes


def sizes_for(model: nn.Module, recipe: Recipe, image_size: Size, channels: int) -> list[Size | None]:
    """`training_sizes` in whole strides of `model`, which is asked, on the meta device, whether it can take them.

    Raises:
        ModelError: it cannot, because positions or layers are made for one size; or the images are smaller.
    """
    if recipe.train_resolution is None:
        return [None] * recipe.epochs
    twin = copy.deepcopy(model).to("meta").train()
    sizes = training_sizes(recipe, image_size, _stride(twin, image_size, channels))
    for size in dict.fromkeys(size for size in sizes if size):
        try:
            twin(torch.empty(2, channels, *size, device="meta"))
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"recipe.train_resolution: a network made for images of {_name(image_size)} cannot be trained on"
                f" {_name(size)} ({reason}); leave train_resolution out, or choose a network without fixed positions"
            ) from None
    return sizes


def _stride(twin: Any, image_size: Size, channels: int) -> int:
    """Pixels from one place of the network's last map to the next; 1 where it shows no map (N, H, W, C)."""
    features = getattr(twin, "forward_features", None)
    if features is None:
        return 1
    shape = features(torch.empty(2, channels, *image_size, device="meta")).shape
    return max(1, round(image_size[0] / shape[1])) if len(shape) == 4 else 1


def _name(size: Size) -> str:
    return f"{size[0]}×{size[1]}"
