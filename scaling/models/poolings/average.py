"""Poolings without attention: average, maximum, their mean, and the generalized mean."""

import torch
from torch import nn

from scaling.models.pooling import Exponent, Pool, pooling


class AveragePool(Pool):
    """The mean over positions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(1, 2))


class MaxPool(Pool):
    """The maximum over positions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.amax(dim=(1, 2))


class AverageMaxPool(Pool):
    """Half the mean plus half the maximum over positions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * (x.mean(dim=(1, 2)) + x.amax(dim=(1, 2)))


class GeneralizedMeanPool(Pool):
    """(mean of max(x, ε)ᵖ)^(1/p) over positions, p learned."""

    def __init__(self, channels: int, *, exponent: float) -> None:
        super().__init__(channels)
        self.exponent = nn.Parameter(torch.tensor([exponent]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # half precision lacks the range for x³
        x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        return x.clamp(min=1e-6).pow(self.exponent).mean(dim=(1, 2)).pow(1 / self.exponent)


@pooling
def average(channels: int) -> nn.Module:
    """Average over positions: (N, H, W, C) to (N, C).

    Adds no params and no MACs. Lin et al., "Network In Network", arXiv 1312.4400, section 3.2.
    """
    return AveragePool(channels)


@pooling(name="max")
def max_pool(channels: int) -> nn.Module:
    """Maximum over positions: (N, H, W, C) to (N, C).

    Adds no params and no MACs. Oquab et al., "Is object localization for free?", CVPR 2015, section 3.
    """
    return MaxPool(channels)


@pooling
def average_max(channels: int) -> nn.Module:
    """Mean of the average and the maximum over positions: (N, H, W, C) to (N, C).

    Adds no params and no MACs. Lee et al., "Generalizing Pooling Functions in Convolutional Neural Networks",
    arXiv 1509.08985, with the mixing proportion fixed at one half.
    """
    return AverageMaxPool(channels)


@pooling
def gem(channels: int, *, exponent: Exponent = 3.0) -> nn.Module:
    """Generalized mean (mean of xᵖ)^(1/p) with a learned p, negative values cut off: (N, H, W, C) to (N, C).

    Adds 1 param and no MACs. Radenović et al., "Fine-tuning CNN Image Retrieval with No Human Annotation",
    arXiv 1711.02512, equation 3.

    Args:
        exponent: p at the start.
    """
    return GeneralizedMeanPool(channels, exponent=exponent)
