"""Wide ResNet for small images: three stages of pre-activation blocks, at strides 1, 2 and 4.

Zagoruyko and Komodakis, "Wide Residual Networks", arXiv 1605.07146: WRN-28-10 has 4 blocks a stage and widths
160, 320 and 640. Maps are (N, C, H, W).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.models import checkpoint_seq
from torch import nn

from scaling.models.stages import StagedTrunk


class WideBlock(nn.Module):
    """x + f(x), f batch norm → ReLU → 3×3 → batch norm → ReLU → 3×3: (N, C, H, W) to (N, C', H/s, W/s).

    Where the shape changes, a 1×1 convolution of the activated input replaces x, as in the authors' code.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        # an augmented layer may replace this one: the paper augments the first convolution of each block
        self.conv1: nn.Module = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.shortcut = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        activated = F.relu(self.bn1(x))
        residual = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return residual + (x if self.shortcut is None else self.shortcut(activated))


class WideResNet(StagedTrunk):
    """The trunk: images (N, in_chans, H, W) to a map (N, C, ⌈H/4⌉, ⌈W/4⌉), normalised and activated."""

    def __init__(self, *, widths: Sequence[int], blocks: int, in_chans: int) -> None:
        """Build one stage per width, each of so many blocks."""
        super().__init__()
        self.grad_checkpointing = False
        self.num_features = widths[-1]
        self.conv1 = nn.Conv2d(in_chans, 16, 3, padding=1, bias=False)
        self.stages = nn.ModuleList()
        self.feature_info = []
        channels, reduction = 16, 1
        for number, width in enumerate(widths):
            stride = 1 if number == 0 else 2
            reduction *= stride
            befores = [channels] + [width] * (blocks - 1)
            self.stages.append(
                nn.Sequential(*(WideBlock(c, width, stride if i == 0 else 1) for i, c in enumerate(befores)))
            )
            self.feature_info.append({"num_chs": width, "reduction": reduction, "module": f"stages.{number}"})
            channels = width
        self.bn = nn.BatchNorm2d(channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def enter(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv1(x)

    def run_stage(self, stage: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if self.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint_seq(stage, x)
        return stage(x)

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(x))

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop the stages after the last one in `indices`, and with `prune_norm` the last norm; return the indices."""
        wanted = self.prune_stages(indices)
        if prune_norm or len(self.stages) < len(self.feature_info):
            self.bn = nn.Identity()
        return wanted

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Keep only each block's input for the backward pass and compute the rest again."""
        self.grad_checkpointing = enable
