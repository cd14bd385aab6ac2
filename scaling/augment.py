"""Augmentation of whole batches on the device, before normalisation.

Random numbers are drawn on the CPU from a generator that the caller seeds, so that the same seed augments alike on
every device.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def flipped_and_shifted(images: torch.Tensor, flips: torch.Tensor, shifts: torch.Tensor, padding: int) -> torch.Tensor:
    """Move each image by its shift, black coming in from beyond its edges, then mirror some left to right.

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


def flip_and_crop(images: torch.Tensor, generator: torch.Generator, *, flip: bool, padding: int) -> torch.Tensor:
    """Mirror half of the images (B, H, W, C), if `flip`, and shift all by up to `padding` pixels."""
    count = len(images)
    flips = torch.rand(count, generator=generator) < (0.5 if flip else 0.0)
    shifts = torch.randint(0, 2 * padding + 1, (count, 2), generator=generator)
    if not flip and not padding:
        return images
    return flipped_and_shifted(images, flips.to(images.device), shifts.to(images.device), padding)


def normalised(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Turn bytes (B, H, W, C) into what networks read: float32 (B, C, H, W), channels last in memory."""
    like = {"dtype": torch.float32, "device": images.device}
    scaled = (images.float() - torch.tensor(mean, **like)) / torch.tensor(std, **like)
    return scaled.permute(0, 3, 1, 2)
