"""Where a timm network is cut to give it another pooling, and what lies on either side.

The cut lies where the network averages over positions. The layers before it, the trunk, and those between it and the
classifier (a norm, a 1×1 convolution, …) stay as they are: timm's own `forward_head` receives the pooled vector as a
map of one position, whose average is itself. docs/models.md lists the exceptions.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from timm import get_pretrained_cfg
from timm.models import get_pretrained_cfg_value
from torch import nn

from scaling.models.meta import on_meta
from scaling.models.timm_scaling import scaled
from scaling.study.errors import ModelError

# layers of some networks between their map and their pooling that are not in `forward_features`
_NECKS = ("in_conv", "head.in_conv")


@dataclass(frozen=True)
class TrunkSettings:
    """The parameters of the family that shape the trunk."""

    name: str
    width: float
    depth: float
    in_chans: int
    image_size: tuple[int, int]
    drop_path: float

    @classmethod
    def of(cls, arch: Mapping[str, Any]) -> "TrunkSettings":
        return cls(**{name: arch[name] for name in cls.__dataclass_fields__})

    def options(self, num_classes: int) -> dict[str, Any]:
        """Return the keywords of timm's entry point."""
        options: dict[str, Any] = {"num_classes": num_classes, "in_chans": self.in_chans}
        if self.drop_path > 0:
            options["drop_path_rate"] = self.drop_path
        if get_pretrained_cfg_value(self.name, "fixed_input_size"):
            height, width = self.image_size
            options["img_size"] = height if height == width else self.image_size  # some accept squares only
        return options


@dataclass(frozen=True)
class Cut:
    """The form of the trunk's map, and the layers of timm's network behind its pooling."""

    channels: int
    map_size: tuple[int, int]  # height and width
    is_channels_last: bool
    features: int  # length of the vector that the classifier reads
    has_layers: bool  # there are layers between pooling and classifier
    has_norm: bool  # the first of them is a norm


def prepare(trunk: nn.Module) -> nn.Module:
    """Remove the classifier of a timm network and the layer between map and pooling; return that layer."""
    cast(Any, trunk).reset_classifier(0)
    if hasattr(trunk, "pre_logits") and type(trunk).__name__ == "VGG":
        # VGG flattens its map into fully connected layers, which count as its pooling and are removed
        trunk.pre_logits = nn.Identity()
    names = {name for name, _ in trunk.named_modules()}
    for name in _NECKS:
        if name in names:
            neck = trunk.get_submodule(name)
            holder, _, attribute = name.rpartition(".")
            setattr(trunk.get_submodule(holder), attribute, nn.Identity())
            return neck
    return nn.Identity()


@functools.lru_cache(maxsize=64)
def cut_of(plan: TrunkSettings) -> Cut:
    """Return how a network is cut, found on the meta device.

    Raises:
        ModelError: timm cannot build it so, it does not take such images, or its features are not a map.
    """
    name = plan.name
    try:
        entry = scaled(name, width=plan.width, depth=plan.depth)
        trunk = on_meta(functools.partial(entry, **plan.options(num_classes=1))).eval()
        neck = prepare(trunk)
    except ModelError:
        raise
    except Exception as trouble:  # of any kind, from timm's constructors
        raise ModelError(f"{name} cannot be built so by timm: {in_one_line(trouble)}") from None
    features = _features(trunk, plan)
    if not isinstance(features, torch.Tensor) or features.dim() != 4:
        kind = f"a tensor {tuple(features.shape)}" if isinstance(features, torch.Tensor) else "several tensors"
        raise ModelError(f"{name} has no spatial map to pool: its last features are {kind}, not (N, C, H, W)")
    is_channels_last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
    last = neck(features)
    _, rows, columns, channels = (last if is_channels_last else last.permute(0, 2, 3, 1)).shape
    called, finished = _called(trunk, as_map(last.new_empty(1, channels), is_channels_last))
    return Cut(
        channels=channels,
        map_size=(rows, columns),
        is_channels_last=is_channels_last,
        features=finished.shape[1],
        has_layers=bool(called),
        has_norm=bool(called) and "norm" in type(called[0]).__name__.lower(),
    )


def _features(trunk: nn.Module, plan: TrunkSettings) -> Any:
    """Return the result of `forward_features` on the meta device."""
    try:
        return _run(trunk, plan, plan.image_size)
    except Exception as trouble:
        size = "×".join(map(str, plan.image_size))
        refusal = ModelError(f"{plan.name} cannot take images of {size} pixels: {in_one_line(trouble)}")
    own = get_pretrained_cfg(plan.name)
    try:  # that a network has no map is reported first, whatever size of image it requires
        features = _run(trunk, plan, own.input_size[1:]) if own else None
    except Exception:
        features = None
    if features is None:  # it does not run on the meta device at all: some use autocast there in older versions of timm
        try:
            return _run(_on_cpu(plan), plan, plan.image_size).to("meta")
        except Exception:
            raise refusal from None
    if isinstance(features, torch.Tensor) and features.dim() == 4:
        raise refusal
    return features


def _run(trunk: nn.Module, plan: TrunkSettings, size: tuple[int, int]) -> Any:
    with torch.no_grad():
        image = torch.empty(1, plan.in_chans, *size, device=next(trunk.parameters()).device)
        return cast(Any, trunk).forward_features(image)


def _on_cpu(plan: TrunkSettings) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        trunk = scaled(plan.name, width=plan.width, depth=plan.depth)(**plan.options(num_classes=1))
    return cast(nn.Module, trunk).eval()


def _called(trunk: nn.Module, pooled: torch.Tensor) -> tuple[list[nn.Module], torch.Tensor]:
    """Return the layers with weights or statistics that `forward_head` calls on a map of one position; its result."""
    called: list[nn.Module] = []
    own = [m for m in trunk.modules() if [*m.parameters(recurse=False), *m.buffers(recurse=False)]]
    hooks = [module.register_forward_hook(lambda m, *_: called.append(m)) for module in own]
    with torch.no_grad():
        finished = cast(Any, trunk).forward_head(pooled)
    for hook in hooks:
        hook.remove()
    return called, finished.flatten(1)


def as_map(x: torch.Tensor, is_channels_last: bool) -> torch.Tensor:
    """View a vector (N, C) as a map of one position."""
    return x[:, None, None, :] if is_channels_last else x[:, :, None, None]


def pools_first(trunk: nn.Module, cut: Cut) -> bool:
    """Return whether `forward_head` is a function of the average over positions, tested on numbers."""
    count = 2 * 3 * cut.channels
    x = torch.arange(count, dtype=torch.float32).sin().view(1, 2, 3, cut.channels)
    x = x if cut.is_channels_last else x.permute(0, 3, 1, 2)
    average = x.mean(dim=(1, 2) if cut.is_channels_last else (2, 3), keepdim=True)
    was_training = trunk.training
    with torch.no_grad():
        whole, pooled = (cast(Any, trunk.eval()).forward_head(part) for part in (x, average))
    trunk.train(was_training)
    return torch.allclose(whole, pooled, rtol=1e-3, atol=1e-4)


def in_one_line(trouble: BaseException) -> str:
    """Return the message of an exception in one line."""
    text = " ".join(str(trouble).split())
    return text or type(trouble).__name__
