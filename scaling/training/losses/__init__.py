"""Losses, one file each: what a recipe's `loss` may name.

A loss is a function registered by `@loss`: `function(logits, targets, *, options) -> loss`, with logits (B, K), target
probabilities (B, K), and as its result the mean over the images, so that the parts of a batch add up to the whole.
Options are keyword-only parameters with defaults; a recipe sets them by `loss: {name: focal, gamma: 3}`.
"""

from collections.abc import Callable
from typing import Any, overload

import torch

from scaling.study.recipe_registries import LOSSES as LOSSES

Loss = Callable[..., torch.Tensor]


@overload
def loss(function: Loss, /) -> Loss: ...
@overload
def loss() -> Callable[[Loss], Loss]: ...
def loss(function: Loss | None = None, /) -> Any:
    """Register a loss under its own name; to be used as a decorator."""
    if function is None:
        return loss
    LOSSES.add(function.__name__, function, module=function.__module__)
    return function
