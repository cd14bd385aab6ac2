"""Learning rates that follow width: named rules, each with its source, relative to a reference network.

A rule compares every parameter with its counterpart in the same architecture at the reference width, where all
factors are 1. So a learning rate found there is the one to write into the recipe, and a bracket multiplies it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from scaling.models import build_model
from scaling.models.registry import FAMILIES, check_arch, parameters
from scaling.study.config import Recipe, WidthRule
from scaling.study.errors import ModelError
from scaling.training.optimisation import Scale

Kind = Literal["vector", "hidden", "output"]
DRAWN_RIGHT = 0.05  # a start so close to what a rule asks for stays as it was drawn: sampling moves it as much


@dataclass(frozen=True)
class Growth:
    """How much larger a parameter is than its counterpart in the reference network."""

    fan_in: float  # ratio of the inputs that one output sums over
    fan_out: float  # ratio of the outputs
    is_vector: bool = False  # a bias, norm, scale, token or position table, whatever its shape

    @property
    def kind(self) -> Kind:
        """Tensor Programs V's kinds: of the two sides of a matrix, which ones grow with width."""
        if self.is_vector or self.fan_in == 1:
            return "vector"  # also input weights and depthwise kernels, and what does not grow at all
        return "output" if self.fan_out == 1 else "hidden"

    @property
    def of_vector(self) -> float:
        """Ratio of the lengths of a vector."""
        return self.fan_in * self.fan_out


