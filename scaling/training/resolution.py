"""Resolution: the size of training images, epoch by epoch; evaluation uses the size of the data.

Touvron et al., "Fixing the train-test resolution discrepancy", arXiv 1906.06423; Tan and Le, "EfficientNetV2", arXiv
2104.00298, section 4 (progressive learning).
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from scaling.data import Dataset
from scaling.models import build_model
from scaling.models.meta import on_meta
from scaling.study.config import DataConfig, Recipe, TrialConfig
from scaling.study.errors import ModelError

Size = tuple[int, int]


def training_sizes(recipe: Recipe, image_size: Size, stride: int = 1) -> list[Size | None]:
    """Return the height and width of the training images in every epoch; None keeps them as they are.

    The shorter side grows linearly from the first epoch to the last, in whole strides of the network.

    Raises:
        ModelError: the recipe's resolution is larger than the images.
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
        if side == short:
            sizes.append(None)  # even if that is not a whole number of strides
            continue
        height, width = (_in_strides(side * full / short, full, stride) for full in image_size)
        sizes.append(None if (height, width) == image_size else (height, width))
    return sizes


def _in_strides(length: float, most: int, stride: int) -> int:
    """Return the multiple of `stride` nearest to a length in pixels, at least one stride and at most `most` pixels."""
    return max(1, min(round(length / stride), most // stride)) * stride


def sizes_for(model: nn.Module, recipe: Recipe, image_size: Size, channels: int) -> list[Size | None]:
    """Return `training_sizes` in whole strides of `model`, after checking on the meta device that it accepts them.

    Raises:
        ModelError: it does not, because positions or layers have one size; or the images are smaller.
    """
    if recipe.train_resolution is None:
        return [None] * recipe.epochs
    probe = _Probe(model, channels)
    sizes = training_sizes(recipe, image_size, probe.stride(image_size))
    for size in dict.fromkeys(size for size in sizes if size):
        if reason := probe.refusal(size):
            raise ModelError(
                f"recipe.train_resolution: a network made for images of {named(image_size)} cannot be trained on"
                f" {named(size)} ({reason}); leave train_resolution out, or take a network without fixed positions"
            )
    return sizes


def largest(sizes: Sequence[Size | None], image_size: Size) -> Size:
    """Return the largest size of all epochs."""
    return max(size or image_size for size in sizes)


def refuse_resolutions(configs: Iterable[TrialConfig], datasets: Mapping[DataConfig, Dataset]) -> None:
    """Refuse networks that cannot be trained at their recipe's resolutions, before any training.

    This does not depend on depth and width, so one network of each kind is checked.

    Raises:
        ModelError: as `sizes_for`.
    """
    kinds = {
        json.dumps([_without_size(config.arch), config.recipe.train_resolution, config.data.model_dump()]): config
        for config in configs
        if config.recipe.train_resolution is not None
    }
    for config in kinds.values():
        data = datasets[config.data]
        given = {"num_classes": data.num_classes, "in_chans": data.channels, "image_size": data.image_size}
        model = on_meta(functools.partial(build_model, config.family, **config.arch, **given))
        try:
            sizes_for(model, config.recipe, data.image_size, data.channels)
        except ModelError as error:
            arch = " ".join(f"{name}={value}" for name, value in config.arch.items())
            raise ModelError([f"{config.family} {arch}: {problem}" for problem in error.problems]) from None


def named(size: Size) -> str:
    """Format a size for messages."""
    return f"{size[0]}×{size[1]}"


class _Probe:
    """Runs a network with weights on the meta device in place of its own, which do not change."""

    def __init__(self, model: nn.Module, channels: int) -> None:
        self.model = model
        self.channels = channels

    def stride(self, image_size: Size) -> int:
        """Return the pixels between positions of the last map; 1 if the network gives no map (N, H, W, C)."""
        if not hasattr(self.model, "forward_features"):
            return 1
        shape = self._call(image_size, features=True).shape
        return max(1, round(image_size[0] / shape[1])) if len(shape) == 4 else 1

    def refusal(self, size: Size) -> str | None:
        """Return the network's error for images of another size; None if it accepts them."""
        try:
            self._call(size, features=False)
        except Exception as error:
            return " ".join(str(error).split())[:200]
        return None

    def _call(self, size: Size, *, features: bool) -> torch.Tensor:
        call = _Call(self.model, features)
        tensors = {**dict(call.named_parameters()), **dict(call.named_buffers())}
        fakes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
        modes = {module: module.training for module in self.model.modules()}
        self.model.train()
        try:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                return torch.func.functional_call(
                    call, fakes, (torch.empty(2, self.channels, *size, device="meta"),), tie_weights=True
                )
        finally:
            for module, mode in modes.items():
                module.training = mode


class _Call(nn.Module):
    """A call of a network, or of its trunk."""

    def __init__(self, model: nn.Module, features: bool) -> None:
        super().__init__()
        self.model = model
        self.features = features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model.forward_features(x) if self.features else self.model(x)  # pyright: ignore


def _without_size(arch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arch.items() if name not in ("depth", "width")}
