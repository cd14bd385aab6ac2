"""The training loop: one trial is a generator of epochs, exactly repeatable and exactly resumable.

Everything random is a function of (seed, epoch): data order, augmentation, stochastic depth. Two networks trained with
the same seed see the same batches, and a run that continues from a checkpoint goes on as if nothing had happened.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from scaling.data import AnySplit, Dataset, Split
from scaling.data.augment import Augmentation
from scaling.data.batches import Batch, BatchIndices, batches, left_out, refuse_too_many
from scaling.models.activation_checkpointing import checkpoint_gradients
from scaling.study.config import Recipe
from scaling.study.errors import StorageError
from scaling.study.notes import Notes
from scaling.study.records import Epoch
from scaling.study.storage import Where
from scaling.tasks.classification import evaluate
from scaling.training import checkpointing
from scaling.training.checkpointing import Checkpoint
from scaling.training.compiling import is_worthwhile
from scaling.training.divergence import Diverged
from scaling.training.micro_batches import MicroBatches
from scaling.training.optimisation import Scale, build_optimizer, learning_rate
from scaling.training.precision import float32_products
from scaling.training.resolution import named, sizes_for
from scaling.training.stepping import Stepper
from scaling.training.stopwatch import Stopwatch
from scaling.training.workers import Alone, Workers

# Streams of random numbers that share a seed and must not be the same numbers.
ORDER, AUGMENTATION, NOISE = range(3)
WRITING_SHARE = 0.005  # of the time that checkpoints may take; a kill costs at most two hundred times one's writing
CHECK_EVERY = 50  # steps between looks at the loss; each look waits for the GPU


def moving_average(model: nn.Module, recipe: Recipe) -> ModelEmaV3 | None:
    """Start a moving average of the weights, if the recipe wants one; early steps count less, in few steps too."""
    if recipe.ema_decay is None:
        return None
    return ModelEmaV3(model, decay=recipe.ema_decay, use_warmup=True)


def fit(
    model: nn.Module,
    data: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Where | None = None,
    average: ModelEmaV3 | None = None,
    watch: Stopwatch | None = None,
    notes: Notes | None = None,
    compiles: bool | None = False,
    checkpoints_gradients: bool = False,
    scales: Mapping[str, Scale] | None = None,
    workers: Workers | None = None,
    rests_at: int | None = None,
) -> Iterator[Epoch]:
    """Train `model` in place, on `device`; yield each epoch as it ends.

    Where `checkpoint` holds the state of the same run, its epochs come at once and training goes on behind them. At
    the end the model has the weights of the last epoch.

    Args:
        checkpoint: folder for the state; written after every epoch that took long beside the writing, see
            `WRITING_SHARE`.
        average: what `moving_average` made of the model; follows its weights.
        watch: books set-up, data, training, evaluation, checkpointing and waiting (for whoever takes the epochs).
        notes: where to say what a reader of the result should know, such as a micro-batch that was halved.
        compiles: whether training steps go through torch.compile; None leaves it to the device and the run's length.
        checkpoints_gradients: whether blocks are computed again in the backward pass, to save memory.
        scales: what a width-dependent rule makes of each parameter's learning rate; see `follow_width`.
        workers: those among whom each batch is shared.
        rests_at: epoch after which the caller will stop, so that its state has to be kept.

    Raises:
        Diverged: the loss is not a finite number.
        ModelError: the network cannot be trained at the recipe's resolutions.
        TrainingError: memory runs out, and a smaller micro-batch does not help.
        DataError: images cannot be read.
    """
    watch, notes, workers = watch or Stopwatch(), notes or Notes(), workers or Alone()
    sizes = sizes_for(model, recipe, data.image_size, data.channels)
    modules = {"model": model} | ({"average": average.module} if average else {})
    for module in modules.values():
        module.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    workers.prepare(model)
    if checkpoints_gradients:
        checkpoint_gradients(model, type(model).__name__)
    optimizer = build_optimizer(model, recipe, scales)
    if any(sizes):
        seen = [named(size or data.image_size) for size in (sizes[0], sizes[-1])]
        notes.add(f"trained on {' to '.join(dict.fromkeys(seen))} pixels; costs are those of {named(data.image_size)}")
    identity = _identity(model, data, recipe, seed)
    micro = MicroBatches(recipe.micro_batch)
    curve: list[Epoch] = []
    if checkpoint and (found := checkpointing.load(checkpoint, identity)):
        for name, module in modules.items():
            module.load_state_dict(found.modules[name])
        checkpointing.restore_optimizer(optimizer, found.optimizer)
        curve = list(found.curve)
        _resume(found.progress, micro, notes, watch)
    workers.agree([len(curve), micro.size], "the epoch that they resume from")
    watch.book("setup")
    yield from curve

    to_do = range(len(curve) + 1, recipe.epochs + 1)
    plan = (step for epoch in to_do for step in epoch_plan(data.train, recipe, seed=seed, epoch=epoch))
    steps = steps_per_epoch(len(data.train), recipe)
    stepper = Stepper(
        model,
        average,
        optimizer,
        Augmentation.of(recipe, data, device),
        recipe,
        device,
        workers,
        micro,
        notes,
        checkpoints=checkpoints_gradients,
        compiles=is_worthwhile(compiles, device, steps * len(to_do)),
    )
    pace = Pace()
    loop = Loop(stepper, shared_batches(data.train, plan, device, workers, notes), steps, watch)
    for number in to_do:
        watch.book("waiting")
        loss, data_seconds, train_seconds = loop.run(seed=seed, epoch=number, size=sizes[number - 1])
        validation = evaluate(model, data.validation, data, device, notes, workers)
        refuse_too_many(left_out(notes), data.train)  # by all workers together
        if not math.isfinite(validation.loss):
            raise Diverged(number * steps, number, "the loss on the validation set")
        curve.append(
            Epoch(
                epoch=number,
                train_loss=loss,
                val_loss=validation.loss,
                val_accuracy=validation.accuracy,
                learning_rate=learning_rate(number * steps - 1, recipe.epochs * steps, recipe),
                train_seconds=train_seconds,
                data_seconds=data_seconds,
                evaluation_seconds=watch.book("evaluation"),
            )
        )
        if checkpoint and workers.is_first and pace.is_due(number == rests_at):
            states = {name: module.state_dict() for name, module in modules.items()}
            progress = {"micro_batch": micro.size, "notes": notes.lines, "seconds": watch.seconds}
            try:
                checkpointing.save(checkpoint, Checkpoint(identity, curve, states, optimizer.state_dict(), progress))
            except StorageError as error:  # a full disk must not cost the result of a week's training
                notes.add(f"not every epoch was checkpointed: {error}")
            pace.written(watch.book("checkpointing"))
        yield curve[-1]


def shared_batches(
    split: AnySplit, plan: Iterator[BatchIndices], device: torch.device, workers: Workers, notes: Notes
) -> Iterator[Batch]:
    """Batches of `plan`, whole for every worker; of images that are decoded anew, each worker decodes its share."""
    if workers.count == 1 or isinstance(split, Split):
        return batches(split, plan, device, notes)
    shares = (step.part(workers.share(len(step.indices))) for step in plan)
    return (workers.whole(images, labels) for images, labels in batches(split, shares, device, notes))


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Optimiser steps of one epoch: whole batches only; what is left over differs from epoch to epoch."""
    return max(1, images // recipe.batch_size)


def epoch_plan(split: AnySplit, recipe: Recipe, *, seed: int, epoch: int) -> Iterator[BatchIndices]:
    """Batches of one epoch: a function of its arguments and nothing else.

    Repeated images come in a row, in one batch. Hoffer et al., "Augment your batch", arXiv 1901.09335.
    """
    order = split.order(np.random.default_rng((seed, epoch, ORDER))).repeat(recipe.repeats)
    size = min(recipe.batch_size, len(split))
    for step in range(steps_per_epoch(len(split), recipe)):
        yield BatchIndices(order[step * size : (step + 1) * size], seed=(seed, epoch, AUGMENTATION))


class Pace:
    """When a checkpoint is due: epochs may be shorter than the writing of their state."""

    def __init__(self) -> None:
        self._earliest = 0.0  # seconds of time.monotonic

    def is_due(self, is_wanted: bool) -> bool:
        """Whether to write one after this epoch; always where somebody will stop there."""
        return is_wanted or time.monotonic() >= self._earliest

    def written(self, seconds: float) -> None:
        """One was written, in so many seconds."""
        self._earliest = time.monotonic() + seconds / WRITING_SHARE


@dataclass(frozen=True)
class Loop:
    """What stays the same from epoch to epoch."""

    stepper: Stepper
    stream: Iterator[Batch]
    steps: int  # of an epoch
    watch: Stopwatch

    def run(self, *, seed: int, epoch: int, size: tuple[int, int] | None) -> tuple[float, float, float]:
        """Take the steps of one epoch; return the mean loss, the seconds spent on data, and all seconds.

        Args:
            size: height and width of training images; None: as they are.
        """
        stepper, steps = self.stepper, self.steps
        device = stepper.device
        stepper.model.train()
        rng = np.random.default_rng((seed, epoch, AUGMENTATION))
        losses = torch.zeros(steps, device=device)
        waited = worked = 0.0
        missed = 0  # steps without an image that could be read
        # layers draw from torch's global generator (stochastic depth); it is seeded here and left as it was found
        with (
            float32_products(stepper.recipe.precision, device),
            torch.random.fork_rng([device] if device.type == "cuda" else []),
        ):
            torch.manual_seed(_number(seed, epoch, NOISE))
            for step in range(steps):
                images, labels = next(self.stream)
                waited += self.watch.book("data")
                done = (epoch - 1) * steps + step
                if len(images):
                    losses[step] = stepper.step(images, labels, rng, done, stepper.recipe.epochs * steps, size)
                else:
                    missed += 1
                if step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
                    _refuse_divergence(losses[: step + 1], epoch, steps)
                worked += self.watch.book("training")
        return float(losses.double().sum() / max(1, steps - missed)), waited, waited + worked


def _resume(progress: Mapping[str, Any], micro: MicroBatches, notes: Notes, watch: Stopwatch) -> None:
    """Take over what a checkpoint tells besides weights and curve."""
    watch.take_over(progress.get("seconds", {}))
    micro.size = progress.get("micro_batch", micro.size)
    for line in progress.get("notes", []):
        notes.add(line)


def _refuse_divergence(losses: torch.Tensor, epoch: int, steps: int) -> None:
    wrong = (~torch.isfinite(losses)).nonzero()
    if len(wrong):
        raise Diverged((epoch - 1) * steps + int(wrong[0]) + 1, epoch)


def _number(*seed: int) -> int:
    """One number from several, such that near seeds give unrelated ones."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)


def _identity(model: nn.Module, data: Dataset, recipe: Recipe, seed: int) -> str:
    """Name of a run, up to the pixels: a checkpoint of another one is not continued."""
    parts = {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),  # as content keys are made
        "seed": seed,
        "images": len(data.train),
        "parameters": {name: list(parameter.shape) for name, parameter in model.named_parameters()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
