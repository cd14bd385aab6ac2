"""Augmentations that a recipe names, which users can add."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
import torch

from scaling.study.errors import DataError
from scaling.study.recipe_registries import AUGMENTATIONS

BatchAugmentation: TypeAlias = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


@overload
def augmentation(function: BatchAugmentation, /) -> BatchAugmentation: ...
@overload
def augmentation() -> Callable[[BatchAugmentation], BatchAugmentation]: ...
def augmentation(function: BatchAugmentation | None = None, /) -> Any:
    """Register an augmentation of whole batches under its own name; to be used as a decorator."""
    if function is None:
        return augmentation
    AUGMENTATIONS.add(function.__name__, function, module=function.__module__)
    return function


def apply_registered(images: torch.Tensor, rng: np.random.Generator, names: Sequence[str]) -> torch.Tensor:
    """Apply augmentations in their order to images uint8 (B, H, W, C).

    Raises:
        DataError: one of them returns something other than a batch of the same shape.
    """
    for name in names:
        augmented = AUGMENTATIONS[name](images, rng)
        if not isinstance(augmented, torch.Tensor) or augmented.shape != images.shape:
            found = tuple(augmented.shape) if isinstance(augmented, torch.Tensor) else type(augmented).__name__
            raise DataError(f"augmentation '{name}' returned {found} for images of shape {tuple(images.shape)}")
        images = augmented
    return images
