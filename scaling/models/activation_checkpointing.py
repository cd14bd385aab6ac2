"""Activation checkpointing: the backward pass computes blocks again instead of keeping their activations in memory.

Chen et al., "Training deep nets with sublinear memory cost", arXiv 1604.06174. It changes no result: random draws
are repeated, and batch norms keep the statistics of the first pass.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from scaling.study.errors import ModelError


def enable_activation_checkpointing(model: nn.Module, name: str) -> None:
    """Let `model` keep only the inputs of its blocks for the backward pass.

    Run the backward pass inside `preserved_statistics`.

    Args:
        name: of the model, for the message.

    Raises:
        ModelError: it does not support activation checkpointing.
    """
    try:
        model.set_grad_checkpointing(True)  # pyright: ignore[reportCallIssue]
    except (AttributeError, AssertionError, TypeError, NotImplementedError):  # timm refuses in any of these ways
        raise ModelError(f"{name} does not support activation checkpointing; leave the option out") from None


@contextlib.contextmanager
def preserved_statistics(model: nn.Module) -> Iterator[None]:
    """Keep the backward pass of a checkpointed `model` from adding a batch twice to its batch norms' statistics.

    Blocks that are computed again update copies.
    """
    norms = [module for module in model.modules() if isinstance(module, _NormBase) and module.track_running_stats]
    kept = [dict(norm._buffers) for norm in norms]
    for norm, buffers in zip(norms, kept, strict=True):
        norm._buffers.update({name: None if b is None else torch.clone(b) for name, b in buffers.items()})
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers.update(buffers)
