"""Layers that depend on the whole batch, in networks that get a part of it: batch norm, stochastic depth, dropout.

The part is a worker's share of a batch, or a micro-batch; the random numbers of an image are the same in all cases.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.drop import DropPath
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from scaling.devices import copied, kind_of

Sum = Callable[[torch.Tensor], torch.Tensor]  # over all workers
Draw = Callable[[int], torch.Tensor]  # random numbers for so many rows


@dataclass
class BatchPosition:
    """Position of a forward pass's images in their batch.

    It is a tensor, because a compiler makes a graph of its own for every value of a Python number, and one graph for
    all values in a tensor.
    """

    whole: int = 0  # images of the batch
    places: torch.Tensor | None = None  # int64, of the forward pass's images in it; None: layers draw for what they see

    def take(self, whole: int, part: slice, device: torch.device) -> None:
        """Take the images `part` of a batch of `whole`."""
        self.whole, self.places = whole, copied(torch.arange(part.start, part.stop), device)

    def own(self, draw: Draw, seen: int) -> torch.Tensor:
        """Draw for all rows of the batch, and return the `seen` rows of this pass; an image may have several rows."""
        if self.places is None:
            return draw(seen)
        each = seen // self.places.shape[0] if self.places.shape[0] else 1
        drawn = draw(self.whole * each)
        return drawn.unflatten(0, (self.whole, each)).index_select(0, self.places).flatten(0, 1)


class SharedDropPath(nn.Module):
    """Stochastic depth that draws for the whole batch and uses the numbers of its own images."""

    def __init__(self, layer: DropPath, position: BatchPosition) -> None:
        super().__init__()
        self.drop_prob = layer.drop_prob
        self.scale_by_keep = layer.scale_by_keep
        self.position = position

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.drop_prob == 0:
            return x
        keep = 1 - self.drop_prob
        kept = self.position.own(lambda rows: x.new_empty((rows,) + (1,) * (x.ndim - 1)).bernoulli_(keep), len(x))
        return x * (kept / keep if keep > 0 and self.scale_by_keep else kept)


class SharedDropout(nn.Module):
    """Dropout that draws for the whole batch and uses the numbers of its own images."""

    def __init__(self, layer: nn.Dropout, position: BatchPosition) -> None:
        super().__init__()
        self.p = layer.p
        self.position = position

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        return x * self.position.own(lambda rows: F.dropout(x.new_ones((rows, *x.shape[1:])), self.p), len(x))


class Total(Function):
    """Sum over all workers, forward and backward: every worker's loss depends on the sum."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, sum_up: Sum) -> torch.Tensor:
        ctx.sum_up = sum_up
        return sum_up(x)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the base takes any gradients
        ctx: Any, grad: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        return ctx.sum_up(grad), None


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the images of all workers, on any device; Ioffe and Szegedy, arXiv 1502.03167, algorithm 1.

    torch's own SyncBatchNorm runs on GPUs only. The variance is taken about the mean, which loses no digits.
    """

    def __init__(self, layer: _BatchNorm, sum_up: Sum) -> None:
        """Take over the parameters and statistics of `layer`, and the dropout and activation of timm's variant."""
        super().__init__(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        self.weight, self.bias = layer.weight, layer.bias
        self._buffers.update(layer._buffers)
        self.drop = getattr(layer, "drop", nn.Identity())
        self.act = getattr(layer, "act", nn.Identity())
        self.sum_up = sum_up
        self.train(layer.training)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.training or self.running_mean is None:
            return self.act(self.drop(self._shared(input)))
        out = F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return self.act(self.drop(out))

    def _shared(self, x: torch.Tensor) -> torch.Tensor:
        others = [0, *range(2, x.ndim)]
        shape = (1, -1) + (1,) * (x.ndim - 2)
        with torch.no_grad():
            count = self.sum_up(x.new_tensor(x.numel() // x.shape[1], dtype=torch.float32))
        wide = x.float()
        mean = Total.apply(wide.sum(others), self.sum_up) / count
        centred = wide - mean.view(shape)
        variance = Total.apply(centred.square().sum(others), self.sum_up) / count
        if self.training and self.track_running_stats:
            self._follow(mean.detach(), (variance * count / (count - 1)).detach())
        out = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Update the running statistics."""
        if self.num_batches_tracked is None or self.running_mean is None or self.running_var is None:
            return
        self.num_batches_tracked.add_(1)
        step = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), step)
        self.running_var.lerp_(variance.to(self.running_var.dtype), step)


def share_statistics(model: nn.Module, device: torch.device, sum_up: Sum) -> None:
    """Let the batch norms of `model` see all workers' images; parameters keep their names."""
    if kind_of(device).has_sync_batch_norm:
        convert_sync_batchnorm(model)
        return
    _replace(model, _BatchNorm, lambda layer: SharedBatchNorm(layer, sum_up))


def share_draws(model: nn.Module, position: BatchPosition) -> None:
    """Let stochastic depth and dropout of `model` draw for whole batches."""
    _replace(model, DropPath, lambda layer: SharedDropPath(layer, position))
    _replace(model, nn.Dropout, lambda layer: SharedDropout(layer, position))


def _replace(model: nn.Module, kind: type[nn.Module], by: Any) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, by(child))
