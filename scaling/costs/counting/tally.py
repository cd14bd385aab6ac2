"""Tallies: costs per operator and per module, for both counters."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scaling.study.errors import CostError

CONVOLUTION = "convolution"
PRODUCT = "matrix product"  # linear layers, matmul, einsum and attention, which share kernels
CHARGE = "charge"  # fvcore's addition for norms, some poolings and resizing


@dataclass(frozen=True)
class OperatorCost:
    """The cost of all calls of one operator."""

    kind: str  # CONVOLUTION, PRODUCT or CHARGE
    macs: int = 0  # multiply-accumulates
    gradient_macs: int = 0  # multiply-accumulates of the backward pass
    activations: int = 0  # elements of the output
    charge: int = 0  # fvcore's count for operators that are not products
    calls: int = 1

    def __add__(self, other: "OperatorCost") -> "OperatorCost":
        return OperatorCost(
            self.kind,
            self.macs + other.macs,
            self.gradient_macs + other.gradient_macs,
            self.activations + other.activations,
            self.charge + other.charge,
            self.calls + other.calls,
        )


@dataclass
class Tally:
    """Costs per module and operator; those of a module include the modules inside, and "" is the whole model."""

    counter: str  # name of the counter, for messages
    costs: dict[tuple[str, str], OperatorCost] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)  # operators without a formula that may multiply matrices

    def add(self, modules: Iterable[str], operator: str, cost: OperatorCost) -> None:
        """Add a call of `operator` to every one of `modules`, once each."""
        for module in set(modules):
            before = self.costs.get((module, operator))
            self.costs[module, operator] = cost if before is None else before + cost

    def check(self, model: str) -> None:
        """Raise `CostError` if an operator of `model` may multiply matrices and has no formula."""
        if self.unknown:
            operators = ", ".join(f"{operator} ({calls}×)" for operator, calls in sorted(self.unknown.items()))
            raise CostError(
                f"{model}: {self.counter} has no formula for {operators}, which may multiply matrices;"
                " add one to scaling/costs/counting/operators.py and scaling/costs/complexity.py"
            )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and matrix products."""
        return sum(cost.macs for cost in self.by_operator().values())

    @property
    def training_macs(self) -> int:
        """MACs of a forward and a backward pass; the latter is zero for a counter that cannot count it."""
        return self.macs + sum(cost.gradient_macs for cost in self.by_operator().values())

    @property
    def activations(self) -> int:
        """Output elements of convolutions and matrix products."""
        return sum(cost.activations for cost in self.by_operator().values())

    @property
    def fvcore_flops(self) -> int:
        """MACs and fvcore's charges for norms, adaptive average pooling and resizing."""
        return sum(cost.macs + cost.charge for cost in self.by_operator().values())

    def by_operator(self, module: str = "") -> dict[str, OperatorCost]:
        """Costs of the operators that ran inside `module`."""
        return {operator: cost for (name, operator), cost in self.costs.items() if name == module}

    def by_kind(self, module: str = "") -> dict[str, int]:
        """MACs of convolutions and of matrix products inside `module`."""
        macs = {CONVOLUTION: 0, PRODUCT: 0}
        for cost in self.by_operator(module).values():
            if cost.kind in macs:
                macs[cost.kind] += cost.macs
        return macs

    def by_module(self) -> dict[str, Mapping[str, OperatorCost]]:
        """Costs of every module that ran, by operator, in order of first use."""
        modules = dict.fromkeys(module for module, _ in self.costs)
        return {module: self.by_operator(module) for module in modules}


def product_of(shape: Iterable[int]) -> int:
    """Number of elements."""
    return math.prod(int(side) for side in shape)
