"""Small parts that trunks and poolings share: linear layers as the PatchConvNet paper has them, heads, autocast."""

import torch
import torch.nn.functional as F
from torch import nn

from scaling.study.errors import ModelError

NORM_EPS = 1e-6


def scaled(linear: nn.Linear, gamma: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return gamma · linear(x), with LayerScale applied to the weights rather than to the result.

    This is the same function without a product over the whole map, none of which is kept for the backward pass.
    """
    return F.linear(x, *scaled_weights(linear, gamma))


def scaled_weights(linear: nn.Linear, gamma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight (out, in) and bias (out,) of gamma · linear(x)."""
    return linear.weight * gamma[:, None], linear.bias * gamma


def init_linears(module: nn.Module) -> None:
    """Initialise linear layers as the paper does: truncated normal with standard deviation 0.02, biases zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Rearrange (…, L, C) to (…, h, L, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def check_heads(width: int, heads: int) -> None:
    """Raise `ModelError` where `heads` do not divide `width`."""
    if width % heads:
        raise ModelError(f"pooling_heads {heads} does not divide the pooling's width {width}")


def is_autocasting(x: torch.Tensor) -> bool:
    """Return whether autocast is on where `x` is; the meta device, on which costs are counted, has none."""
    device = x.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
