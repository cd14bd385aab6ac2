"""Costs of a model, counted by fvcore and by torch's dispatcher, which must agree.

MACs are multiply-accumulates of convolutions, linear layers and matrix products, including attention; FLOPs = 2 ×
MACs. All counts are of one image, in the forward pass unless stated otherwise. No other module uses fvcore.
"""

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from scaling.costs.counting.dispatcher import count_dispatched, plain_attention
from scaling.costs.counting.operators import kind_of, may_multiply
from scaling.costs.counting.tally import CHARGE, CONVOLUTION, PRODUCT, OperatorCost, Tally, product_of
from scaling.devices import preserved_random_state
from scaling.study.errors import CostError
from scaling.study.records import CountedCost

with warnings.catch_warnings():  # fvcore decorates with torch.jit.script, which torch has deprecated
    warnings.filterwarnings("ignore", message=".*torch.jit")
    from fvcore.nn import FlopCountAnalysis, jit_handles

TOLERANCE = 0.005  # largest difference of the counters in one kind of operator, as a fraction of the larger count

ImageSize = int | tuple[int, int]
Values = list[Any]  # of a traced graph: inputs or outputs of one operator


@dataclass(frozen=True)
class Audit:
    """Both counts of one model, and the cost that follows from them."""

    params: int
    traced: Tally  # by fvcore
    dispatched: Tally  # by torch's dispatcher

    @property
    def cost(self) -> CountedCost:
        return CountedCost(
            params=self.params,
            macs=self.traced.macs,
            fvcore_flops=self.traced.fvcore_flops,
            activations=self.traced.activations,
            training_macs=self.dispatched.training_macs,
        )


def measure(model: nn.Module, image_size: ImageSize, in_chans: int = 3) -> CountedCost:
    """Count the cost of `model` for one image, on its device and in evaluation mode.

    The model is left unchanged: modes, batch-norm statistics, gradients, hooks and random state.

    Args:
        image_size: side in pixels, or (height, width).
        in_chans: channels of the image.

    Raises:
        CostError: the model cannot be run on such an image; the two counters differ by more than 0.5 % (the message
            names the operators); or an operator may multiply matrices and a counter has no formula for it.
    """
    return audit(model, image_size, in_chans).cost


def audit(model: nn.Module, image_size: ImageSize, in_chans: int = 3) -> Audit:
    """Count `model` both ways and compare; see `measure`."""
    image = _image_for(model, image_size, in_chans)
    with _untouched(model):
        try:
            traced = count_traced(model, image)
            dispatched = count_dispatched(model, image)
        except CostError:
            raise
        except Exception as trouble:
            size = "×".join(map(str, image.shape[1:]))
            raise CostError(
                f"{type(model).__name__} cannot be counted on an image of {size}:"
                f" {type(trouble).__name__}: {' '.join(str(trouble).split())}"
            ) from trouble
    name = type(model).__name__
    traced.check(name)
    dispatched.check(name)
    if problems := list(_differences(name, traced, dispatched)):
        raise CostError(problems)
    return Audit(sum(p.numel() for p in model.parameters()), traced, dispatched)


def count_traced(model: nn.Module, image: torch.Tensor) -> Tally:
    """Trace `model` on real tensors `image` (N, C, H, W) and count every operator that fvcore finds."""
    analysis = FlopCountAnalysis(model, (image,)).set_op_handle(**_HANDLES)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    analysis.ancestor_mode("caller")
    with torch.no_grad(), plain_attention():
        counts = analysis.by_module_and_operator()
    tally = Tally("fvcore")
    for module, entries in counts.items():
        by_operator: dict[str, dict[str, int]] = {}
        for entry, number in entries.items():
            operator, _, quantity = entry.partition("/")
            by_operator.setdefault(operator, {})[quantity or "charge"] = int(number)  # fvcore's own entries are charges
        for operator, quantities in by_operator.items():
            kind = CHARGE if "charge" in quantities else kind_of(operator)
            tally.add([module], operator, OperatorCost(kind, **quantities))
    tally.unknown = Counter({op: n for op, n in analysis.unsupported_ops().items() if may_multiply(op)})
    return tally


def _image_for(model: nn.Module, image_size: ImageSize, in_chans: int) -> torch.Tensor:
    """Return an empty image on the model's device, in its data type."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    floating = (p for p in model.parameters() if p.is_floating_point())
    like = next(floating, torch.empty(0))
    return torch.zeros(1, in_chans, height, width, device=like.device, dtype=like.dtype)


@contextlib.contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Put `model` into evaluation mode; restore modes, hooks and random state afterwards, whatever happens."""
    modules = list(model.modules())
    modes = [module.training for module in modules]
    hooks = [(dict(module._forward_pre_hooks), dict(module._forward_hooks)) for module in modules]
    model.eval()
    try:
        with preserved_random_state(*{p.device for p in model.parameters()}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=TracerWarning)
            warnings.filterwarnings("ignore", message=".*torch.jit")
            yield
    finally:
        for module, mode, (before, after) in zip(modules, modes, hooks, strict=True):
            module.training = mode
            for kept, present in ((before, module._forward_pre_hooks), (after, module._forward_hooks)):
                for key in [key for key in present if key not in kept]:
                    del present[key]  # fvcore does not remove its hooks when a trace fails


