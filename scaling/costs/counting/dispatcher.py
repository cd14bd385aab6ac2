"""The second counter: what reaches torch's dispatcher, on real tensors or on the meta device."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scaling.costs.counting.charges import charge_of
from scaling.costs.counting.operators import gradient_macs, kind_of, macs_of, may_multiply
from scaling.costs.counting.tally import CHARGE, OperatorCost, Tally, product_of


def count_dispatched(model: nn.Module, image: torch.Tensor) -> Tally:
    """Run `model` once on `image` (N, C, H, W) and count every operator that torch's dispatcher sees.

    On the meta device nothing is computed or allocated. Attention is computed as two matrix products, which is its
    cost whatever kernel the device would use. The backward pass is not run; its cost follows from the operands that
    need a gradient.
    """
    tally = Tally("torch's counter")
    stack = _ModuleStack(model)
    with (
        torch.enable_grad(),
        plain_attention(),
        stack.following(),
        _Charges(tally, stack),
        _Products(tally, stack),
    ):
        model(image)
    return tally


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """Compute attention and transformer layers from operators that can be counted, on every device."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Tensors anywhere in a model's output."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


class _ModuleStack:
    """Names of the modules that are running, outermost first; "" is the model."""

    def __init__(self, model: nn.Module) -> None:
        self.known = {module: name for name, module in reversed(list(model.named_modules()))}
        self.names: list[str] = []

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        if module in self.known:
            self.names.append(self.known[module])

    def _leave(self, module: nn.Module, arguments: Any, result: Any) -> None:
        if module in self.known and self.names:
            self.names.pop()


class _Products(TorchDispatchMode):
    """Counts convolutions and matrix products below autograd, where no larger operator hides them."""

    def __init__(self, tally: Tally, stack: _ModuleStack) -> None:
        super().__init__()
        self.tally = tally
        self.stack = stack

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        result = func(*args, **kwargs)
        macs = macs_of(packet, args, kwargs, result)
        name = packet._qualified_op_name.removeprefix("aten::")
        if macs is not None:
            elements = sum(product_of(tensor.shape) for tensor in tensors_in(result)[:1])
            gradients = gradient_macs(name, macs, args)
            self.tally.add(self.stack.names, name, OperatorCost(kind_of(name), macs, gradients, elements))
        elif may_multiply(packet._qualified_op_name):
            self.tally.unknown[packet._qualified_op_name] += 1
        return result


class _Charges(TorchFunctionMode):
    """Counts fvcore's charges for norms, some poolings and resizing, before torch decomposes them."""

    def __init__(self, tally: Tally, stack: _ModuleStack) -> None:
        super().__init__()
        self.tally = tally
        self.stack = stack

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        charged = charge_of(func, args, kwargs or {}, result)
        if charged is not None:
            operator, charge = charged
            self.tally.add(self.stack.names, operator, OperatorCost(CHARGE, charge=charge))
        return result
