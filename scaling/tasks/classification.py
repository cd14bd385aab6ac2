"""Classification: how often and how confidently a network is right, on every image of a set."""

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scaling.data import AnySplit, Dataset
from scaling.data.augment import Augmentation, Normalisation
from scaling.data.batches import BatchIndices, batches, unreadable_lines
from scaling.study.config import Recipe
from scaling.study.errors import TrainingError
from scaling.study.notes import Notes
from scaling.study.records import Scores
from scaling.tasks import task
from scaling.training.losses import LOSSES
from scaling.training.micro_batches import MicroBatches, is_out_of_memory, release_memory
from scaling.training.precision import float32_products
from scaling.training.task import EVALUATION_BATCH, Evaluation
from scaling.training.training_run import TrainingRun

BINS = 15  # of confidence, as in Guo et al.


@task("classification")
class Classification:
    """One class for each image; implements `scaling.training.task.Task`."""

    def __init__(self, data: Dataset, recipe: Recipe, run: TrainingRun) -> None:
        self.data = data
        self.run = run
        self.prepare = Augmentation.of(recipe, data, run.device)
        self.loss = LOSSES[recipe.loss]

    def validate(self, model: nn.Module) -> Evaluation:
        """Evaluate `model` on the validation set."""
        return evaluate(model, self.data.validation, self.data, self.run)

    def score(self, model: nn.Module, average: nn.Module | None = None) -> Scores:
        """Score the final weights on validation and test, and beside them their moving average."""
        return score(model, self.data, self.run, average)


@dataclass(frozen=True)
class Predictions:
    """What a network predicts for each image of a set, in the set's order; arrays (N,)."""

    correct: np.ndarray  # bool: the most probable class is the right one
    in_top5: np.ndarray  # bool: one of the five most probable is
    confidence: np.ndarray  # probability of the most probable class
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


def evaluate(model: nn.Module, split: AnySplit, data: Dataset, run: TrainingRun) -> Evaluation:
    """Score `model` in float32 on all images of `split`, one of the splits of `data`; keeps the model's mode."""
    predicted = predict(model, split, data, run)
    return Evaluation(predicted.accuracy, predicted.mean_loss, len(split))


def score(model: nn.Module, data: Dataset, run: TrainingRun, average: nn.Module | None = None) -> Scores:
    """Score the final weights on validation and test, and beside them the moving average of the weights.

    A score may be NaN or infinite; see `scaling.training.divergence.not_finite`.
    """
    examples = {"val_examples": len(data.validation), "test_examples": len(data.test)}
    own = _scores(model, data, run)
    averaged = _scores(average, data, run) if average else {}
    averaged.pop("test_correct", None)  # arms are compared example by example in their last weights
    return Scores.model_validate(examples | own | {f"ema_{name}": value for name, value in averaged.items()})


def _scores(model: nn.Module, data: Dataset, run: TrainingRun) -> dict[str, Any]:
    """Scores by name; top-5 only where there are more than five classes."""
    named: dict[str, Any] = {}
    for name, split in (("val", data.validation), ("test", data.test)):
        predicted = predict(model, split, data, run)
        named[f"{name}_accuracy"] = predicted.accuracy
        named[f"{name}_loss"] = predicted.mean_loss
        named[f"{name}_top5"] = 100 * float(predicted.in_top5.mean()) if data.num_classes > 5 else None
        named[f"{name}_calibration_error"] = predicted.calibration_error
        named[f"{name}_correct"] = predicted.packed()
    del named["val_correct"]
    return named


@torch.inference_mode()
def predict(model: nn.Module, split: AnySplit, data: Dataset, run: TrainingRun) -> Predictions:
    """Predict all images of `split`, in evaluation mode and float32; keeps the model's mode.

    A batch that does not fit into memory is split, which changes rounding only. Several workers share the batches; each
    returns the whole result, and notes the images that any of them could not read, here or in training.
    """
    device, workers, notes = run.device, run.workers, run.notes
    normalise = Normalisation(data, device)
    was_training = model.training
    model.eval()
    micro = MicroBatches()
    columns: list[tuple[torch.Tensor, ...]] = []
    with float32_products("float32", device):
        steps = list(_in_order(len(split)))
        for images, labels in batches(split, steps[workers.part(len(steps))], device, notes, run.decoders):
            logits = _logits(model, normalise, images, micro, notes)
            right = logits.gather(1, labels[:, None])
            # classes ranked above the right one; ties go to the lower number, or a blank network would be always right
            ties = (logits == right) & (torch.arange(logits.shape[1], device=device) < labels[:, None])
            rank = ((logits > right) | ties).sum(dim=1)
            is_first = logits.argmax(dim=1) == labels  # of equal logits one, so that a blank network is at chance
            confidence = logits.softmax(dim=1).amax(dim=1)
            columns.append((is_first, rank < 5, confidence, F.cross_entropy(logits, labels, reduction="none")))
    model.train(was_training)
    found = [torch.cat(column).cpu().numpy() for column in zip(*columns, strict=True)]
    nothing = [np.empty(0, bool), np.empty(0, bool), np.empty(0, np.float32), np.empty(0, np.float32)]
    for line in workers.gathered_lines(unreadable_lines(notes)):
        notes.add(line)
    return Predictions(*workers.concatenated(found or nothing))


def _logits(
    model: nn.Module, normalise: Normalisation, images: torch.Tensor, micro: MicroBatches, notes: Notes
) -> torch.Tensor:
    """Compute logits (B, K) from bytes (B, H, W, C), in as large parts as the memory allows."""
    while True:
        try:
            return torch.cat([model(normalise(images[part])).float() for part in micro.parts(len(images))])
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:300]
        release_memory()  # the error is gone by now, whose frames kept tensors alive
        if not micro.halve(len(images)):
            raise TrainingError(f"out of memory in the evaluation of one image; train a smaller network ({reason})")
        notes.add(f"out of memory: evaluation took fewer than {EVALUATION_BATCH} images at a time")


def _in_order(count: int) -> Iterator[BatchIndices]:
    for start in range(0, count, EVALUATION_BATCH):
        yield BatchIndices(np.arange(start, min(start + EVALUATION_BATCH, count)))
