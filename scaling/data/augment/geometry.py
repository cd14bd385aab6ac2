"""Flips, shifts and erased rectangles of whole batches, on the device."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from scaling.devices import copied

# Zhong et al., "Random Erasing Data Augmentation", arXiv 1708.04896, with the bounds that timm uses
ERASED_AREA = (0.02, 1 / 3)  # part of the image
ERASED_RATIO = (0.3, 1 / 0.3)  # height over width


def flip_and_crop(images: torch.Tensor, rng: np.random.Generator, *, flip: bool, padding: int) -> torch.Tensor:
    """Shift all images (B, H, W, C) by up to `padding` pixels and mirror half of them, if `flip`."""
    count = len(images)
    flips = torch.from_numpy(rng.random(count) < (0.5 if flip else 0.0))
    shifts = torch.from_numpy(rng.integers(0, 2 * padding + 1, (count, 2)))
    if not flip and not padding:
        return images
    flips, shifts = copied(flips, images.device), copied(shifts, images.device)
    if not padding:  # a plain flip, because most pixels of large images stay where they are
        return torch.where(flips[:, None, None, None], images.flip(2), images)
    return flipped_and_shifted(images, flips, shifts, padding)


def flipped_and_shifted(images: torch.Tensor, flips: torch.Tensor, shifts: torch.Tensor, padding: int) -> torch.Tensor:
    """Shift each image, filling with black, then mirror some images left to right.

    Args:
        images: (B, H, W, C).
        flips: bool (B,).
        shifts: int64 (B, 2), up and left, each from 0 (down or right by `padding`) to 2 · `padding`.
    """
    count, height, width, _ = images.shape
    rows = torch.arange(height, device=images.device) + shifts[:, :1]
    columns = torch.arange(width, device=images.device).expand(count, width)
    columns = torch.where(flips[:, None], width - 1 - columns, columns) + shifts[:, 1:]
    padded = F.pad(images, (0, 0, padding, padding, padding, padding)) if padding else images
    batch = torch.arange(count, device=images.device)[:, None, None]
    return padded[batch, rows[:, :, None], columns[:, None, :]]


def erase(inputs: torch.Tensor, rng: np.random.Generator, probability: float) -> torch.Tensor:
    """Replace a random rectangle of some normalised images (B, C, H, W) by noise of mean 0 and deviation 1."""
    if not probability:
        return inputs
    count, _, height, width = inputs.shape
    areas = rng.uniform(*ERASED_AREA, count) * height * width
    ratios = np.exp(rng.uniform(math.log(ERASED_RATIO[0]), math.log(ERASED_RATIO[1]), count))
    down = np.clip(np.round(np.sqrt(areas * ratios)), 1, height).astype(np.int64)
    across = np.clip(np.round(np.sqrt(areas / ratios)), 1, width).astype(np.int64)
    down[rng.random(count) >= probability] = 0
    tops, lefts = rng.integers(0, height - down + 1), rng.integers(0, width - across + 1)
    generator = torch.Generator(inputs.device).manual_seed(int(rng.integers(2**63)))
    noise = torch.randn(inputs.shape, device=inputs.device, generator=generator)
    inside = _within(tops, down, height, inputs.device)[:, None, :, None]
    inside = inside & _within(lefts, across, width, inputs.device)[:, None, None, :]
    # without `out` the result would have the noise's order in memory, and the network copy it to channels last
    return torch.where(inside, noise, inputs, out=torch.empty_like(inputs))


def _within(starts: np.ndarray, lengths: np.ndarray, size: int, device: torch.device) -> torch.Tensor:
    """Mark the positions from start to start + length: bool (B, size)."""
    bounds = copied(np.stack([starts, starts + lengths]), device)
    positions = torch.arange(size, device=device)
    return (positions >= bounds[0, :, None]) & (positions < bounds[1, :, None])
