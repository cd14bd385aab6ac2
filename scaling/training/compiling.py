"""Compiling: training steps through torch.compile, which falls back on the network as it is.

The compiled network is called beside the module, which keeps its names: checkpoints, averages, evaluation and counts
know nothing of it. One graph serves all shapes from the second on, so neither smaller micro-batches nor another
resolution compile again and again.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

# Compiling takes a minute or more; where the run is shorter, on whatever GPU, it costs more than it saves.
WORTHWHILE_STEPS = 5000
# The compiler would draw random numbers of its own, and stochastic depth would drop other blocks than without it.
OPTIONS: dict[str, Any] = {"backend": "inductor", "options": {"fallback_random": True}}


def is_worthwhile(wanted: bool | None, device: torch.device, steps: int) -> bool:
    """Whether to compile a run of so many steps; None leaves it to the device and the length of the run."""
    if wanted is None:
        return device.type == "cuda" and steps >= WORTHWHILE_STEPS
    return wanted


def compiled(model: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """What is called in the place of `model`; compiling happens at the first call, and fails there.

    What was compiled before in this process is forgotten: the compiler gives a class up after a few of its members,
    and a worker trains many.
    """
    torch.compiler.reset()
    return torch.compile(model, **OPTIONS)  # pyright: ignore[reportReturnType]
