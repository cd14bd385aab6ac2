"""Models on the meta device, where they have shapes and no numbers."""

from collections.abc import Callable

import torch
from torch import nn


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a model on the meta device, where it occupies nothing."""
    try:
        with torch.device("meta"):
            return build()
    except RuntimeError:  # NotImplementedError too: older versions of timm read numbers from tensors while they build
        return build().to("meta")
