"""Weights in files: reading the authors' checkpoints, and writing and reading models of this package."""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from scaling.models.pool import Pool
from scaling.models.registry import build_model
from scaling.study.errors import ModelError
from scaling.study.storage import RemotePath, place, write_atomically

State = dict[str, torch.Tensor]

# mean and standard deviation of ImageNet's training pixels by channel, in 0 to 255
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

# the authors' names → ours; the first match applies
_RENAMES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^patch_embed\.proj\.(\d+)\.0\.", lambda match: f"stem.convs.{int(match[1]) // 2}."),  # GELUs lie between
    (r"^(blocks\.\d+)\.attn\.qkv_pos\.0\.", r"\1.pointwise1."),
    (r"^(blocks\.\d+)\.attn\.qkv_pos\.2\.", r"\1.depthwise."),
    (r"^(blocks\.\d+)\.attn\.qkv_pos\.4\.conv_", r"\1.gate."),
    (r"^(blocks\.\d+)\.attn\.qkv_pos\.5\.", r"\1.pointwise2."),
    (r"^(blocks\.\d+)\.norm1\.", r"\1.norm."),
    (r"^(blocks\.\d+)\.gamma_1$", r"\1.gamma"),
    (r"^cls_token$", "head.pool.token"),
    (r"^blocks_token_only\.0\.attn\.proj\.", "head.pool.out."),
    (r"^blocks_token_only\.0\.(?:attn\.|mlp\.)?", "head.pool."),
    (r"^norm\.", "head.norm."),
    (r"^head\.(weight|bias)$", r"head.classifier.\1"),
]
_CLASS_HEAD = re.compile(r"^head\.(\d+)\.(weight|bias)$")


def translate(state: Mapping[str, torch.Tensor], model: nn.Module | None = None) -> State:
    """Translate a state dict of the authors' PatchConvNet to this package; return one of this package as it is.

    The linear layers of the classes become one matrix, 1×1 convolutions become linear layers, and the token loses its
    batch axis. `model` is unused; timm passes it.

    Raises:
        ModelError: the heads of the classes are not numbered from 0 without a gap.
    """
    if "cls_token" not in state:
        return dict(state)
    translated: State = {}
    heads: dict[str, dict[int, torch.Tensor]] = {"weight": {}, "bias": {}}
    for name, tensor in state.items():
        if match := _CLASS_HEAD.match(name):
            heads[match[2]][int(match[1])] = tensor
            continue
        ours = _renamed(name)
        if name == "cls_token":
            tensor = tensor.squeeze(0)
        elif tensor.shape[2:] == (1, 1) and "depthwise" not in ours:
            tensor = tensor.flatten(1)
        translated[ours] = tensor
    for kind, tensors in heads.items():
        if tensors and sorted(tensors) != list(range(len(tensors))):
            raise ModelError(f"the checkpoint has {len(tensors)} head.N.{kind}, but not numbered from 0 without a gap")
        if tensors:
            translated[f"head.classifier.{kind}"] = torch.cat([tensors[number] for number in range(len(tensors))])
    return translated


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMES:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            # blocks_token_only's gamma_1 and gamma_2
            return re.sub(r"\.gamma_([12])$", r".gamma\1", renamed)
    return name


def load_pretrained(model: nn.Module, path: str | Path, *, new_head: bool = False) -> None:
    """Load weights into `model`, completely or not at all: the authors' checkpoints, or those of this package.

    Args:
        path: a `.pth` (read with `weights_only=True`) or `.safetensors` file.
        new_head: keep the model's classifier and class tokens, for fine-tuning on other classes.

    Raises:
        ModelError: the file cannot be read or does not fit; names the tensors, or the sizes, that do not.
    """
    path = Path(path)
    state, own = translate(_read(path)), model.state_dict()
    if new_head:
        fresh = _fresh_names(model)
        state = {name: tensor for name, tensor in state.items() if name not in fresh}
        own = {name: tensor for name, tensor in own.items() if name not in fresh}
    if problem := _misfit(state, own):
        raise ModelError(f"{path} does not fit the model: {problem}")
    model.load_state_dict(state, strict=not new_head)


def _fresh_names(model: nn.Module) -> set[str]:
    names = {name for name, _ in model.named_parameters() if name.startswith("head.classifier.")}
    pool = getattr(getattr(model, "head", None), "pool", None)
    return names | ({f"head.pool.{name}" for name in pool.class_parameters()} if isinstance(pool, Pool) else set())


