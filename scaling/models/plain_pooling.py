"""Poolings without attention: each maps (N, H, W, C), channels last, to (N, C)."""

import torch
import torch.nn.functional as F
from torch import nn

from scaling.models.attention_pooling import NORM_EPS, AttentionPool, Pool, init_linears, scaled


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
        # half precision has not the range for x³
        x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        return x.clamp(min=1e-6).pow(self.exponent).mean(dim=(1, 2)).pow(1 / self.exponent)


class AverageMlpPool(Pool):
    """The mean, then x + γ · MLP(LN(x)), the MLP as wide as makes the params those of `AttentionPool`."""

    wants_norm = True  # as `AttentionPool` does, so that they differ in nothing but attention

    def __init__(self, channels: int, *, width: int | None, mlp_ratio: float, layer_scale: float) -> None:
        width = width or channels
        super().__init__(width)
        with torch.device("meta"):
            twin = AttentionPool(channels, heads=1, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)
        self.project = nn.Identity() if width == channels else nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.gamma = nn.Parameter(torch.full((width,), layer_scale))
        budget = _params(twin) - _params(self) - width
        hidden = max(1, round(budget / (2 * width + 1)))
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        init_linears(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.project(x.mean(dim=(1, 2)))
        return x + scaled(self.fc2, self.gamma, F.gelu(self.fc1(self.norm(x))))


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
