"""From a batch of bytes to a network's inputs and targets."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from scaling.data import Dataset
from scaling.data.augment.geometry import erase, flip_and_crop
from scaling.data.augment.mixing import mix, soft_targets
from scaling.data.augment.operations import RandAugment
from scaling.data.augment.registered import apply_registered
from scaling.study.config import Recipe


class Normalisation:
    """Converts bytes (B, H, W, C) to inputs of networks: float32 (B, C, H, W), channels last in memory."""

    def __init__(self, data: Dataset, device: torch.device) -> None:
        self.mean = torch.tensor(data.mean, dtype=torch.float32, device=device)
        self.std = torch.tensor(data.std, dtype=torch.float32, device=device)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        # in whole rows: on a CPU torch broadcasts over three channels five times as slowly as over a row of pixels
        rows, width = images.flatten(2), images.shape[2]
        return (rows - self.mean.repeat(width)).div_(self.std.repeat(width)).view(images.shape).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of the training images of one data set, as the recipe sets it."""

    recipe: Recipe
    flip: bool
    padding: int
    classes: int
    normalise: Normalisation
    rand_augment: RandAugment

    @classmethod
    def of(cls, recipe: Recipe, data: Dataset, device: torch.device) -> "Augmentation":
        """Take settings from the recipe, or from the data where the recipe has none."""
        return cls(
            recipe,
            flip=data.flip if recipe.flip is None else recipe.flip,
            padding=data.crop_padding if recipe.crop_padding is None else recipe.crop_padding,
            classes=data.num_classes,
            normalise=Normalisation(data, device),
            rand_augment=RandAugment(recipe.rand_augment),
        )

    def __call__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        rng: np.random.Generator,
        size: tuple[int, int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, C, H, W) and target probabilities (B, K) for bytes (B, H, W, C) and labels (B,).

        Args:
            size: height and width to resize to; None keeps them.
        """
        recipe = self.recipe
        images = flip_and_crop(images, rng, flip=self.flip, padding=self.padding)
        images = self.rand_augment(images, rng)
        images = apply_registered(images, rng, recipe.augmentation)
        inputs = self.normalise(images)
        if size is not None:
            inputs = F.interpolate(inputs, size=size, mode="bilinear", antialias=True, align_corners=False)
        inputs = erase(inputs, rng, recipe.random_erasing)
        targets = soft_targets(labels, self.classes, recipe.label_smoothing)
        return mix(inputs, targets, rng, mixup=recipe.mixup, cutmix=recipe.cutmix)
