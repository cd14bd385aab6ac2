"""Workers: the processes that train one network together, each on its share of every batch."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn


class Workers(Protocol):
    """What training needs of the workers. All of them hold the same weights and draw the same random numbers.

    All of them call the same functions in the same order. `parallel.Group` implements this; see there.
    """

    count: int

    @property
    def is_first(self) -> bool:
        """Whether this worker writes checkpoints and reports."""
        ...

    def prepare(self, model: nn.Module) -> None:
        """Give all workers the same weights, and let batch norm see all of their images."""
        ...

    def part(self, count: int) -> slice:
        """Return this worker's part of `count` things; it may be empty."""
        ...

    def anyone(self, here: bool) -> bool:
        """Whether `here` is true for any worker."""
        ...

    def concatenated(self, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Concatenate the columns (N,) of all workers, for all of them."""
        ...

    def gathered_lines(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of all workers, in the workers' order."""
        ...

    def whole_batch(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Concatenate the images and labels that each worker has read."""
        ...

    def agree(self, here: Any, what: str) -> None:
        """Make sure that `here` is the same for all workers; `what` names it in the message."""
        ...

    def report_failure(self, reason: str) -> None:
        """Leave the group, with a reason for the other workers."""
        ...

    def release(self) -> None:
        """Stop the others from waiting for the first worker to write its record."""
        ...

    def share(self, images: int) -> slice:
        """Return this worker's share of a batch of `images`."""
        ...

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        """Sum tensors over all workers, in place, so that shares of a gradient become the whole batch's."""
        ...


class SingleWorker:
    """One worker, which takes whole batches."""

    count = 1
    is_first = True

    def prepare(self, model: nn.Module) -> None:
        pass

    def part(self, count: int) -> slice:
        return slice(0, count)

    def anyone(self, here: bool) -> bool:
        return here

    def concatenated(self, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(columns)

    def gathered_lines(self, lines: Sequence[str]) -> list[str]:
        return list(lines)

    def whole_batch(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images, labels

    def agree(self, here: Any, what: str) -> None:
        pass

    def report_failure(self, reason: str) -> None:
        pass

    def release(self) -> None:
        pass

    def share(self, images: int) -> slice:
        return slice(0, images)

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        pass
