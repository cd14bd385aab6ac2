"""Optimisation: the optimiser of a recipe and its learning rate at every step."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from timm.optim import create_optimizer_v2  # pyright: ignore[reportPrivateImportUsage]
from torch import nn

from scaling.config import Recipe

# What timm calls the optimisers, with settings that are not the recipe's. LAMB's own clipping is off: clip_grad_norm
# says the same for all.
OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    "adamw": {"opt": "adamw", "fused": True},
    "lamb": {"opt": "lamb", "max_grad_norm": None},
    "sgd": {"opt": "sgd"},  # with Nesterov's momentum
}
LONGEST_WARMUP = 0.2  # of all steps, so that a run of few epochs still comes to its cosine


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the optimiser; norms, biases, LayerScale and what `model.no_weight_decay()` names are not decayed."""
    return create_optimizer_v2(
        model,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        **OPTIMIZERS[recipe.optimizer],
    )


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Learning rate at `step` of `steps`, counted from 0: linear up to the peak, then half a cosine towards 0.

    Loshchilov and Hutter, "SGDR", arXiv 1608.03983, equation 5 without restarts.
    """
    warmup = min(recipe.warmup_epochs / recipe.epochs, LONGEST_WARMUP) * steps
    if step < warmup:
        return recipe.learning_rate * min(1.0, (step + 1) / warmup)
    return recipe.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
