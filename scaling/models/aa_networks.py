"""Attention augmented networks: ResNets, Wide ResNet and MnasNet with some convolutions augmented.

Bello et al., "Attention Augmented Convolutional Networks", arXiv 1904.09925. docs/models.md lists what the
paper defines and what is assumed. The plain networks are timm's and `wide_resnet`'s.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import torch
from pydantic import AfterValidator, Field
from timm.layers.helpers import make_divisible
from timm.models import EfficientNet, ResNet
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn

from scaling.models.attention_augmented import (
    AttentionAugmentedConv2d,
    AttentionHeads,
    Kappa,
    KeyChannels,
    Upsilon,
    attention_channels,
)
from scaling.models.pooled_network import PooledNetwork
from scaling.models.pooling import AVERAGE, PoolingChoice
from scaling.models.registry import ImageSize, Positive, family, seeded
from scaling.models.wide_resnet import WideResNet
from scaling.study.errors import ModelError, unknown

# a module, the name of a convolution in it, and the reduction of that convolution's output
Site = tuple[nn.Module, str, int]


@dataclass(frozen=True)
class Base:
    """A network to augment, and how the paper augments it."""

    build: Callable[[float, float, int], nn.Module]  # width and depth multipliers, image channels → the plain trunk
    sites: Callable[[Any], list[list[Site]]]  # convolutions of a trunk that can be augmented, stage by stage
    kappa: float
    upsilon: float
    heads: int = 8
    largest_map: int | None = None  # side of the largest map that attention reads at full resolution


def _resnet(block: type[BasicBlock | Bottleneck], layers: tuple[int, ...]) -> Callable[[float, float, int], ResNet]:
    def build(width: float, depth: float, in_chans: int) -> ResNet:
        return ResNet(
            cast(Any, block),
            tuple(_scaled_depth(count, depth) for count in layers),
            num_classes=0,
            in_chans=in_chans,
            channels=tuple(make_divisible(channels * width, 8) for channels in (64, 128, 256, 512)),
        )

    return build


def _resnet_sites(trunk: ResNet) -> list[list[Site]]:
    """Return the 3×3 of each bottleneck, or the first 3×3 of each basic block, which has the stage's stride."""
    stages = cast(list[nn.Sequential], [trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4])
    return [
        [(block, "conv2" if isinstance(block, Bottleneck) else "conv1", 4 * 2**number) for block in stage]
        for number, stage in enumerate(stages)
    ]


def _wide_resnet(width: float, depth: float, in_chans: int) -> WideResNet:
    widths = [make_divisible(channels * width, 8) for channels in (160, 320, 640)]
    return WideResNet(widths=widths, blocks=_scaled_depth(4, depth), in_chans=in_chans)


def _wide_resnet_sites(trunk: WideResNet) -> list[list[Site]]:
    """Return the first 3×3 of every block."""
    stages = cast(list[nn.Sequential], list(trunk.stages))
    return [[(block, "conv1", 2**number) for block in stage] for number, stage in enumerate(stages)]


# MnasNet-A1, Tan et al., arXiv 1807.11626, figure 7, in timm's notation. Its sizes at four widths (2.91, 3.89, 5.26 and
# 6.10 M) are those of the paper's baseline.
_MNASNET = (
    "ds_r1_k3_s1_e1_c16_noskip",
    "ir_r2_k3_s2_e6_c24",
    "ir_r3_k5_s2_e3_c40_se0.25",
    "ir_r4_k3_s2_e6_c80",
    "ir_r2_k3_s1_e6_c112_se0.25",
    "ir_r3_k5_s2_e6_c160_se0.25",
    "ir_r1_k3_s1_e6_c320",
)


def _mnasnet(width: float, depth: float, in_chans: int) -> EfficientNet:
    return EfficientNet(
        decode_arch_def([[stage] for stage in _MNASNET], depth_multiplier=depth),
        num_classes=0,
        in_chans=in_chans,
        round_chs_fn=functools.partial(round_channels, multiplier=width),
    )


def _mnasnet_sites(trunk: EfficientNet) -> list[list[Site]]:
    """Return the 1×1 that expands each inverted bottleneck, on the map before the block's stride."""
    stages: list[list[Site]] = []
    reduction = 2
    for stage in cast(list[nn.Sequential], list(trunk.blocks)):
        sites: list[Site] = []
        for block in cast(list[Any], list(stage)):
            if hasattr(block, "conv_pwl"):
                sites.append((block, "conv_pw", reduction))
            reduction *= block.conv_dw.stride[0]
        stages.append(sites)
    return stages


def _scaled_depth(blocks: int, depth: float) -> int:
    return max(1, round(blocks * depth))


BASES: dict[str, Base] = {
    "resnet18": Base(_resnet(BasicBlock, (2, 2, 2, 2)), _resnet_sites, kappa=0.25, upsilon=0.25),
    "resnet34": Base(_resnet(BasicBlock, (3, 4, 6, 3)), _resnet_sites, kappa=0.25, upsilon=0.25),
    "resnet50": Base(_resnet(Bottleneck, (3, 4, 6, 3)), _resnet_sites, kappa=0.2, upsilon=0.1),
    "resnet101": Base(_resnet(Bottleneck, (3, 4, 23, 3)), _resnet_sites, kappa=0.2, upsilon=0.1),
    "resnet152": Base(_resnet(Bottleneck, (3, 8, 36, 3)), _resnet_sites, kappa=0.2, upsilon=0.1),
    # full 32 × 32 maps would take 8 · 1024² weights per image in each of four layers
    "wide_resnet28_10": Base(_wide_resnet, _wide_resnet_sites, kappa=0.2, upsilon=0.1, largest_map=16),
    "mnasnet_100": Base(_mnasnet, _mnasnet_sites, kappa=0.1, upsilon=0.1, heads=4),
}


