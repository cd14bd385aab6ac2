"""Evaluation: how often and how surely a network is right, on every image of a set."""

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scaling.data import AnySplit, Dataset
from scaling.data.augment import Normalisation
from scaling.data.batches import BatchIndices, batches, unreadable_lines
from scaling.study.errors import TrainingError
from scaling.study.notes import Notes
from scaling.study.records import Scores
from scaling.training.micro_batches import MicroBatches, is_out_of_memory, release_memory
from scaling.training.precision import float32_products
from scaling.training.workers import Alone, Workers

BATCH = 256  # images at once; the result does not depend on it, up to rounding
BINS = 15  # of confidence, as Guo et al. have them


class Evaluation(NamedTuple):
    """A network's score on one set."""

    accuracy: float  # percent
    loss: float  # mean cross-entropy, in nats
    examples: int


@dataclass(frozen=True)
class Outcome:
    """What a network said about each image of a set, in the set's order; arrays (N,)."""

    correct: np.ndarray  # bool: the likeliest class is the right one
    in_top5: np.ndarray  # bool: one of the five likeliest is
    confidence: np.ndarray  # probability of the likeliest class
    loss: np.ndarray  # cross-entropy in nats

    @property
    def accuracy(self) -> float:
        """Percent."""
        return 100 * float(self.correct.mean())

    @property
    def mean_loss(self) -> float:
        """Nats."""
        return float(self.loss.mean(dtype=np.float64))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error in percent: how far confidence is from accuracy, over bins of confidence.

        Guo et al., arXiv 1706.04599, equation 3.
        """
        if not np.isfinite(self.confidence).all():
            return math.nan
        bins = np.minimum((self.confidence * BINS).astype(int), BINS - 1)
        surplus = np.bincount(bins, weights=self.confidence - self.correct, minlength=BINS)
        return 100 * float(np.abs(surplus).sum()) / len(self.correct)

    def packed(self) -> str:
        """`correct` as bits in base64, which `Scores.correct_examples` reads."""
        return base64.b64encode(np.packbits(self.correct).tobytes()).decode()


def evaluate(
    model: nn.Module,
    split: AnySplit,
    data: Dataset,
    device: torch.device,
    notes: Notes | None = None,
    workers: Workers | None = None,
) -> Evaluation:
    """Score `model` in float32 on all images of `split`, which is one of `data`; its mode is left as it was."""
    outcome = examine(model, split, data, device, notes, workers)
    return Evaluation(outcome.accuracy, outcome.mean_loss, len(split))


def score(
    model: nn.Module,
    data: Dataset,
    device: torch.device,
    average: nn.Module | None = None,
    notes: Notes | None = None,
    workers: Workers | None = None,
) -> Scores:
    """Score the final weights on validation and test, and beside them the moving average of the weights.

    Loss and accuracy may be no numbers; see `not_finite`.
    """
    examples = {"val_examples": len(data.validation), "test_examples": len(data.test)}
    own = _scores(model, data, device, notes, workers)
    averaged = _scores(average, data, device, notes, workers) if average else {}
    averaged.pop("test_correct", None)  # arms are compared example by example in their last weights
    return Scores.model_validate(examples | own | {f"ema_{name}": value for name, value in averaged.items()})


def _scores(
    model: nn.Module, data: Dataset, device: torch.device, notes: Notes | None, workers: Workers | None
) -> dict[str, Any]:
    """Scores by name; top-5 only where there are more than five classes."""
    named: dict[str, Any] = {}
    for name, split in (("val", data.validation), ("test", data.test)):
        outcome = examine(model, split, data, device, notes, workers)
        named[f"{name}_accuracy"] = outcome.accuracy
        named[f"{name}_loss"] = outcome.mean_loss
        named[f"{name}_top5"] = 100 * float(outcome.in_top5.mean()) if data.num_classes > 5 else None
        named[f"{name}_calibration_error"] = outcome.calibration_error
        named[f"{name}_correct"] = outcome.packed()
    del named["val_correct"]
    return named


def not_finite(scores: Scores) -> str | None:
    """Name of the first score that is no finite number."""
    numbers = {name: value for name, value in scores.model_dump().items() if isinstance(value, float)}
    return next((name for name, value in numbers.items() if not math.isfinite(value)), None)


@torch.inference_mode()
def examine(
    model: nn.Module,
    split: AnySplit,
    data: Dataset,
    device: torch.device,
    notes: Notes | None = None,
    workers: Workers | None = None,
) -> Outcome:
    """Ask `model` about all images of `split`, in evaluation mode and float32; its mode is left as it was.

    What is too much at once for the memory is asked in smaller parts, which changes nothing but rounding. Of several
    workers each asks about some of the batches, as they are for one, and all get the whole answer; each is told what
    images the others could not read, here and in the training before.
    """
    workers, notes = workers or Alone(), notes or Notes()
    normalise = Normalisation(data, device)
    was_training = model.training
    model.eval()
    micro = MicroBatches()
    columns: list[tuple[torch.Tensor, ...]] = []
    with float32_products("float32", device):
        steps = list(_in_order(len(split)))
        for images, labels in batches(split, steps[workers.part(len(steps))], device, notes):
            logits = _logits(model, normalise, images, micro, notes)
            right = logits.gather(1, labels[:, None])
            # classes held likelier than the right one; of equal ones those of lower number, or a blank network has all
            ties = (logits == right) & (torch.arange(logits.shape[1], device=device) < labels[:, None])
            rank = ((logits > right) | ties).sum(dim=1)
            is_first = logits.argmax(dim=1) == labels  # one of equal logits, so that a blank network is at chance
            confidence = logits.softmax(dim=1).amax(dim=1)
            columns.append((is_first, rank < 5, confidence, F.cross_entropy(logits, labels, reduction="none")))
    model.train(was_training)
    found = [torch.cat(column).cpu().numpy() for column in zip(*columns, strict=True)]
    nothing = [np.empty(0, bool), np.empty(0, bool), np.empty(0, np.float32), np.empty(0, np.float32)]
    for line in workers.told(unreadable_lines(notes)):
        notes.add(line)
    return Outcome(*workers.joined(found or nothing))


def _logits(
    model: nn.Module, normalise: Normalisation, images: torch.Tensor, micro: MicroBatches, notes: Notes
) -> torch.Tensor:
    """Logits (B, K) of bytes (B, H, W, C), in as large parts as the memory allows."""
    while True:
        try:
            return torch.cat([model(normalise(images[part])).float() for part in micro.parts(len(images))])
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:300]
        release_memory()  # here the error is gone, whose frames kept tensors alive
        if not micro.halve(len(images)):
            raise TrainingError(f"out of memory in the evaluation of one image; train a smaller network ({reason})")
        notes.add(f"out of memory: evaluation took fewer than {BATCH} images at a time")


def _in_order(count: int) -> Iterator[BatchIndices]:
    for start in range(0, count, BATCH):
        yield BatchIndices(np.arange(start, min(start + BATCH, count)))
