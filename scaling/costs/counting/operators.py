"""Costs of the operators of torch's dispatcher, and which other operators may multiply matrices.

torch's own formulas (`torch.utils.flop_counter`, two FLOPs a multiply-accumulate) are used wherever they are correct.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from scaling.costs.counting.tally import CONVOLUTION, PRODUCT

aten = torch.ops.aten
Formula = Callable[..., int]  # (arguments, keyword arguments, result) → MACs

# words in the name of an operator that multiplies matrices; names are split at "_", and suffixes such as 2d dropped
_WORDS = frozenset(
    {"mm", "addmm", "bmm", "baddbmm", "addbmm", "sspaddmm", "mv", "addmv", "dot", "vdot", "vecdot", "inner", "matmul"}
    | {"einsum", "tensordot", "linear", "bilinear", "trilinear", "cdist", "conv", "convolution"}
    | {"attention", "attn", "multihead", "transformer", "rnn", "lstm", "gru"}
)
# names that contain such a word but do not multiply matrices
_HARMLESS = ("upsample_", "_upsample_", "grid_sampler")
_TRUSTED = frozenset({"aten", "prim", "prims", "onnx"})
_HARMLESS_FOREIGN = frozenset({"torchvision::nms", "torchvision::roi_align", "torchvision::roi_pool"})


def may_multiply(operator: str) -> bool:
    """Return whether an operator without a formula, such as `aten::lstm`, may multiply matrices.

    Operators of other packages may, since nothing is known about them.
    """
    namespace, _, name = operator.rpartition("::")
    if namespace and namespace not in _TRUSTED:
        return operator not in _HARMLESS_FOREIGN
    words = {re.sub(r"\d+d?$", "", word) for word in name.split("_")}
    return not name.startswith(_HARMLESS) and not words.isdisjoint(_WORDS)


def _vector_product(arguments: tuple[Any, ...], keywords: Mapping[str, Any], result: Any) -> int:
    """mv, dot and vdot: every element of the first operand is multiplied once."""
    return arguments[0].numel()


def _added_vector_product(arguments: tuple[Any, ...], keywords: Mapping[str, Any], result: Any) -> int:
    return arguments[1].numel()


def _added_batch_product(arguments: tuple[Any, ...], keywords: Mapping[str, Any], result: Any) -> int:
    return arguments[1].numel() * arguments[2].shape[-1]


_OWN_FORMULAS: dict[Any, Formula] = {
    aten.mv: _vector_product,
    aten.dot: _vector_product,
    aten.vdot: _vector_product,
    aten.addmv: _added_vector_product,
    aten.addbmm: _added_batch_product,
}


def macs_of(packet: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any], result: Any) -> int | None:
    """Return the multiply-accumulates of one call of an operator, or None for one without a formula."""
    if packet in _OWN_FORMULAS:
        return _OWN_FORMULAS[packet](arguments, keywords, result)
    if packet in flop_registry:
        flops = int(flop_registry[packet](*arguments, **keywords, out_val=result))
        return flops // 2
    return None


def gradient_macs(name: str, macs: int, arguments: tuple[Any, ...]) -> int:
    """Return the multiply-accumulates of one call's backward pass: one forward's for each operand with a gradient.

    For y = a · b the gradients are ȳ · bᵀ and aᵀ · ȳ, of the same size; the same holds for convolutions, grouped or
    not. (torch's counter treats grouped convolutions as dense in the backward pass, which is C times too much for a
    depthwise one of C channels.)
    """
    first = 1 if name.startswith(("add", "badd")) else 0  # a bias comes first
    return macs * sum(bool(operand.requires_grad) for operand in arguments[first : first + 2])


def kind_of(name: str) -> str:
    """Return the kind of an operator with a formula, from its name."""
    return CONVOLUTION if "conv" in name else PRODUCT
