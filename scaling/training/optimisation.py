"""Optimisation: the optimiser of a recipe and its learning rate at every step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from timm.optim import (
    create_optimizer_v2,  # pyright: ignore[reportPrivateImportUsage]
    param_groups_weight_decay,  # pyright: ignore[reportPrivateImportUsage]
)
from torch import nn

from scaling.study.config import Recipe

# What timm calls the optimisers, with settings that are not the recipe's. LAMB's own clipping is off: clip_grad_norm
# says the same for all.
OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    "adamw": {"opt": "adamw", "fused": True},
    "lamb": {"opt": "lamb", "max_grad_norm": None},
    "sgd": {"opt": "sgd", "fused": True},  # with Nesterov's momentum
}
LONGEST_WARMUP = 0.2  # of all steps, so that a run of few epochs still comes to its cosine


@dataclass(frozen=True)
class Scale:
    """What a width-dependent rule does to a parameter."""

    rate: float = 1.0  # multiplies the learning rate
    start: float | None = None  # of a matrix: deviation of the initial weights over the reference's; None: as drawn
    decay: float = 1.0  # multiplies the weight decay


def build_optimizer(
    model: nn.Module, recipe: Recipe, scales: Mapping[str, Scale] | None = None
) -> torch.optim.Optimizer:
    """Build the optimiser; norms, biases, LayerScale and what `model.no_weight_decay()` names are not decayed.

    Args:
        scales: what a width-dependent rule makes of the rate and the decay of each parameter, by name.
    """
    return create_optimizer_v2(
        _groups(model, recipe, scales) if scales else _decayed_and_not(model, recipe),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        **OPTIMIZERS[recipe.optimizer],
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate: of each group, times what a width-dependent rule says."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def _decayed_and_not(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    return param_groups_weight_decay(model, recipe.weight_decay, no_weight_decay_list=_undecayed(model))


def _undecayed(model: nn.Module) -> set[str]:
    """Names of parameters that are not decayed, besides biases and what has one dimension.

    Some of timm's networks keep LayerScale and gains as (C, 1, 1), of which timm sees the three dimensions.
    """
    scales = {
        name
        for name, parameter in model.named_parameters()
        if not name.endswith("weight") and sum(size > 1 for size in parameter.shape) <= 1
    }
    return scales | set(getattr(model, "no_weight_decay", set)())


def _groups(model: nn.Module, recipe: Recipe, scales: Mapping[str, Scale]) -> list[dict[str, Any]]:
    """Parameters that share a rate and a decay."""
    named = _undecayed(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_decayed = parameter.ndim > 1 and name not in named
            decay = recipe.weight_decay * scales[name].decay if is_decayed else 0.0
            groups.setdefault((scales[name].rate, decay), []).append(parameter)
    return [
        {"params": group, "weight_decay": decay, "lr": recipe.learning_rate * rate, "lr_scale": rate}
        for (rate, decay), group in groups.items()
    ]


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Learning rate at `step` of `steps`, counted from 0: linear up to the peak, then half a cosine towards 0.

    Loshchilov and Hutter, "SGDR", arXiv 1608.03983, equation 5 without restarts.
    """
    warmup = min(recipe.warmup_epochs / recipe.epochs, LONGEST_WARMUP) * steps
    if step < warmup:
        return recipe.learning_rate * min(1.0, (step + 1) / warmup)
    return recipe.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
