"""Workers: those who train one network together, each on its share of every batch."""

from collections.abc import Iterable
from typing import Protocol

import torch


class Workers(Protocol):
    """What a training step needs of them. Every worker holds the same weights and draws the same random numbers."""

    def share(self, images: int) -> slice:
        """Which images of a batch of so many are this worker's."""
        ...

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        """Add tensors up over all workers, in place: shares of a gradient become the whole batch's."""
        ...


class Alone:
    """One worker, who takes whole batches."""

    def share(self, images: int) -> slice:
        return slice(0, images)

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        pass
