"""RandAugment in whole batches: two random operations for each image, at one strength.

Cubuk et al., arXiv 1909.13719, with timm's "increasing" operations, levels and chance of 1/2 for each operation
(rand-mM-inc1). Images that draw the same operation are changed together, and all that are moved (`warps.py`) at once.
Nothing here makes a tensor of a list, for which a GPU would stop.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as TF

from scaling.data.augment.warps import Grids, Motion, Warp, grid, warped
from scaling.devices import copied

ROUNDS = 2  # operations for each image
CHANCE = 0.5  # that an operation is done

# images uint8 (B, C, H, W), strength from −1 to 1 → images
Operation = Callable[[torch.Tensor, float], torch.Tensor]
OPERATIONS: dict[str, Operation] = {}
WARPS: dict[str, Warp] = {}  # those of the operations that move pixels


def operation(function: Operation) -> Operation:
    """Register an operation under its own name; to be used as a decorator. Strength 1 is timm's level 10."""
    OPERATIONS[function.__name__] = function
    return function


def warp(function: Warp) -> Warp:
    """Register an operation that moves pixels, by the motion that it makes; to be used as a decorator."""

    def alike(images: torch.Tensor, strength: float) -> torch.Tensor:
        height, width = images.shape[2:]
        grids = grid([function(strength, height, width)], height, width).to(images.device)
        return warped(images, grids.expand(len(images), -1, -1, -1))

    WARPS[function.__name__] = function
    OPERATIONS[function.__name__] = alike
    return function


class RandAugment:
    """Changes images by random operations of one magnitude, from 0 to 10; 0 is off."""

    def __init__(self, magnitude: float) -> None:
        self.magnitude = magnitude
        self.grids = Grids(list(WARPS.values()), (-magnitude / 10, magnitude / 10))

    def __call__(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Change images uint8 (B, H, W, C)."""
        if not self.magnitude:
            return images
        names = list(OPERATIONS)
        out = images.permute(0, 3, 1, 2).contiguous()
        for _ in range(ROUNDS):
            drawn = rng.integers(0, len(names), len(images))
            signs = rng.choice([-1, 1], len(images))
            drawn[rng.random(len(images)) >= CHANCE] = -1
            for number, name in enumerate(names):
                for sign in (-1, 1) if name not in WARPS else ():
                    chosen = np.flatnonzero((drawn == number) & (signs == sign))
                    if len(chosen):
                        rows = copied(chosen, images.device)
                        out[rows] = OPERATIONS[name](out[rows], sign * self.magnitude / 10)
            self._move(out, drawn, signs)
        return out.permute(0, 2, 3, 1)

    def _move(self, images: torch.Tensor, drawn: np.ndarray, signs: np.ndarray) -> None:
        """Move those images (B, C, H, W) that drew a motion, in place and all at once."""
        places = {list(OPERATIONS).index(name): place for place, name in enumerate(WARPS)}
        chosen = np.flatnonzero(np.isin(drawn, list(places)))
        if not len(chosen):
            return
        numbers = [2 * places[number] + (sign > 0) for number, sign in zip(drawn[chosen], signs[chosen], strict=True)]
        rows, which = copied(np.stack([chosen, np.array(numbers)]), images.device)
        images[rows] = warped(images[rows], self.grids.pick(images, which))


def rand_augment(images: torch.Tensor, rng: np.random.Generator, magnitude: float) -> torch.Tensor:
    """Change images uint8 (B, H, W, C) by random operations of `magnitude`, from 0 to 10; 0 is off."""
    return RandAugment(magnitude)(images, rng)


@operation
def autocontrast(images: torch.Tensor, strength: float) -> torch.Tensor:
    levels = images.float()
    darkest = levels.amin((2, 3), keepdim=True)
    span = levels.amax((2, 3), keepdim=True) - darkest
    is_flat = span == 0
    scale = (span * (1.0 / 255)).masked_fill(is_flat, 1.0)
    return ((levels - darkest.masked_fill(is_flat, 0.0)) / scale).clamp_(0, 255).to(images.dtype)


@operation
def equalize(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.equalize(images)


@operation
def invert(images: torch.Tensor, strength: float) -> torch.Tensor:
    return TF.invert(images)


@warp
def rotate(strength: float, height: int, width: int) -> Motion:
    return Motion(angle=math.radians(30 * strength))


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
    if min(images.shape[2:]) <= 2:
        return images
    channels = images.shape[1]
    kernel = torch.full((1, 1, 3, 3), 1.0 / 13.0, device=images.device)
    kernel[:, :, 1, 1] = 5.0 / 13.0
    sharp = images.float()
    blurred = F.conv2d(sharp, kernel.expand(channels, 1, 3, 3), groups=channels).round_()
    inner = sharp[..., 1:-1, 1:-1]  # a view: the edges stay as they are
    inner.add_(blurred.sub_(inner), alpha=1.0 - _factor(strength))
    return sharp.clamp_(0, 255).to(images.dtype)


@warp
def shear_x(strength: float, height: int, width: int) -> Motion:
    return Motion(shear=(math.atan(0.3 * strength), 0.0), at_corner=True)  # as PIL, and so timm, shears


@warp
def shear_y(strength: float, height: int, width: int) -> Motion:
    return Motion(shear=(0.0, math.atan(0.3 * strength)), at_corner=True)


@warp
def translate_x(strength: float, height: int, width: int) -> Motion:
    return Motion(shift=(0.45 * strength * width, 0.0))


@warp
def translate_y(strength: float, height: int, width: int) -> Motion:
    return Motion(shift=(0.0, 0.45 * strength * height))


def _factor(strength: float) -> float:
    return max(0.1, 1 + 0.9 * strength)