def _known(name: str) -> str:
    if name not in BASES:
        raise ValueError(unknown("base", name, BASES))
    return name


BaseName = Annotated[str, AfterValidator(_known), Field(description="the network to augment")]
LargestMap = Annotated[
    int, Field(gt=0, description="side of the largest map read in full; larger ones are averaged first")
]


@dataclass(frozen=True)
class AttentionAugmentation:
    """How the convolutions of a network are augmented: parameters of the family, with the base's defaults."""

    kappa: float
    upsilon: float
    heads: int
    min_key_channels: int
    stages: int
    largest_map: int | None
    relative: bool

    @classmethod
    def of(cls, arch: Mapping[str, Any]) -> "AttentionAugmentation":
        base = BASES[arch["base"]]
        own = {name: arch[name] for name in cls.__dataclass_fields__}
        return cls(**{name: getattr(base, name) if value is None else value for name, value in own.items()})

    def problems(self, channels: int) -> list[str]:
        """Return what keeps a layer of so many output channels from being augmented."""
        sizes = {"kappa": self.kappa, "upsilon": self.upsilon}
        try:
            attention_channels(channels, **sizes, heads=self.heads, min_key_channels=self.min_key_channels)
        except ModelError as error:
            return error.problems
        return []

    def layer(self, conv: nn.Conv2d, map_size: tuple[int, int]) -> AttentionAugmentedConv2d:
        """Build the replacement of `conv`, whose output is a map of `map_size`."""
        return AttentionAugmentedConv2d(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size[0],
            map_size=map_size,
            stride=conv.stride[0],
            kappa=self.kappa,
            upsilon=self.upsilon,
            heads=self.heads,
            min_key_channels=self.min_key_channels,
            relative=self.relative,
            pooled=self.largest_map is not None and max(map_size) > self.largest_map,
        )


@functools.lru_cache(maxsize=32)
def _on_meta(base: str, width: float, depth: float) -> nn.Module:
    """Build a plain trunk without weights, for its shapes."""
    with torch.device("meta"):
        return BASES[base].build(width, depth, 3)


def _sites(base: Base, trunk: nn.Module, stages: int) -> list[Site]:
    """Return the convolutions to augment: those of the last `stages` stages."""
    by_stage = base.sites(trunk)
    return [site for stage in by_stage[len(by_stage) - stages :] for site in stage]


def _reduced(image_size: tuple[int, int], reduction: int) -> tuple[int, int]:
    """Return the size of a map; all networks here halve with padding, so that odd sides are rounded up."""
    return -(-image_size[0] // reduction), -(-image_size[1] // reduction)


def _last_map(trunk: nn.Module, image_size: tuple[int, int]) -> tuple[int, int]:
    return _reduced(image_size, cast(Any, trunk).feature_info[-1]["reduction"])


def _broken_rules(arch: Mapping[str, Any]) -> Iterator[str]:
    base, augmentation = BASES[arch["base"]], AttentionAugmentation.of(arch)
    trunk = _on_meta(arch["base"], arch["width"], arch["depth"])
    count = len(base.sites(trunk))
    if augmentation.stages > count:
        yield f"stages {augmentation.stages} is above {count}, the number of stages of {arch['base']}"
        return
    problems: list[str] = []
    for module, name, _ in _sites(base, trunk, augmentation.stages):
        problems += augmentation.problems(getattr(module, name).out_channels)
    yield from problems[:1]  # the others repeat it for other layers
    yield from arch["pooling"].problems(
        cast(int, trunk.num_features),
        num_classes=arch["num_classes"],
        map_size=_last_map(trunk, arch["image_size"]),
    )


@family(check=_broken_rules)
def attention_augmented(  # one parameter per setting of the family
    *,
    base: BaseName = "resnet50",
    kappa: Kappa | None = None,
    upsilon: Upsilon | None = None,
    heads: AttentionHeads | None = None,
    min_key_channels: KeyChannels = 20,
    stages: Annotated[int, Field(ge=0, description="how many of the last stages are augmented")] = 3,
    largest_map: LargestMap | None = None,
    relative: Annotated[bool, Field(description="add relative position logits")] = True,
    width: Annotated[float, Field(gt=0, le=16, description="multiplies the channels of every stage")] = 1.0,
    depth: Annotated[float, Field(gt=0, le=16, description="multiplies the blocks of every stage")] = 1.0,
    pooling: PoolingChoice = AVERAGE,
    num_classes: Positive = 1000,
    image_size: ImageSize = 224,  # pyright: ignore[reportArgumentType]  # a number is a square
    in_chans: Positive = 3,
    dropout: Annotated[float, Field(ge=0, lt=1, description="probability that the classifier misses a feature")] = 0.0,
    seed: int | None = None,
) -> PooledNetwork:
    """Build an attention augmented network; `kappa`, `upsilon`, `heads` and `largest_map` default to the base's.

    With `upsilon` 0 it is the plain network. The ResNets' stem keeps its 64 channels whatever the width.
    """
    size = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    augmentation = AttentionAugmentation.of(locals())
    with seeded(seed, "trunk"):
        trunk = BASES[base].build(width, depth, in_chans)
        if augmentation.upsilon > 0:
            for module, name, reduction in _sites(BASES[base], trunk, stages):
                setattr(module, name, augmentation.layer(getattr(module, name), _reduced(size, reduction)))
    return PooledNetwork(
        trunk,
        channels=cast(int, trunk.num_features),
        map_size=_last_map(trunk, size),
        pooling=pooling,
        num_classes=num_classes,
        in_chans=in_chans,
        dropout=dropout,
        seed=seed,
    )
