"""Compiling: training steps through torch.compile, with the uncompiled network as the fallback.

The compiled callable is kept beside the module, which keeps its names, so checkpoints, averages, evaluation and costs
use the module itself. From the second shape on one graph serves all shapes, so smaller micro-batches and other
resolutions do not compile again; nor do the parts of a batch (`shared_layers.BatchPosition`).
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from scaling.devices import kind_of

# Compiling takes a minute or more; in shorter runs, on any GPU, it costs more than it saves.
WORTHWHILE_STEPS = 5000

# Without this option the compiler draws its own random numbers, and stochastic depth drops other blocks.
OPTIONS: dict[str, Any] = {"backend": "inductor", "options": {"fallback_random": True}}


def is_worthwhile(wanted: bool | None, device: torch.device, steps: int) -> bool:
    """Whether to compile a run of `steps`; None decides by the device and the length of the run."""
    if wanted is None:
        return kind_of(device).is_compiled and steps >= WORTHWHILE_STEPS
    return wanted


def compiled(model: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a compiled callable for `model`; compiling happens, and fails, at the first call.

    Resets the compiler, which gives up on a class after a few of its instances, while a worker trains many.
    """
    torch.compiler.reset()
    # otherwise every worker starts up to 32 processes that compile, whatever its cores
    threads = torch.get_num_threads()
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(threads))  # read once, when the compiler is imported
    given = (
        OPTIONS | {"options": OPTIONS["options"] | {"compile_threads": threads}} if "options" in OPTIONS else OPTIONS
    )
    return torch.compile(model, **given)  # pyright: ignore[reportReturnType]
