"""PatchConvNet: a patch stem, a column of identical residual blocks at one resolution, and any pooling.

Touvron et al., "Augmenting Convolutional networks with attention-based aggregation", arXiv 2112.13692. Maps are
(N, H, W, C), channels last, from stem to pooling: norms and pointwise convolutions need no transpose, and the
depthwise convolution reads the same memory as a channels-last (N, C, H, W).
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from timm.layers.drop import DropPath
from torch import nn
from torch.utils.checkpoint import checkpoint

from scaling.devices import is_short_of_memory
from scaling.models.head import HeadedNetwork
from scaling.models.layers import NORM_EPS, is_autocasting, scaled, scaled_weights
from scaling.models.memory_efficient import gelu_depthwise, gelu_gate_linear
from scaling.models.pooling import PAPER_POOLING, PoolingChoice
from scaling.models.registry import ImageSize, Positive, family, seeded
from scaling.models.stages import StagedTrunk


def as_map(conv: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Apply a convolution of (N, C, H, W) to a map (N, H, W, C) without moving anything in memory."""
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Stem(nn.Module):
    """Stride-2 convolutions without bias or norm, the width doubling: (N, c, H, W) to (N, H/p, W/p, C)."""

    def __init__(self, in_chans: int, width: int, patch_size: int) -> None:
        super().__init__()
        halvings = patch_size.bit_length() - 1
        widths = [in_chans, *(width // 2**left for left in reversed(range(halvings)))]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1, bias=False)
            for before, after in itertools.pairwise(widths)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        for number, conv in enumerate(self.convs):
            # GELU of (N, H, W, C): on a CPU three times faster than of a permuted view of the same memory
            x = as_map(conv, x if number == 0 else F.gelu(x))
        x = x.contiguous()  # already so in memory, unless a side is 1
        # under autocast the trunk's sum stays in float32: branches start far below the resolution of half precision
        return x.float() if is_autocasting(x) else x


class SqueezeExcite(nn.Module):
    """A gate for each channel from the mean over positions: (N, H, W, C) to (N, 1, 1, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(width, round(width * 0.25))
        self.expand = nn.Linear(self.reduce.out_features, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.expand(self.reduce(x.mean(dim=(1, 2), keepdim=True)).relu()).sigmoid()


class Block(nn.Module):
    """x + DropPath(γ · f(LN(x))), f pointwise → GELU → depthwise 3×3 → GELU → squeeze-excite → pointwise.

    The pointwise convolutions are linear layers on the channels-last map. Their initialisation is PyTorch's default,
    which is the same distribution for a linear layer as for the 1×1 convolution of the authors' code.
    """

    def __init__(self, width: int, drop_path: float, layer_scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.pointwise1 = nn.Linear(width, width)
        self.depthwise = nn.Conv2d(width, width, kernel_size=3, padding=1, groups=width)
        self.gate = SqueezeExcite(width)
        self.pointwise2 = nn.Linear(width, width)
        self.gamma = nn.Parameter(torch.full((width,), layer_scale))
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.is_checkpointed = False  # computed again as a whole, so that what it keeps is short-lived

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # GPUs are short of memory, CPUs of time; a compiler decides itself what to compute again
        saves_memory = self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        saves_memory = saves_memory and not self.is_checkpointed and is_short_of_memory(x)
        return x + self.drop_path(self.memory_efficient_branch(x) if saves_memory else self.branch(x))

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """Return γ · f(LN(x)) of a map (N, H, W, C)."""
        y = F.gelu(self.pointwise1(self.norm(x)))
        y = F.gelu(as_map(self.depthwise, y))
        return scaled(self.pointwise2, self.gamma, y * self.gate(y))

    def memory_efficient_branch(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same, keeping about half as much for the backward pass."""
        y = gelu_depthwise(self.pointwise1(self.norm(x)), self.depthwise)
        return gelu_gate_linear(y, self.gate.reduce, self.gate.expand, *scaled_weights(self.pointwise2, self.gamma))


class PatchConvNet(StagedTrunk, HeadedNetwork):
    """Stem, trunk, pooled head: images (N, in_chans, H, W) to logits (N, num_classes).

    No position is encoded anywhere, so weights and model work at any resolution, square or not.
    """

    stages_attribute = "blocks"
    maps_are_channels_last = True
    usual_pooling = PAPER_POOLING.name
    is_unnormalised = True

    def __init__(  # one parameter per setting of the family
        self,
        *,
        width: int,
        depth: int,
        patch_size: int,
        pooling: PoolingChoice,
        num_classes: int,
        image_size: tuple[int, int],
        in_chans: int,
        drop_path: float,
        layer_scale: float,
        dropout: float,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_chans = in_chans
        self.num_features = width
        self.patch_size = patch_size
        self.map_size = map_size(image_size, patch_size)
        self.dropout = dropout
        self.layer_scale = layer_scale
        self.grad_checkpointing = False
        self.feature_info = [{"num_chs": width, "reduction": patch_size, "module": f"blocks.{i}"} for i in range(depth)]
        with seeded(seed, "trunk"):
            self.stem = Stem(in_chans, width, patch_size)
            self.blocks = nn.ModuleList(Block(width, drop_path, layer_scale) for _ in range(depth))
        self.head = self.build_head(pooling, num_classes, seed)

    def enter(self, x: torch.Tensor) -> torch.Tensor:
        return self.stem(x)

    def run_stage(self, stage: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if self.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(stage, x, use_reentrant=False)  # pyright: ignore[reportReturnType]
        return stage(x)

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop the blocks after the last one in `indices`, and the head; return the indices counted from the front."""
        wanted = self.prune_stages(indices)
        if prune_head:
            self.reset_classifier(0, "")
        return wanted

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Name the layers, for learning rates that fall with depth; timm's interface."""
        return {"stem": r"^stem", "blocks": r"^blocks" if coarse else r"^blocks\.(\d+)"}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Keep only each block's input for the backward pass and compute the rest again: less memory, more time."""
        self.grad_checkpointing = enable
        for block in self.blocks:
            cast(Block, block).is_checkpointed = enable


def map_size(image_size: tuple[int, int], patch_size: int) -> tuple[int, int]:
    """Return height and width of the map, in patches: each of the stem's convolutions halves, rounding up."""
    height, width = image_size
    return -(-height // patch_size), -(-width // patch_size)


def _broken_rules(arch: Mapping[str, Any]) -> Iterator[str]:
    patch, (height, width) = arch["patch_size"], arch["image_size"]
    if min(height, width) < patch:
        yield f"image_size {height}×{width} is smaller than patch_size {patch}"
        return
    if arch["width"] % (patch // 2):
        yield f"width {arch['width']} cannot be halved {patch.bit_length() - 2} times, as patch_size {patch} needs"
    yield from arch["pooling"].problems(
        arch["width"], num_classes=arch["num_classes"], map_size=map_size((height, width), patch)
    )


@family(check=_broken_rules)
def patchconvnet(  # one parameter per setting of the family
    *,
    width: Annotated[int, Field(gt=0, multiple_of=8, description="embedding channels")],
    depth: Annotated[int, Field(gt=0, le=5000, description="blocks in the trunk")],
    patch_size: Annotated[Literal[2, 4, 8, 16], Field(description="side of a patch, in pixels")] = 16,
    pooling: PoolingChoice = PAPER_POOLING,
    num_classes: Positive = 1000,
    image_size: ImageSize = 224,  # pyright: ignore[reportArgumentType]  # a number is a square
    in_chans: Positive = 3,
    drop_path: Annotated[
        float, Field(ge=0, lt=1, description="probability that a block is skipped, equal in all")
    ] = 0.0,
    layer_scale: Annotated[float, Field(gt=0, description="initial scale of each residual branch")] = 1e-4,
    dropout: Annotated[float, Field(ge=0, lt=1, description="probability that the classifier misses a feature")] = 0.0,
    seed: int | None = None,
) -> PatchConvNet:
    """Build a PatchConvNet; the paper's sizes are in `scaling.models.timm_variants`."""
    return PatchConvNet(
        width=width,
        depth=depth,
        patch_size=patch_size,
        pooling=pooling,
        num_classes=num_classes,
        image_size=image_size if isinstance(image_size, tuple) else (image_size, image_size),
        in_chans=in_chans,
        drop_path=drop_path,
        layer_scale=layer_scale,
        dropout=dropout,
        seed=seed,
    )