def _differences(model: str, traced: Tally, dispatched: Tally) -> Iterator[str]:
    """Yield a line for every kind of operator on which the counters disagree, with the operators and the module."""
    ours, theirs = traced.by_kind(), dispatched.by_kind()
    for kind in (CONVOLUTION, PRODUCT):
        if abs(ours[kind] - theirs[kind]) <= TOLERANCE * max(ours[kind], theirs[kind]):
            continue
        yield (
            f"{model}: the counters differ on {kind}: fvcore {ours[kind]:,} MACs ({_operators(traced, kind)}),"
            f" torch {theirs[kind]:,} ({_operators(dispatched, kind)}); {_place(traced, dispatched, kind)}"
        )


def _operators(tally: Tally, kind: str) -> str:
    named = [f"{name} {cost.macs:,}" for name, cost in tally.by_operator().items() if cost.kind == kind]
    return ", ".join(named) or "none"


def _place(traced: Tally, dispatched: Tally, kind: str) -> str:
    """Return the innermost module that accounts for most of a difference."""
    gaps = {
        module: abs(traced.by_kind(module)[kind] - dispatched.by_kind(module)[kind])
        for module in {**traced.by_module(), **dispatched.by_module()}
    }
    worst = max(gaps.values())
    return f"most of it in '{max((m for m in gaps if gaps[m] == worst), key=len) or 'the model itself'}'"


def _shape(value: Any) -> list[int]:
    shape = jit_handles.get_shape(value)
    if shape is None:
        raise CostError(f"the tracer lost the shape of {value.debugName()}; the model cannot be counted")
    return shape


def _linear(inputs: Values, outputs: Values) -> int:
    """aten::linear(input (…, k), weight (n, k)) and aten::matmul(a (…, m, k), b (…, k, n)): k for each result.

    fvcore's own handler of matmul ignores that the first operand may be repeated for a batch of the second.
    """
    return product_of(_shape(outputs[0])) * _shape(inputs[0])[-1]


def _added(inputs: Values, outputs: Values) -> int:
    """aten::addmm(bias, a (…, m, k), b (…, k, n)) and its variants for batches and vectors: k for each result."""
    return product_of(_shape(outputs[0])) * _shape(inputs[1])[-1]


def _added_batch(inputs: Values, outputs: Values) -> int:
    """aten::addbmm(bias, a (b, m, k), b (b, k, n)), summed over the batch."""
    return product_of(_shape(inputs[1])) * _shape(inputs[2])[-1]


def _attention(inputs: Values, outputs: Values) -> int:
    """aten::scaled_dot_product_attention of queries (…, l, d), keys (…, s, d), values (…, s, e): l · s · (d + e)."""
    query, key, value, result = (_shape(v) for v in (*inputs[:3], outputs[0]))
    return product_of(result[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_activations(inputs: Values, outputs: Values) -> int:
    """Scores and result, as fvcore counts them where attention is not fused."""
    result = _shape(outputs[0])
    return product_of(result[:-1]) * _shape(inputs[1])[-2] + product_of(result)


def _einsum(inputs: Values, outputs: Values) -> int:
    """aten::einsum: the product of all dimensions for two operands; fvcore's handler rounds to four digits."""
    operands = [_shape(value) for value in inputs[1].node().inputs()]
    equation = str(inputs[0].toIValue()).replace(" ", "")
    letters = equation.split("->")[0].split(",")
    if len(operands) != 2 or "." in equation:
        macs: Any = jit_handles.einsum_flop_jit(inputs, outputs)
        return int(macs)
    sides: dict[str, int] = {}
    for names, shape in zip(letters, operands, strict=True):
        for name, side in zip(names, shape, strict=True):
            sides[name] = max(side, sides.get(name, 1))
    return product_of(sides.values())


def _convolution_mode(inputs: Values, outputs: Values) -> int:
    """aten::_convolution_mode(input, weight (o, i, …), …), padding given by name: i · kernel for each result."""
    return product_of(_shape(outputs[0])) * product_of(_shape(inputs[1])[1:])


def _convolution(inputs: Values, outputs: Values) -> int:
    macs: Any = jit_handles.conv_flop_jit(inputs, outputs)["conv"]
    return int(macs)


def _elements(inputs: Values, outputs: Values) -> int:
    return product_of(_shape(outputs[0]))


Formula = Callable[[Values, Values], int]


def _product_handle(operator: str, macs: Formula, activations: Formula = _elements) -> Any:
    """Return a handle for fvcore that counts MACs, activations and the call itself."""
    return lambda inputs, outputs: Counter(
        {
            f"{operator}/macs": macs(inputs, outputs),
            f"{operator}/activations": activations(inputs, outputs),
            f"{operator}/calls": 1,
        }
    )


_PRODUCTS: dict[str, tuple[Formula, ...]] = {
    "_convolution": (_convolution,),
    "_convolution_mode": (_convolution_mode,),
    "linear": (_linear,),
    "matmul": (_linear,),
    "mm": (_linear,),
    "bmm": (_linear,),
    "mv": (_linear,),
    "dot": (_linear,),
    "addmm": (_added,),
    "baddbmm": (_added,),
    "addmv": (_added,),
    "addbmm": (_added_batch,),
    "einsum": (_einsum,),
    "scaled_dot_product_attention": (_attention, _attention_activations),
}
_HANDLES: dict[str, Any] = {f"aten::{name}": _product_handle(name, *formulas) for name, formulas in _PRODUCTS.items()}
