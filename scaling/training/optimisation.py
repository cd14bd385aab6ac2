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

# timm's names of the optimisers, with settings that are not in the recipe. LAMB's own clipping is off, because
# clip_grad_norm works for all optimisers.
OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    "adamw": {"opt": "adamw", "fused": True},
    "lamb": {"opt": "lamb", "max_grad_norm": None},
    "sgd": {"opt": "sgd", "fused": True},  # with Nesterov's momentum
}
LONGEST_WARMUP = 0.2  # of all steps, so that a run of few epochs still reaches its peak and falls


@dataclass(frozen=True)
class Scale:
    """What a learning-rate rule does to a parameter."""

    rate: float = 1.0  # multiplies the learning rate
    start: float | None = None  # of a matrix: initial deviation over the reference's; None: as drawn
    decay: float = 1.0  # multiplies the weight decay


def build_optimizer(
    model: nn.Module, recipe: Recipe, scales: Mapping[str, Scale] | None = None
) -> torch.optim.Optimizer:
    """Build the optimiser; norms, biases, LayerScale and the names in `model.no_weight_decay()` are not decayed.

    Args:
        scales: what a learning-rate rule makes of the rate and the decay of each parameter, by name.
    """
    return create_optimizer_v2(
        _groups(model, recipe, scales) if scales else _decayed_and_not(model, recipe),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        **OPTIMIZERS[recipe.optimizer],
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of each group, times the factor of a learning-rate rule."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def _decayed_and_not(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    return param_groups_weight_decay(model, recipe.weight_decay, no_weight_decay_list=_undecayed(model))


def _undecayed(model: nn.Module) -> set[str]:
    """Name the parameters that are not decayed, besides biases and those of one dimension.

    Some of timm's networks store LayerScale and gains as (C, 1, 1), where timm counts three dimensions.
    """
    scales = {
        name
        for name, parameter in model.named_parameters()
        if not name.endswith("weight") and sum(size > 1 for size in parameter.shape) <= 1
    }
    return scales | set(getattr(model, "no_weight_decay", set)())


def _groups(model: nn.Module, recipe: Recipe, scales: Mapping[str, Scale]) -> list[dict[str, Any]]:
    """Group the parameters that share a rate and a decay."""
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
    """Return the learning rate at `step` (from 0) of `steps`: linear up to the peak, then by `recipe.schedule` to 0.

    `cosine`: half a cosine. Loshchilov and Hutter, "SGDR", arXiv 1608.03983, equation 5 without restarts.

    `constant_then_decay`: the peak, and in the last `recipe.decay_fraction` of all steps a straight line. Until then
    the rate does not depend on how long the run is. Hägele et al., "Scaling laws and compute-optimal training beyond
    fixed training durations", arXiv 2405.18392, with a linear decay; Zhai et al., "Scaling vision transformers", arXiv
    2106.04560.
    """
    warmup = warmup_steps(steps, recipe)
    if step < warmup:
        return recipe.learning_rate * min(1.0, (step + 1) / warmup)
    if recipe.schedule == "constant_then_decay":
        start = decay_start(steps, recipe)
        return recipe.learning_rate * min(1.0, (steps - step) / (steps - start))
    return recipe.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def warmup_steps(steps: int, recipe: Recipe) -> float:
    """Return the steps of the warm-up, of `steps` in all."""
    return min(recipe.warmup_epochs / recipe.epochs, LONGEST_WARMUP) * steps


def decay_start(steps: int, recipe: Recipe) -> float:
    """Return the step of `steps` from which `constant_then_decay` falls, never before the end of the warm-up."""
    return max(warmup_steps(steps, recipe), (1 - recipe.decay_fraction) * steps)
