"""Learning-rate rules, one file each: how the rate of each parameter follows the width of the network.

A rule is a function registered by `@rule`: `function(growth, optimizer, ratio) -> Scale`. It gets how much larger the
parameter is than its counterpart in the reference network, the name of the optimiser, and the width over the reference
width. At the reference width it must return `Scale()`. `scaling.training.width` applies it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, overload

from scaling.study.errors import ModelError
from scaling.study.recipe_registries import WIDTH_RULES as WIDTH_RULES
from scaling.training.optimisation import Scale

ParameterKind = Literal["vector", "hidden", "output"]


@dataclass(frozen=True)
class Growth:
    """How much larger a parameter is than its counterpart in the reference network."""

    fan_in: float  # ratio of the inputs that one output sums over
    fan_out: float  # ratio of the outputs
    is_vector: bool = False  # a bias, norm, scale, token or position table, whatever its shape

    @property
    def kind(self) -> ParameterKind:
        """The kind of Tensor Programs V: which of the two sides of a matrix grow with width."""
        if self.is_vector or self.fan_in == 1:
            return "vector"  # also input weights and depthwise kernels, and parameters that do not grow
        return "output" if self.fan_out == 1 else "hidden"

    @property
    def of_vector(self) -> float:
        """Ratio of the lengths of a vector."""
        return self.fan_in * self.fan_out


Rule: TypeAlias = Callable[[Growth, str, float], Scale]


@overload
def rule(function: Rule, /) -> Rule: ...
@overload
def rule() -> Callable[[Rule], Rule]: ...
def rule(function: Rule | None = None, /) -> Any:
    """Register a rule under its own name; to be used as a decorator."""
    if function is None:
        return rule
    WIDTH_RULES.add(function.__name__, function, module=function.__module__)
    return function


# Optimiser → kind of parameter → factor of the learning rate. Updates of AdamW have entries near 1, those of SGD are
# gradients, those of LAMB have the norm of the weights. LAMB updates vectors, which are not decayed, as AdamW does.
Factors: TypeAlias = Mapping[str, Mapping[ParameterKind, Callable[[Growth], float]]]


def scaled(factors: Factors, name: str, growth: Growth, optimizer: str, start: float | None) -> Scale:
    """Return the rule `name` for one parameter, from its table of factors.

    Raises:
        ModelError: the table has no such optimiser.
    """
    if optimizer not in factors:
        known = " and ".join(factors)
        raise ModelError(f"learning_rate_rule: {name} is known for {known}, not for {optimizer}; another is mup")
    rate = factors[optimizer][growth.kind](growth)
    return Scale(rate, start, decay=1 / rate)  # the decay of a step, rate × decay, stays the same