Rule = Callable[[Growth, str, float], Scale]  # growth of a parameter, name of the optimiser, width over the reference
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its own name; to be used as a decorator."""
    RULES[function.__name__] = function
    return function


@rule
def mup(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """Maximal update parametrisation: every layer's activations change by the same at any width.

    Yang et al., "Tensor Programs V", arXiv 2203.03466, table 3. LAMB steps by a share of a matrix's norm; its
    exponents follow from the spectral condition of Yang, Simon and Bernstein, arXiv 2310.17813, equation 5.
    """
    start = {"hidden": growth.fan_in**-0.5, "output": 1 / growth.fan_in}.get(growth.kind)
    return _per_layer(_MUP, "mup", growth, optimizer, start)


@rule
def per_layer(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """The standard parametrisation with a rate for each layer: as `mup`, but logits start as large as is usual.

    Everett et al., "Scaling exponents across parameterizations and optimizers", arXiv 2407.05872, table 1, for full
    alignment: rates of hidden and output weights fall with 1/fan_in under Adam.
    """
    start = None if growth.kind == "vector" else growth.fan_in**-0.5
    return _per_layer(_STANDARD, "per_layer", growth, optimizer, start)


@rule
def inverse_width(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """One rate for all parameters, falling with 1/width: what `mup` asks of hidden weights under Adam."""
    return Scale(rate=1 / ratio)


@rule
def sqrt_width(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """One rate for all parameters, falling with 1/√width: a rule of thumb between none and `inverse_width`."""
    return Scale(rate=ratio**-0.5)


# Optimiser -> kind -> factor of the learning rate. Updates of AdamW have entries near 1, those of SGD are gradients,
# those of LAMB have the weights' norm. LAMB takes vectors, which are not decayed, as AdamW does.
Factors = Mapping[str, Mapping[Kind, Callable[[Growth], float]]]
_MUP: Factors = {
    "adamw": {"vector": lambda g: 1.0, "hidden": lambda g: 1 / g.fan_in, "output": lambda g: 1 / g.fan_in},
    "sgd": {"vector": lambda g: g.of_vector, "hidden": lambda g: 1.0, "output": lambda g: 1 / g.fan_in},
    "lamb": {"vector": lambda g: 1.0, "hidden": lambda g: g.fan_in**-0.5, "output": lambda g: 1.0},
}
_STANDARD: Factors = {
    "adamw": _MUP["adamw"],
    "lamb": {**_MUP["lamb"], "output": lambda g: g.fan_in**-0.5},
}


def _per_layer(factors: Factors, name: str, growth: Growth, optimizer: str, start: float | None) -> Scale:
    if optimizer not in factors:
        known = " and ".join(factors)
        raise ModelError(f"learning_rate_rule: {name} is known for {known}, not for {optimizer}; another is mup")
    rate = factors[optimizer][growth.kind](growth)
    return Scale(rate, start, decay=1 / rate)  # what a step decays by is rate × decay, and stays


def reference(family: str, arch: Mapping[str, Any], setting: WidthRule) -> tuple[dict[str, Any], float]:
    """Parameters of the reference network of `arch`, and the width of `arch` over its own.

    Raises:
        ModelError: the family has no width.
    """
    own = parameters(family).get("width")
    if own is None:
        wide = ", ".join(name for name in sorted(FAMILIES) if "width" in parameters(name))
        raise ModelError(f"learning_rate_rule: {family} has no width to follow; these families have one: {wide}")
    width = arch.get("width", own.default)
    like = type(width)(setting.reference_width)  # channels are whole numbers, multipliers are not
    if arch.get("pretrained"):
        raise ModelError("learning_rate_rule: pretrained weights exist at one width only; leave the rule out")
    return {**arch, "width": like}, width / like


def refuse_rule(family: str, arch: Mapping[str, Any], recipe: Recipe) -> None:
    """Say before anything runs that a rule cannot be followed; nothing is built.

    Raises:
        ModelError: the family has no width, the reference network cannot be built, or the optimiser is not known.
    """
    setting = recipe.learning_rate_rule
    if setting is not None:
        small_arch, ratio = reference(family, arch, setting)
        try:
            check_arch(family, small_arch)
        except ModelError as error:
            at = f"learning_rate_rule: at reference_width {setting.reference_width:g}"
            raise ModelError([f"{at}: {problem}" for problem in error.problems]) from None
        RULES[setting.name](Growth(1, 1), recipe.optimizer, ratio)


def growths(model: nn.Module, smaller: nn.Module) -> dict[str, Growth]:
    """Compare every parameter of `model` with its counterpart in the reference network.

    Raises:
        ModelError: the two do not have the same layers.
    """
    before = dict(smaller.named_parameters())
    names = {name for name, _ in model.named_parameters()}
    if odd := sorted(names ^ before.keys()):
        raise ModelError(f"learning_rate_rule: the network of the reference width has other layers (such as {odd[0]})")
    named = getattr(model, "no_weight_decay", set)()
    return {
        name: Growth(
            fan_in=_fan_in(parameter) / _fan_in(before[name]),
            fan_out=len(parameter) / len(before[name]) if parameter.ndim else 1.0,
            is_vector=parameter.ndim < 2 or name in named,
        )
        for name, parameter in model.named_parameters()
    }


def follow_width(model: nn.Module, family: str, arch: Mapping[str, Any], recipe: Recipe, seed: int) -> dict[str, Scale]:
    """Apply the recipe's rule to a new `model`: set the size of its initial weights; return what becomes of its rates.

    Without a rule nothing changes, and nothing is returned.

    Args:
        arch: all parameters that the model was built with.
        seed: that it was built with; the reference network has the same.

    Raises:
        ModelError: the rule does not apply to this network or optimiser.
    """
    setting = recipe.learning_rate_rule
    if setting is None:
        return {}
    # timm's LAMB steps as AdamW does where it has nothing to decay
    optimizer = "adamw" if recipe.optimizer == "lamb" and not recipe.weight_decay else recipe.optimizer
    small_arch, ratio = reference(family, arch, setting)
    smaller = build_model(family, **small_arch, seed=seed)
    known = dict(smaller.named_parameters())
    scales = {name: RULES[setting.name](growth, optimizer, ratio) for name, growth in growths(model, smaller).items()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            start, present = scales[name].start, _size(parameter)
            if start is not None and present > 0:
                factor = start * _size(known[name]) / present
                if abs(factor - 1) > DRAWN_RIGHT:
                    parameter.mul_(factor)
    return scales


def _fan_in(parameter: torch.Tensor) -> int:
    return math.prod(parameter.shape[1:])


def _size(parameter: torch.Tensor) -> float:
    """Root of the mean square of a parameter's entries."""
    return float(parameter.detach().double().square().mean().sqrt())
