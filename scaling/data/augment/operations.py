"""RandAugment in whole batches: two random operations for each image, at one strength.

Cubuk et al., arXiv 1909.13719, with timm's "increasing" operations, levels and chance of 1/2 for each operation
(rand-mM-inc1). Images that draw the same operation are changed together.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as TF

ROUNDS = 2  # operations for each image
CHANCE = 0.5  # that an operation is done
FILL = 128.0  # grey, for pixels from beyond the edges

# images uint8 (B, C, H, W), strength from −1 to 1 → images
Operation = Callable[[torch.Tensor, float], torch.Tensor]
OPERATIONS: dict[str, Operation] = {}


def operation(function: Operation) -> Operation:
    """Register an operation under its own name; to be used as a decorator. Strength 1 is timm's level 10."""
    OPERATIONS[function.__name__] = function
    return function


def rand_augment(images: torch.Tensor, rng: np.random.Generator, magnitude: float) -> torch.Tensor:
    """Change images uint8 (B, H, W, C) by random operations of `magnitude`, from 0 to 10; 0 is off."""
    if not magnitude:
        return images
    names = list(OPERATIONS)
    out = images.permute(0, 3, 1, 2).contiguous()
    for _ in range(ROUNDS):
        drawn = rng.integers(0, len(names), len(images))
        signs = rng.choice([-1, 1], len(images))
        drawn[rng.random(len(images)) >= CHANCE] = -1
        for number, name in enumerate(names):
            for sign in (-1, 1):
                chosen = np.flatnonzero((drawn == number) & (signs == sign))
                if len(chosen):
                    rows = torch.from_numpy(chosen).to(images.device, non_blocking=True)
                    out[rows] = OPERATIONS[name](out[rows], sign * magnitude / 10)
    return out.permute(0, 2, 3, 1)


@operation
def autocontrast(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.autocontrast(images)


@operation
def equalize(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.equalize(images)


@operation
def invert(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.invert(images)


@operation
def rotate(images: torch.Tensor, strength: float) -> torch.Tensor:
    return _affine(images, angle=30 * strength)


@operation
def posterize(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.posterize(images, 4 - int(4 * abs(strength)))


@operation
def solarize(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.solarize(images, min(255, 256 - int(256 * abs(strength))))


@operation
def solarize_add(images: torch.Tensor, strength: float) -> torch.Tensor:
    brighter = (images.int() + min(128, int(110 * abs(strength)))).clamp(max=255).to(images.dtype)
    return torch.where(images < 128, brighter, images)


@operation
def color(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.adjust_saturation(images, _factor(strength))


@operation
def contrast(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.adjust_contrast(images, _factor(strength))


@operation
def brightness(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.adjust_brightness(images, _factor(strength))


@operation
def sharpness(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.adjust_sharpness(images, _factor(strength))


@operation
def shear_x(images: torch.Tensor, strength: float) -> torch.Tensor:
    return _affine(images, shear=(math.degrees(math.atan(0.3 * strength)), 0.0))


@operation
def shear_y(images: torch.Tensor, strength: float) -> torch.Tensor:
    return _affine(images, shear=(0.0, math.degrees(math.atan(0.3 * strength))))


@operation
def translate_x(images: torch.Tensor, strength: float) -> torch.Tensor:
    return _affine(images, translate=(0.45 * strength * images.shape[3], 0.0))


@operation
def translate_y(images: torch.Tensor, strength: float) -> torch.Tensor:
    return _affine(images, translate=(0.0, 0.45 * strength * images.shape[2]))


def _factor(strength: float) -> float:
    return max(0.1, 1 + 0.9 * strength)


def _affine(
    images: torch.Tensor,
    *,
    angle: float = 0.0,
    translate: tuple[float, float] = (0.0, 0.0),
    shear: tuple[float, float] = (0.0, 0.0),
) -> torch.Tensor:
    return TF.affine(
        images,
        angle=angle,
        translate=list(translate),
        scale=1.0,
        shear=list(shear),
        center=[0, 0] if any(shear) else None,  # PIL, and so timm, shears about the corner
        interpolation=InterpolationMode.BILINEAR,
        fill=[FILL] * images.shape[1],
    )