def _misfit(state: State, own: State) -> str | None:
    """Return what keeps `state` from replacing `own`, or None."""
    missing = [name for name in own if name not in state]
    surplus = [name for name in state if name not in own]
    shapes = [name for name in own if name in state and state[name].shape != own[name].shape]
    theirs, ours = _sizes(state), _sizes(own)
    differing = [key for key in ours if key in theirs and theirs[key] != ours[key]]
    if differing:
        return "; ".join(f"the file has {key} {theirs[key]}, the model {ours[key]}" for key in differing)
    parts = [
        f"{what} {_listed(names)}"
        for what, names in (("it lacks", missing), ("the model has no", surplus), ("other shapes:", shapes))
        if names
    ]
    return "; ".join(parts) or None


def _sizes(state: State) -> dict[str, int]:
    """Return the size of a PatchConvNet from its tensors, as far as it is one."""
    sizes: dict[str, int] = {}
    convs = sorted(name for name in state if re.match(r"^stem\.convs\.\d+\.weight$", name))
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    if convs and blocks:
        sizes = {"width": len(state[convs[-1]]), "depth": len(blocks), "patch_size": 2 ** len(convs)}
        sizes["in_chans"] = state[convs[0]].shape[1]
    if (classifier := state.get("head.classifier.weight")) is not None:
        sizes["num_classes"] = len(classifier)
    if (token := state.get("head.pool.token")) is not None:
        sizes["number of class tokens"] = len(token)
    return sizes


def _listed(names: Sequence[str], most: int = 4) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _read(path: Path) -> State:
    """Read a state dict, without the usual wrappings."""
    if not path.is_file():
        raise ModelError(f"no checkpoint at {path}")
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            # DeiT's training script stores its options in the file
            with torch.serialization.safe_globals([argparse.Namespace]):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken or foreign pickle may raise anything
        reason = str(error).strip().split("\n")[0][:120]
        raise ModelError(
            f"{path} is not a checkpoint that can be read safely ({type(error).__name__}: {reason})"
        ) from None
    for wrapping in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapping), Mapping):
            content = content[wrapping]
    if not _is_state(content):
        raise ModelError(f"{path} is not a checkpoint: it holds {type(content).__name__}, not tensors by name")
    return _unwrapped(content)


def _unwrapped(state: Mapping[str, torch.Tensor]) -> State:
    """Drop the prefix that a wrapper of the whole model (DDP, torch.compile) puts before every name."""
    for prefix in ("module.", "_orig_mod."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return dict(state)


def _is_state(content: object) -> bool:
    tensors: Iterable[object] = content.values() if isinstance(content, Mapping) else [None]
    return bool(content) and all(isinstance(tensor, torch.Tensor) for tensor in tensors)


@dataclass(frozen=True)
class SavedModel:
    """A model read from a file, in evaluation mode, with all that is needed to use it."""

    model: nn.Module
    family: str
    arch: dict[str, Any]  # complete: with num_classes, image_size and in_chans
    class_names: list[str]  # empty where unknown
    mean: list[float]  # subtracted from the channels of images in 0 to 255, before the model
    std: list[float]  # by which they are then divided


def save_model(  # one parameter per field of `SavedModel`
    model: nn.Module,
    path: str | Path | RemotePath,
    *,
    family: str,
    arch: Mapping[str, Any],
    class_names: Sequence[str] = (),
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> None:
    """Write a model's weights, and how to build it, as a safetensors file; completely or not at all.

    Args:
        arch: the parameters it was built with, including `num_classes`, `image_size` and `in_chans`.
        mean: subtracted from the channels of images in 0 to 255 before the model, as in a `Dataset`.
        std: by which they are then divided.
    """
    about = {"family": family, "arch": dict(arch), "class_names": list(class_names), "mean": [*mean], "std": [*std]}
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(place(path), safetensors.torch.save(state, metadata={"scaling": json.dumps(about)}))


def load_model(path: str | Path) -> SavedModel:
    """Build the model of a file that `save_model` wrote, on the CPU and in evaluation mode.

    Raises:
        ModelError: there is no such file, or it was not written by `save_model`.
    """
    path = Path(path)
    state = _read(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["scaling"])
    except (KeyError, ValueError, safetensors.SafetensorError):
        raise ModelError(
            f"{path} does not describe its network, so it was not kept by a study; read bare weights into a model with"
            " scaling.load_pretrained"
        ) from None
    arch = dict(about["arch"])
    if "pretrained" in arch:
        arch["pretrained"] = False  # the weights are in the file
    model = build_model(about["family"], seed=0, **arch)
    if problem := _misfit(state, model.state_dict()):
        raise ModelError(f"{path} does not fit the model that it names: {problem}")
    model.load_state_dict(state)
    return SavedModel(model.eval(), about["family"], about["arch"], about["class_names"], about["mean"], about["std"])
