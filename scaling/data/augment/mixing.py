"""Mixup and CutMix: each image of a batch is mixed with its counterpart in the reversed batch, labels too."""

import numpy as np
import torch
import torch.nn.functional as F


def soft_targets(labels: torch.Tensor, classes: int, smoothing: float) -> torch.Tensor:
    """Probabilities (B, K): 1 − smoothing for the label, the rest spread evenly over all classes."""
    return F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes


def mix(
    inputs: torch.Tensor, targets: torch.Tensor, rng: np.random.Generator, *, mixup: float, cutmix: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix inputs (B, C, H, W) and targets (B, K); where both methods are on, each batch uses one of them at random.

    Args:
        mixup: α of the Beta(α, α) from which the weight of the first image is drawn; 0 is off.
            Zhang et al., arXiv 1710.09412, section 2.
        cutmix: the same for the area that stays. Yun et al., arXiv 1905.04899, equations 1 and 2.
    """
    if not mixup and not cutmix:
        return inputs, targets
    cuts = bool(cutmix) and (not mixup or rng.random() < 0.5)
    alpha = cutmix if cuts else mixup
    share = float(rng.beta(alpha, alpha))
    if cuts:
        top, bottom, left, right = _box(share, inputs.shape[2], inputs.shape[3], rng)
        inputs = inputs.clone(memory_format=torch.preserve_format)
        inputs[:, :, top:bottom, left:right] = inputs.flip(0)[:, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (inputs.shape[2] * inputs.shape[3])
    else:
        inputs = inputs * share + inputs.flip(0) * (1 - share)
    return inputs, targets * share + targets.flip(0) * (1 - share)


def _box(share: float, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a rectangle of the image's shape with 1 − share of its area, about a random centre, clipped at the edges."""
    side = (1 - share) ** 0.5
    row, column = int(rng.integers(height)), int(rng.integers(width))
    down, across = int(height * side) // 2, int(width * side) // 2
    return max(row - down, 0), min(row + down, height), max(column - across, 0), min(column + across, width)
