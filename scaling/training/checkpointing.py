"""Checkpoints: the state of a training run in one safetensors file, which is read without pickle.

The file's header holds everything except tensors, and a checksum. It is written to a temporary name and renamed; the
last two are kept, so that a damaged one costs an epoch and not the run.
"""

import contextlib
import json
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from scaling.study.errors import StorageError
from scaling.study.records import Epoch
from scaling.study.storage import Where, write_atomically

KEPT = 2
TENSOR = "$tensor"  # replaces a tensor in the header


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be used, so an earlier one is."""


@dataclass(frozen=True)
class Checkpoint:
    """A training run at the end of an epoch."""

    identity: str  # of its run, see `state.identity_of`
    curve: list[Epoch]
    modules: Mapping[str, Mapping[str, torch.Tensor]]  # state dicts, by name
    optimizer: Mapping[str, Any]  # its state dict
    progress: Mapping[str, Any] = field(default_factory=dict)  # the rest of the state, such as the micro-batch


def save(folder: Where, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into `folder` and remove all others except the one before it.

    Checkpoints of later epochs are removed too: `load` has skipped them as damaged or as another run's, and they would
    count among the last two.
    """
    name = write(folder, checkpoint)
    found = _newest_first(folder)
    later = [path for path in found if path.name > name]
    left_by_kills = folder.glob(".epoch-*") if isinstance(folder, Path) else []
    for path in [*later, *found[len(later) + KEPT :], *left_by_kills]:
        with contextlib.suppress(OSError, StorageError):  # one that stays costs room; the next one removes it
            path.unlink(missing_ok=True)


def write(folder: Where, checkpoint: Checkpoint) -> str:
    """Write a checkpoint into `folder`; return the name of its file."""
    tensors: dict[str, torch.Tensor] = {}
    header = {
        "identity": checkpoint.identity,
        "curve": [epoch.model_dump() for epoch in checkpoint.curve],
        "modules": _without_tensors(checkpoint.modules, "modules", tensors),
        "optimizer": _without_tensors(checkpoint.optimizer, "optimizer", tensors),
        "progress": dict(checkpoint.progress),
    }
    header["checksum"] = _checksum(header, tensors)
    content = safetensors.torch.save(tensors, metadata={"state": json.dumps(header)})
    name = file_name(len(checkpoint.curve))
    write_atomically(folder / name, content)
    return name


def file_name(epochs: int) -> str:
    """Name of the checkpoint after so many epochs."""
    return f"epoch-{epochs:06}.safetensors"


def load(folder: Where, identity: str, latest: int | None = None) -> Checkpoint | None:
    """Read the newest usable checkpoint of the run `identity`, if any; warn of each unusable one.

    Args:
        latest: epoch after which checkpoints do not count.
    """
    for path in _newest_first(folder):
        if latest is not None and path.name > file_name(latest):
            continue
        try:
            found = _read(path)
        except Exception as error:  # damaged bytes cause errors of safetensors, json and pydantic
            warnings.warn(f"{path} is damaged and skipped: {error}", CheckpointWarning, stacklevel=2)
            continue
        if found.identity == identity:
            return found
        warnings.warn(f"{path} belongs to another run and is skipped", CheckpointWarning, stacklevel=2)
    return None


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load a stored state dict; tensors get the memory format of their parameters, as fused kernels require."""
    optimizer.load_state_dict(dict(state))
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _read(path: Where) -> Checkpoint:
    content = path.read_bytes()
    tensors = safetensors.torch.load(content)  # which checks the file's layout
    # the library reads the header's metadata from local files only
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["state"])
    if header.pop("checksum") != _checksum(header, tensors):
        raise ValueError("its checksum is wrong")
    optimizer = _with_tensors(header["optimizer"], tensors)
    optimizer["state"] = {int(number): state for number, state in optimizer["state"].items()}  # text in JSON
    return Checkpoint(
        identity=header["identity"],
        curve=[Epoch.model_validate(epoch) for epoch in header["curve"]],
        modules=_with_tensors(header["modules"], tensors),
        optimizer=optimizer,
        progress=header.get("progress", {}),
    )


def _without_tensors(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Copy nested dicts and lists for JSON; tensors move into `tensors` and are replaced by their names."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {TENSOR: name}
    if isinstance(value, Mapping):
        return {str(key): _without_tensors(inner, f"{name}/{key}", tensors) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_tensors(inner, f"{name}/{i}", tensors) for i, inner in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Put the tensors back."""
    if isinstance(value, dict):
        return tensors[value[TENSOR]] if TENSOR in value else {k: _with_tensors(v, tensors) for k, v in value.items()}
    return [_with_tensors(inner, tensors) for inner in value] if isinstance(value, list) else value


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> int:
    total = zlib.crc32(json.dumps(header, sort_keys=True).encode())
    for key in sorted(tensors):
        total = zlib.crc32(tensors[key].reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(key.encode(), total))
    return total


def _newest_first(folder: Where) -> list[Where]:
    return sorted(folder.glob("epoch-*.safetensors"), key=lambda path: path.name, reverse=True)
