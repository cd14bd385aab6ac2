"""Evaluation: how often and how surely a network is right."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scaling.augment import normalised
from scaling.data import AnySplit, Dataset
from scaling.data.batches import Step, batches

BATCH = 256  # images at once; the result does not depend on it, up to rounding


class Evaluation(NamedTuple):
    """A network's score on one set."""

    accuracy: float  # percent
    loss: float  # mean cross-entropy, in nats
    examples: int


@torch.inference_mode()
def evaluate(model: nn.Module, split: AnySplit, data: Dataset, device: torch.device) -> Evaluation:
    """Score `model` in float32 on all images of `split`, which is one of `data`; its mode is left as it was."""
    was_training = model.training
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    for images, labels in batches(split, _in_order(len(split)), device):
        logits = model(normalised(images, data.mean, data.std)).float()
        correct += (logits.argmax(dim=1) == labels).sum()
        loss += F.cross_entropy(logits, labels, reduction="sum").double()
    model.train(was_training)
    return Evaluation(100 * int(correct) / len(split), float(loss) / len(split), len(split))


def _in_order(count: int) -> Iterator[Step]:
    for start in range(0, count, BATCH):
        yield Step(np.arange(start, min(start + BATCH, count)))
