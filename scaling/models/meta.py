"""Models on the meta device, where they have shapes and hold no numbers."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def on_meta(build: Callable[[], Module]) -> Module:
    """Build a module on the meta device, where it occupies no memory; the random state is left alone."""
    try:
        with torch.device("meta"):
            return build()
    except RuntimeError:  # NotImplementedError too: some modules read numbers from tensors while they are built
        with torch.random.fork_rng(devices=[]):
            return build().to("meta")
