"""Gradient checkpointing: blocks are computed a second time in the backward pass instead of being kept in memory.

Chen et al., "Training deep nets with sublinear memory cost", arXiv 1604.06174. It changes no number: random draws are
repeated, and batch norms keep the statistics of the first time.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from scaling.study.errors import ModelError


def checkpoint_gradients(model: nn.Module, name: str) -> None:
    """Have `model` keep only the inputs of its blocks for the backward pass; run that inside `recomputing`.

    Args:
        name: what the message calls the model.

    Raises:
        ModelError: it has no gradient checkpointing.
    """
    try:
        model.set_grad_checkpointing(True)  # pyright: ignore[reportCallIssue]
    except (AttributeError, AssertionError, TypeError, NotImplementedError):  # timm refuses in all of these ways
        raise ModelError(f"{name} has no gradient checkpointing; leave the option out") from None


@contextlib.contextmanager
def recomputing(model: nn.Module) -> Iterator[None]:
    """Keep a backward pass through a checkpointed `model` from counting a batch twice in its batch norms' statistics.

    They move in copies while blocks are computed again.
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
