"""What the training loop needs to know of a task, such as classification; `scaling.tasks` holds the implementations."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from scaling.study.records import Scores

EVALUATION_BATCH = 256  # images at once; the result does not depend on it, up to rounding


class Evaluation(NamedTuple):
    """Score of a network on one set of images."""

    accuracy: float  # percent
    loss: float  # mean over the images
    examples: int


class Task(Protocol):
    """What a network is trained for: how a batch becomes a loss, and how well the network does."""

    def prepare(
        self, images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator, size: tuple[int, int] | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment a batch, uint8 (B, H, W, C) with its labels; return the network's inputs and their targets.

        Args:
            size: height and width to resize to; None keeps them.
        """
        ...

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss over the images."""
        ...

    def validate(self, model: nn.Module) -> Evaluation:
        """Evaluate `model` on the validation set, after an epoch."""
        ...

    def score(self, model: nn.Module, average: nn.Module | None = None) -> Scores:
        """Score the final weights, and beside them their moving average."""
        ...
