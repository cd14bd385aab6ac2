"""Training compute before and during a trial, and the number of epochs at which an arm costs what another costs."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from scaling.costs.counting.quick import quick_cost_of
from scaling.data import Dataset
from scaling.models import build_model
from scaling.models.meta import on_meta
from scaling.study.config import Recipe, TrialConfig
from scaling.study.errors import CostError
from scaling.study.records import CountedCost
from scaling.study.training_compute import TRAINING_COMPUTE, images_per_epoch
from scaling.training.resolution import Size, sizes_for


@dataclass(frozen=True)
class ImageMacs:
    """Multiply-accumulates of one image's forward and backward pass, by the size that it is trained at.

    A network that is made for the data's own size also passes smaller images (`recipe.train_resolution`), which cost
    less; it is counted with them on the meta device.
    """

    own: int  # at the data's own size
    build: Callable[[], nn.Module]  # the network, on the meta device
    channels: int

    @classmethod
    def of(cls, config: TrialConfig, data: Dataset, counts: CountedCost) -> "ImageMacs":
        """The network of a trial, whose counts at the data's own size are known."""
        given = {"num_classes": data.num_classes, "in_chans": data.channels, "image_size": data.image_size}
        arch = {**config.arch, **({"pretrained": False} if "pretrained" in config.arch else {}), **given}
        build = functools.partial(on_meta, functools.partial(build_model, config.family, **arch))
        return cls(_training_macs(counts), functools.cache(build), data.channels)

    def of_sizes(self, sizes: Sequence[Size | None]) -> list[int]:
        """MACs of an image of each epoch, whose height and width `sizes` has; None is the data's own size."""
        counted = {size: self._at(size) for size in set(sizes)}
        return [counted[size] for size in sizes]

    def of_epochs(self, recipe: Recipe, image_size: Size) -> list[int]:
        """MACs of an image of each epoch of a recipe."""
        if recipe.train_resolution is None:
            return [self.own] * recipe.epochs
        return self.of_sizes(sizes_for(self.build(), recipe, image_size, self.channels))

    def _at(self, size: Size | None) -> int:
        if size is None:
            return self.own
        return _training_macs(quick_cost_of(self.build(), torch.zeros(1, self.channels, *size, device="meta")))


def _training_macs(counts: CountedCost) -> int:
    return counts.training_macs or 3 * counts.macs


def training_compute(config: TrialConfig, data: Dataset, counts: CountedCost, epochs: int | None = None) -> int:
    """Return the training compute of a trial that runs to its end, in MACs.

        Σ over epochs of images an epoch × MACs of an image's forward and backward pass at that epoch's size

    Args:
        counts: of the network at the data's own size.
        epochs: in place of the recipe's.
    """
    return _by_epochs(config, data, counts)(config.recipe.epochs if epochs is None else epochs)


def _by_epochs(config: TrialConfig, data: Dataset, counts: CountedCost) -> Callable[[int], int]:
    """Training compute as a function of the number of epochs."""
    macs = ImageMacs.of(config, data, counts)
    images = images_per_epoch(len(data.train), config.recipe.batch_size)

    @functools.cache
    def of(epochs: int) -> int:
        recipe = config.recipe.model_copy(update={"epochs": epochs})
        return images * sum(macs.of_epochs(recipe, data.image_size))

    return of


@dataclass(frozen=True)
class MatchedEpochs:
    """A number of epochs whose training compute is close to a target."""

    epochs: int
    cost: int
    target: int

    @property
    def gap(self) -> float:
        """Difference from the target as a fraction of it; negative where the cost is lower."""
        return self.cost / self.target - 1


def match_epochs(config: TrialConfig, data: Dataset, counts: CountedCost, target: int) -> MatchedEpochs:
    """Find the whole number of epochs, at least one, whose training compute is nearest to `target`.

    Of two that are equally near, the smaller one is taken. Compute grows with epochs, also where the resolution does.

    Raises:
        CostError: the target is not above 0.
    """
    if target <= 0:
        raise CostError(f"{TRAINING_COMPUTE} cannot be {target:g}; give a number above 0")
    of = _by_epochs(config, data, counts)

    def distance(epochs: int) -> tuple[int, int]:
        return abs(of(epochs) - target), epochs

    epochs = max(1, round(target * config.recipe.epochs / of(config.recipe.epochs)))
    while distance(epochs + 1) < distance(epochs):
        epochs += 1
    while epochs > 1 and distance(epochs - 1) < distance(epochs):
        epochs -= 1
    return MatchedEpochs(epochs, of(epochs), target)
