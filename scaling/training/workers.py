"""Workers: those who train one network together, each on its share of every batch."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn


class Workers(Protocol):
    """What training needs of them. Every worker holds the same weights and draws the same random numbers.

    All of them call the same functions in the same order. `parallel.Group` implements this; see there.
    """

    count: int

    @property
    def is_first(self) -> bool:
        """Whether this worker writes checkpoints and reports."""
        ...

    def prepare(self, model: nn.Module) -> None:
        """Make a new network one that is trained by all workers."""
        ...

    def part(self, count: int) -> slice:
        """Which of so many things are this worker's; there may be none."""
        ...

    def anyone(self, here: bool) -> bool:
        """Whether something is so for any worker; all of them learn it."""
        ...

    def joined(self, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Put columns (N,) of all workers one after another, for all of them."""
        ...

    def told(self, lines: Sequence[str]) -> list[str]:
        """Lines of all workers, in their order, for all of them."""
        ...

    def whole(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the images and labels that each worker has read together."""
        ...

    def agree(self, here: Any, what: str) -> None:
        """Make sure that all workers begin from the same."""
        ...

    def failed(self, reason: str) -> None:
        """Tell the others why this worker ends."""
        ...

    def ended(self) -> None:
        """Let the others go who wait for what the first worker writes down."""
        ...

    def share(self, images: int) -> slice:
        """Which images of a batch of so many are this worker's."""
        ...

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        """Add tensors up over all workers, in place: shares of a gradient become the whole batch's."""
        ...


class Alone:
    """One worker, who takes whole batches."""

    count = 1
    is_first = True

    def prepare(self, model: nn.Module) -> None:
        pass

    def part(self, count: int) -> slice:
        return slice(0, count)

    def anyone(self, here: bool) -> bool:
        return here

    def joined(self, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(columns)

    def told(self, lines: Sequence[str]) -> list[str]:
        return list(lines)

    def whole(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images, labels

    def agree(self, here: Any, what: str) -> None:
        pass

    def failed(self, reason: str) -> None:
        pass

    def ended(self) -> None:
        pass

    def share(self, images: int) -> slice:
        return slice(0, images)

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        pass
