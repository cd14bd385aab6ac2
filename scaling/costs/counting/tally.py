"""Tallies: what operators cost, per operator and per module, whoever counted them."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scaling.study.errors import CostError

CONVOLUTION = "convolution"
PRODUCT = "matrix product"  # linear layers, matmul, einsum and attention: a dispatcher sees the same kernels for all
CHARGE = "charge"  # what fvcore adds for norms, some poolings and resizing


@dataclass(frozen=True)
class Price:
    """What calls of one operator cost together."""

    kind: str  # CONVOLUTION, PRODUCT or CHARGE
    macs: int = 0  # multiply-accumulates
    gradient_macs: int = 0  # multiply-accumulates of the backward pass
    activations: int = 0  # elements of the output
    charge: int = 0  # what fvcore counts of operators that are no products
    calls: int = 1

    def __add__(self, other: "Price") -> "Price":
        return Price(
            self.kind,
            self.macs + other.macs,
            self.gradient_macs + other.gradient_macs,
            self.activations + other.activations,
            self.charge + other.charge,
            self.calls + other.calls,
        )


@dataclass
class Tally:
    """Prices per module and operator; a module's include those of the modules inside, and "" is the whole model."""

    counter: str  # who counted
    cost_table: dict[tuple[str, str], Price] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)  # operators without a price that may multiply matrices

    def add(self, modules: Iterable[str], operator: str, price: Price) -> None:
        """Book a call of `operator` on every one of `modules`, once each."""
        for module in set(modules):
            before = self.cost_table.get((module, operator))
            self.cost_table[module, operator] = price if before is None else before + price

    def check(self, model: str) -> None:
        """Raise `CostError` where an operator of `model` may multiply matrices and has no price."""
        if self.unknown:
            operators = ", ".join(f"{operator} ({calls}×)" for operator, calls in sorted(self.unknown.items()))
            raise CostError(
                f"{model}: {self.counter} has no formula for {operators}, which may multiply matrices;"
                " add one to scaling/costs/counting/operators.py and scaling/costs/complexity.py"
            )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and matrix products."""
        return sum(price.macs for price in self.by_operator().values())

    @property
    def training_macs(self) -> int:
        """MACs of a forward and a backward pass; zero gradients where the counter cannot know them."""
        return self.macs + sum(price.gradient_macs for price in self.by_operator().values())

    @property
    def activations(self) -> int:
        """Output elements of convolutions and matrix products."""
        return sum(price.activations for price in self.by_operator().values())

    @property
    def fvcore_flops(self) -> int:
        """MACs and what fvcore charges for norms, adaptive average pooling and resizing."""
        return sum(price.macs + price.charge for price in self.by_operator().values())

    def by_operator(self, module: str = "") -> dict[str, Price]:
        """Prices of the operators that ran inside `module`."""
        return {operator: price for (name, operator), price in self.cost_table.items() if name == module}

    def by_kind(self, module: str = "") -> dict[str, int]:
        """MACs of convolutions and of matrix products inside `module`."""
        macs = {CONVOLUTION: 0, PRODUCT: 0}
        for price in self.by_operator(module).values():
            if price.kind in macs:
                macs[price.kind] += price.macs
        return macs

    def by_module(self) -> dict[str, Mapping[str, Price]]:
        """Prices of every module that ran, by operator, in order of first use."""
        modules = dict.fromkeys(module for module, _ in self.cost_table)
        return {module: self.by_operator(module) for module in modules}


def product_of(shape: Iterable[int]) -> int:
    """Number of elements."""
    return math.prod(int(side) for side in shape)
