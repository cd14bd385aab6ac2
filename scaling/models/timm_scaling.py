"""Width and depth multipliers for timm's networks, where timm can build other sizes.

A network is returned as its entry point, a function of timm's keywords. Channels are rounded to multiples of 8, and
every stage keeps at least one block.
"""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from timm import create_model, model_entrypoint
from timm.layers.helpers import make_divisible
from timm.models import convnext, densenet, efficientnet, ghostnet, mobilenetv3, resnet
from torch import nn

from scaling.models.meta import on_meta
from scaling.study.errors import ModelError

EntryPoint = Callable[..., nn.Module]
Overrides = Mapping[str, Any]


def scaled(name: str, *, width: float, depth: float) -> EntryPoint:
    """Return the entry point of a timm network with its channels and blocks multiplied.

    Raises:
        ModelError: timm has no multipliers for this network, or none for its depth.
    """
    if width == depth == 1:
        return functools.partial(create_model, name)
    architecture = name.split(".")[0]
    if architecture in _GENERATED:
        return _generated(architecture, width, depth)
    entry = model_entrypoint(name)
    table = getattr(importlib.import_module(entry.__module__), "model_cfgs", {})
    rule = _CONFIGURED.get(entry.__module__.rpartition(".")[2])
    if rule is not None and architecture in table:
        return functools.partial(create_model, architecture, **rule(table[architecture], width, depth))
    plain = on_meta(functools.partial(create_model, architecture))
    for kind, read in _READ_OFF.items():
        if isinstance(plain, kind):
            return functools.partial(create_model, architecture, **read(plain, width, depth))
    families = "ResNet, ResNeXt, Res2Net, ResNeSt, ConvNeXt, RegNet, RepVGG, NFNet, DenseNet"
    raise ModelError(
        f"{name} has no width and depth multipliers in timm; there are some for {families} and {', '.join(_GENERATED)}"
    )


# networks that timm generates from a definition and two multipliers: the generator and the network's own multipliers
_GENERATED: dict[str, tuple[Any, str, float, float]] = {
    "efficientnet_b0": (efficientnet, "_gen_efficientnet", 1.0, 1.0),
    "efficientnet_b1": (efficientnet, "_gen_efficientnet", 1.0, 1.1),
    "efficientnet_b2": (efficientnet, "_gen_efficientnet", 1.1, 1.2),
    "efficientnet_b3": (efficientnet, "_gen_efficientnet", 1.2, 1.4),
    "efficientnet_b4": (efficientnet, "_gen_efficientnet", 1.4, 1.8),
    "efficientnet_lite0": (efficientnet, "_gen_efficientnet_lite", 1.0, 1.0),
    "efficientnet_es": (efficientnet, "_gen_efficientnet_edge", 1.0, 1.0),
    "efficientnetv2_s": (efficientnet, "_gen_efficientnetv2_s", 1.0, 1.0),
    "mobilenetv2_100": (efficientnet, "_gen_mobilenet_v2", 1.0, 1.0),
    "mnasnet_100": (efficientnet, "_gen_mnasnet_b1", 1.0, 1.0),
    "semnasnet_100": (efficientnet, "_gen_mnasnet_a1", 1.0, 1.0),
    "mixnet_s": (efficientnet, "_gen_mixnet_s", 1.0, 1.0),
    "mixnet_m": (efficientnet, "_gen_mixnet_m", 1.0, 1.0),
    "fbnetc_100": (efficientnet, "_gen_fbnetc", 1.0, 1.0),
    "spnasnet_100": (efficientnet, "_gen_spnasnet", 1.0, 1.0),
    "mobilenetv3_large_100": (mobilenetv3, "_gen_mobilenet_v3", 1.0, 1.0),
    "mobilenetv3_small_100": (mobilenetv3, "_gen_mobilenet_v3", 1.0, 1.0),
    "lcnet_100": (mobilenetv3, "_gen_lcnet", 1.0, 1.0),
    "ghostnet_100": (ghostnet, "_create_ghostnet", 1.0, 1.0),
}


def _generated(name: str, width: float, depth: float) -> EntryPoint:
    module, generator, own_width, own_depth = _GENERATED[name]
    generate = getattr(module, generator)
    known = generate.__code__.co_varnames[: generate.__code__.co_argcount]
    multipliers = {"width" if "width" in known else "channel_multiplier": own_width * width}
    if "depth_multiplier" in known:
        multipliers["depth_multiplier"] = own_depth * depth
    elif depth != 1:
        raise ModelError(f"{name} has a width multiplier in timm, but none for its depth; leave depth at 1")
    return functools.partial(generate, name, **multipliers)


def _channels(channels: int, width: float) -> int:
    return make_divisible(channels * width, 8)


def _blocks(blocks: int, depth: float) -> int:
    return max(1, round(blocks * depth))


def _regnet(config: Any, width: float, depth: float) -> Overrides:
    """Scale the line on which RegNet's widths lie; a deeper one rises more slowly, to the same end."""
    blocks = max(4, round(config.depth * depth))  # one per stage
    return {"depth": blocks, "w0": _channels(config.w0, width), "wa": config.wa * width * config.depth / blocks}


def _normfree(config: Any, width: float, depth: float) -> Overrides:
    return {
        "channels": tuple(_channels(c, width) for c in config.channels),
        "depths": tuple(_blocks(d, depth) for d in config.depths),
    }


def _bring_your_own_blocks(config: Any, width: float, depth: float) -> Overrides:
    def stage(block: Any) -> Any:
        if isinstance(block, Sequence):  # alternating kinds of blocks
            return tuple(stage(part) for part in block)
        return dataclasses.replace(block, c=_channels(block.c, width), d=_blocks(block.d, depth))

    stem = config.stem_chs
    stem_channels = _channels(stem, width) if isinstance(stem, int) else tuple(_channels(c, width) for c in stem)
    return {"blocks": tuple(stage(block) for block in config.blocks), "stem_chs": stem_channels}


# networks configured by a table `model_cfgs` of their module: which of its entries to replace
_CONFIGURED: dict[str, Callable[[Any, float, float], Overrides]] = {
    "regnet": _regnet,
    "nfnet": _normfree,
    "byobnet": _bring_your_own_blocks,
}


def _resnet(plain: Any, width: float, depth: float) -> Overrides:
    stages = [plain.layer1, plain.layer2, plain.layer3, plain.layer4]
    outputs = [info["num_chs"] for info in plain.feature_info[-4:]]
    return {
        "layers": tuple(_blocks(len(stage), depth) for stage in stages),
        "channels": tuple(_channels(c // s[0].expansion, width) for c, s in zip(outputs, stages, strict=True)),
    }


def _convnext(plain: Any, width: float, depth: float) -> Overrides:
    return {
        "dims": tuple(_channels(info["num_chs"], width) for info in plain.feature_info),
        "depths": tuple(_blocks(len(stage.blocks), depth) for stage in plain.stages),
    }


def _densenet(plain: Any, width: float, depth: float) -> Overrides:
    blocks = [part for name, part in plain.features.named_children() if name.startswith("denseblock")]
    return {
        "growth_rate": _channels(blocks[0].denselayer1.conv2.out_channels, width),
        "block_config": tuple(_blocks(len(block), depth) for block in blocks),
    }


# networks whose entry point takes the sizes of the stages, and whose own sizes can be read from the network
_READ_OFF: dict[type[nn.Module], Callable[[Any, float, float], Overrides]] = {
    resnet.ResNet: _resnet,
    convnext.ConvNeXt: _convnext,
    densenet.DenseNet: _densenet,
}
