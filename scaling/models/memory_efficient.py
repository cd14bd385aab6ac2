"""Memory-efficient parts of a PatchConvNet block, which keep only their input for the backward pass.

That is half of what autograd keeps. GELU and the gate, which are cheap, are computed again; convolutions and matrix
products are not. Maps are (N, H, W, C). Each part is computed in the precision of its input, which under autocast is
that of the layer before.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

aten = torch.ops.aten


def gelu_depthwise(x: torch.Tensor, conv: nn.Conv2d) -> torch.Tensor:
    """Return the depthwise 3×3 convolution of GELU(x): (N, H, W, C) to the same."""
    return GeluDepthwise.apply(x, conv.weight, conv.bias)


def gelu_gate_linear(
    x: torch.Tensor, reduce: nn.Linear, expand: nn.Linear, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Return a linear layer of GELU(x) after its squeeze-excite gate: (N, H, W, C) to the same."""
    return GeluGateLinear.apply(x, reduce.weight, reduce.bias, expand.weight, expand.bias, weight, bias)


class GeluDepthwise(Function):
    """Depthwise 3×3 convolution of GELU(x)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        images = F.gelu(x).permute(0, 3, 1, 2)
        out = F.conv2d(images, weight.to(x.dtype), bias.to(x.dtype), padding=1, groups=len(weight))
        return out.permute(0, 2, 3, 1)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the base takes any gradients
        ctx: Any, grad: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        x, weight = ctx.saved_tensors
        channels = len(weight)
        at_images, at_weight, at_bias = aten.convolution_backward(
            grad.permute(0, 3, 1, 2),
            F.gelu(x).permute(0, 3, 1, 2),
            weight.to(x.dtype),
            [channels],
            [1, 1],
            [1, 1],
            [1, 1],
            False,
            [0, 0],
            channels,
            [True, True, True],
        )
        at_x = aten.gelu_backward(at_images.permute(0, 2, 3, 1), x)
        return at_x, at_weight.to(weight.dtype), at_bias.to(weight.dtype)


class GeluGateLinear(Function):
    """Linear layer of y · sigmoid(E relu(R mean(y) + r) + e), where y = GELU(x): squeeze-excite between the two."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        reduce: torch.Tensor,
        reduce_bias: torch.Tensor,
        expand: torch.Tensor,
        expand_bias: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        y = F.gelu(x)
        mean = y.mean(dim=(1, 2))
        hidden = F.linear(mean, reduce.to(x.dtype), reduce_bias.to(x.dtype)).relu()
        gate = F.linear(hidden, expand.to(x.dtype), expand_bias.to(x.dtype)).sigmoid()
        ctx.save_for_backward(x, mean, hidden, gate, reduce, expand, weight)
        return F.linear(y.mul_(gate[:, None, None]), weight.to(x.dtype), bias.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the base takes any gradients
        ctx: Any, grad: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        x, mean, hidden, gate, reduce, expand, weight = ctx.saved_tensors
        y, gate_map = F.gelu(x), gate[:, None, None]
        rows = grad.flatten(0, 2)
        at_bias = rows.sum(dim=0)
        at_product = grad @ weight.to(x.dtype)
        at_expanded = (at_product * y).sum(dim=(1, 2)) * gate * (1 - gate)
        at_weight = rows.t() @ y.mul_(gate_map).flatten(0, 2)
        at_hidden = (at_expanded @ expand.to(x.dtype)) * (hidden > 0)
        at_mean = at_hidden @ reduce.to(x.dtype)
        positions = x.shape[1] * x.shape[2]
        at_y = at_product.mul_(gate_map).add_(at_mean[:, None, None], alpha=1 / positions)
        small = (at_hidden.t() @ mean, at_hidden.sum(0), at_expanded.t() @ hidden, at_expanded.sum(0))
        return aten.gelu_backward(at_y, x), *(t.to(weight.dtype) for t in (*small, at_weight, at_bias))
