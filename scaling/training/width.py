"""Applies a learning-rate rule: compares every parameter with its counterpart in a reference network.

The counterpart is that of the same architecture at the reference width, where all factors are 1. So a learning rate
found there is the one to write into the recipe, and a learning-rate grid multiplies it.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from scaling.models import build_model
from scaling.models.registry import FAMILIES, check_arch, parameters
from scaling.study.config import Recipe, WidthRule
from scaling.study.errors import ModelError, unknown
from scaling.training.optimisation import Scale
from scaling.training.width_rules import WIDTH_RULES, Growth

CLOSE_ENOUGH = 0.05  # a start that differs by less from the rule's stays as drawn: sampling moves it by as much


def reference(family: str, arch: Mapping[str, Any], setting: WidthRule) -> tuple[dict[str, Any], float]:
    """Return the parameters of the reference network of `arch`, and the width of `arch` over the reference width.

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
    """Refuse, before anything is built, a rule that cannot be applied.

    Raises:
        ModelError: no such rule, the family has no width, the reference network cannot be built, or the rule does not
            know the optimiser.
    """
    setting = recipe.learning_rate_rule
    if setting is not None:
        if setting.name not in WIDTH_RULES:
            raise ModelError(f"learning_rate_rule: {unknown('rule', setting.name, WIDTH_RULES)}")
        small_arch, ratio = reference(family, arch, setting)
        try:
            check_arch(family, small_arch)
        except ModelError as error:
            at = f"learning_rate_rule: at reference_width {setting.reference_width:g}"
            raise ModelError([f"{at}: {problem}" for problem in error.problems]) from None
        WIDTH_RULES[setting.name](Growth(1, 1), recipe.optimizer, ratio)


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
    """Apply the recipe's rule to a new `model`: rescale its initial weights; return the scale of each parameter's rate.

    Without a rule nothing changes, and the result is empty.

    Args:
        arch: all parameters that the model was built with.
        seed: the seed it was built with; the reference network gets the same.

    Raises:
        ModelError: the rule does not apply to this network or optimiser.
    """
    setting = recipe.learning_rate_rule
    if setting is None:
        return {}
    # timm's LAMB updates parameters without decay as AdamW does
    optimizer = "adamw" if recipe.optimizer == "lamb" and not recipe.weight_decay else recipe.optimizer
    small_arch, ratio = reference(family, arch, setting)
    smaller = build_model(family, **small_arch, seed=seed)
    known = dict(smaller.named_parameters())
    scales = {
        name: WIDTH_RULES[setting.name](growth, optimizer, ratio) for name, growth in growths(model, smaller).items()
    }
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            start, present = scales[name].start, _size(parameter)
            if start is not None and present > 0:
                factor = start * _size(known[name]) / present
                if abs(factor - 1) > CLOSE_ENOUGH:
                    parameter.mul_(factor)
    return scales


def _fan_in(parameter: torch.Tensor) -> int:
    return math.prod(parameter.shape[1:])


def _size(parameter: torch.Tensor) -> float:
    """Root mean square of a parameter's entries."""
    return float(parameter.detach().cpu().double().square().mean().sqrt())
