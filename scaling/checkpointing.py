"""Checkpoints: the state of a training run in one safetensors file, which needs no pickle to be read.

The file's header holds what is no tensor, and a checksum. It is written beside its place and renamed into it; the last
two are kept, so that a damaged one costs an epoch and not the run.
"""

import json
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from scaling.records import Epoch, write_atomically

KEPT = 2


class CheckpointWarning(UserWarning):
    """A checkpoint that cannot be used; the one before it is."""


@dataclass(frozen=True)
class Checkpoint:
    """A training run at the end of an epoch."""

    identity: str  # of the run it belongs to
    curve: list[Epoch]
    modules: Mapping[str, Mapping[str, torch.Tensor]]  # state dicts, by name
    optimizer: Mapping[str, Any]  # its state dict


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into `folder` and remove the ones before the last two."""
    tensors = {f"{name}/{key}": t for name, state in checkpoint.modules.items() for key, t in state.items()}
    plain: dict[str, dict[str, Any]] = {}
    for number, state in checkpoint.optimizer["state"].items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer/{number}/{key}"] = value
            else:
                plain.setdefault(str(number), {})[key] = value
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    header = {
        "identity": checkpoint.identity,
        "curve": [epoch.model_dump() for epoch in checkpoint.curve],
        "optimizer": {"param_groups": checkpoint.optimizer["param_groups"], "state": plain},
        "checksum": _checksum(tensors),
    }
    content = safetensors.torch.save(tensors, metadata={"state": json.dumps(header)})
    write_atomically(folder / f"epoch-{len(checkpoint.curve):06}.safetensors", content)
    for path in _newest_first(folder)[KEPT:]:
        path.unlink(missing_ok=True)


def load(folder: Path, identity: str) -> Checkpoint | None:
    """Read the newest whole checkpoint of the run `identity`, or None; what cannot be used is told as a warning."""
    for path in _newest_first(folder):
        try:
            found = _read(path)
        except Exception as error:  # whatever damaged bytes provoke: safetensors', json's and pydantic's errors
            warnings.warn(f"{path} is damaged and skipped: {error}", CheckpointWarning, stacklevel=2)
            continue
        if found.identity == identity:
            return found
        warnings.warn(f"{path} belongs to another run and is skipped", CheckpointWarning, stacklevel=2)
    return None


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load a stored state dict; tensors take the memory format of their parameters, as fused kernels expect it."""
    optimizer.load_state_dict(dict(state))
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _read(path: Path) -> Checkpoint:
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["state"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 # it is no dict
    if _checksum(tensors) != header["checksum"]:
        raise ValueError("its checksum is wrong")
    modules: dict[str, dict[str, torch.Tensor]] = {}
    state = {int(number): values for number, values in header["optimizer"]["state"].items()}
    for key, tensor in tensors.items():
        name, _, rest = key.partition("/")
        if name == "optimizer":
            number, _, item = rest.partition("/")
            state.setdefault(int(number), {})[item] = tensor
        else:
            modules.setdefault(name, {})[rest] = tensor
    return Checkpoint(
        identity=header["identity"],
        curve=[Epoch.model_validate(epoch) for epoch in header["curve"]],
        modules=modules,
        optimizer={"state": state, "param_groups": header["optimizer"]["param_groups"]},
    )


def _checksum(tensors: Mapping[str, torch.Tensor]) -> int:
    total = 0
    for key in sorted(tensors):
        total = zlib.crc32(tensors[key].reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(key.encode(), total))
    return total


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.safetensors"), reverse=True)
