"""fvcore's charges for operators that do not multiply matrices, counted where torch's functions are called.

fvcore's total, the "FLOPs" of the PatchConvNet paper, is MACs plus these. They are charged per element, by the table
of `fvcore.nn.flop_count`: norms, adaptive average pooling, nearest and bilinear resizing, grid sampling.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

Call = dict[str, Any]  # argument name → value


def _norm(call: Call, result: torch.Tensor) -> int:
    return call["input"].numel() * (4 if call.get("weight") is None else 5)


def _batch_norm(call: Call, result: torch.Tensor) -> int:
    if call.get("training", False):
        return _norm(call, result)
    return call["input"].numel() * (1 if call.get("weight") is None else 2)


def _interpolate(call: Call, result: torch.Tensor) -> int:
    if call["input"].ndim != 4 or call.get("antialias"):
        return 0
    return result.numel() * {"nearest": 1, "bilinear": 4}.get(call.get("mode", "nearest"), 0)


def _grid_sample(call: Call, result: torch.Tensor) -> int:
    return 4 * result.numel()


def _adaptive_average(call: Call, result: torch.Tensor) -> int:
    return call["input"].numel()


_NORM = ("input", "shape", "weight", "bias", "eps")
_FUNCTIONAL_BATCH_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training")
_BATCH_NORM = ("input", "weight", "bias", "running_mean", "running_var", "training")
_FUNCTIONAL_INSTANCE_NORM = ("input", "running_mean", "running_var", "weight", "bias")
_INSTANCE_NORM = ("input", "weight", "bias", "running_mean", "running_var")
_POOL = ("input", "output_size")
_RESIZE = ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
_SAMPLE = ("input", "grid")

# function → fvcore's name for it, its arguments in order, its charge
_CHARGES: Mapping[Any, tuple[str, tuple[str, ...], Callable[[Call, torch.Tensor], int]]] = {
    F.layer_norm: ("layer_norm", _NORM, _norm),
    torch.layer_norm: ("layer_norm", _NORM, _norm),
    F.group_norm: ("group_norm", _NORM, _norm),
    torch.group_norm: ("group_norm", _NORM, _norm),
    F.instance_norm: ("instance_norm", _FUNCTIONAL_INSTANCE_NORM, _norm),
    torch.instance_norm: ("instance_norm", _INSTANCE_NORM, _norm),
    F.batch_norm: ("batch_norm", _FUNCTIONAL_BATCH_NORM, _batch_norm),
    torch.batch_norm: ("batch_norm", _BATCH_NORM, _batch_norm),
    F.adaptive_avg_pool2d: ("adaptive_avg_pool2d", _POOL, _adaptive_average),
    F.interpolate: ("upsample", _RESIZE, _interpolate),
    F.grid_sample: ("grid_sampler", _SAMPLE, _grid_sample),
}


def charge_of(
    function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any], result: Any
) -> tuple[str, int] | None:
    """Return fvcore's name of a called function and its charge for the call; None for functions that it ignores."""
    if function not in _CHARGES:
        return None
    operator, names, charge = _CHARGES[function]
    return operator, charge({**dict(zip(names, arguments, strict=False)), **keywords}, result)
