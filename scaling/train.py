"""The training loop: one trial is a generator of epochs, exactly repeatable and exactly resumable.

Everything random is a function of (seed, epoch): data order, augmentation, stochastic depth. Two networks trained with
the same seed see the same batches, and a run that continues from a checkpoint goes on as if nothing had happened.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from scaling import checkpointing
from scaling.augment import Augmentation
from scaling.checkpointing import Checkpoint
from scaling.config import Recipe
from scaling.data import Dataset
from scaling.data.batches import Batch, Step, batches
from scaling.evaluate import evaluate
from scaling.optimisation import build_optimizer, learning_rate
from scaling.records import Epoch
from scaling.stopwatch import Stopwatch

# Streams of random numbers that share a seed and must not be the same numbers.
ORDER, AUGMENTATION, NOISE = range(3)
CHECK_EVERY = 50  # steps between looks at the loss; each look waits for the GPU

# Both take logits (B, K) and target probabilities (B, K).
LOSSES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": F.cross_entropy,
    "bce": F.binary_cross_entropy_with_logits,
}


class Diverged(Exception):  # noqa: N818 # an outcome of training, not an error
    """The loss is no number any more."""

    def __init__(self, step: int, epoch: int) -> None:
        super().__init__(step, epoch)
        self.step = step  # counted from 1 over the whole run
        self.epoch = epoch  # counted from 1

    def __str__(self) -> str:
        return f"the loss is not a finite number at step {self.step} (epoch {self.epoch})"


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
    checkpoint: Path | None = None,
    average: ModelEmaV3 | None = None,
    watch: Stopwatch | None = None,
) -> Iterator[Epoch]:
    """Train `model` in place, on `device`; yield each epoch as it ends.

    Where `checkpoint` holds the state of the same run, its epochs come at once and training goes on behind them. At
    the end the model has the weights of the last epoch.

    Args:
        checkpoint: folder for the state, written after every epoch.
        average: what `moving_average` made of the model; follows its weights.
        watch: books set-up, data, training, evaluation, checkpointing and waiting (for whoever takes the epochs).

    Raises:
        Diverged: the loss is not a finite number.
        DataError: images cannot be read.
    """
    watch = watch or Stopwatch()
    modules = {"model": model} | ({"average": average.module} if average else {})
    for module in modules.values():
        module.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = build_optimizer(model, recipe)
    identity = _identity(model, data, recipe, seed)
    curve: list[Epoch] = []
    if checkpoint and (found := checkpointing.load(checkpoint, identity)):
        for name, module in modules.items():
            module.load_state_dict(found.modules[name])
        checkpointing.restore_optimizer(optimizer, found.optimizer)
        curve = list(found.curve)
    watch.book("setup")
    yield from curve

    to_do = range(len(curve) + 1, recipe.epochs + 1)
    plan = (step for epoch in to_do for step in epoch_plan(len(data.train), recipe, seed=seed, epoch=epoch))
    loop = Loop(model, average, optimizer, Augmentation.of(recipe, data, device), recipe, device, watch)
    stream = batches(data.train, plan, device)
    steps = steps_per_epoch(len(data.train), recipe)
    for number in to_do:
        watch.book("waiting")
        loss, data_seconds, train_seconds = loop.run(stream, seed=seed, epoch=number, steps=steps)
        validation = evaluate(model, data.validation, data, device)
        if not math.isfinite(validation.loss):
            raise Diverged(number * steps, number)
        curve.append(
            Epoch(
                epoch=number,
                train_loss=loss,
                val_loss=validation.loss,
                val_accuracy=validation.accuracy,
                learning_rate=optimizer.param_groups[0]["lr"],
                train_seconds=train_seconds,
                data_seconds=data_seconds,
                evaluation_seconds=watch.book("evaluation"),
            )
        )
        if checkpoint:
            states = {name: module.state_dict() for name, module in modules.items()}
            checkpointing.save(checkpoint, Checkpoint(identity, curve, states, optimizer.state_dict()))
            watch.book("checkpointing")
        yield curve[-1]


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Optimiser steps of one epoch: whole batches only; what is left over differs from epoch to epoch."""
    return max(1, images // recipe.batch_size)


def epoch_plan(images: int, recipe: Recipe, *, seed: int, epoch: int) -> Iterator[Step]:
    """Batches of one epoch: a function of its arguments and nothing else.

    Repeated images come in a row, in one batch. Hoffer et al., "Augment your batch", arXiv 1901.09335.
    """
    order = np.random.default_rng((seed, epoch, ORDER)).permutation(images).repeat(recipe.repeats)
    size = min(recipe.batch_size, images)
    for step in range(steps_per_epoch(images, recipe)):
        yield Step(order[step * size : (step + 1) * size], seed=(seed, epoch, AUGMENTATION))


@dataclass(frozen=True)
class Loop:
    """What stays the same from step to step."""

    model: nn.Module
    average: ModelEmaV3 | None
    optimizer: torch.optim.Optimizer
    augment: Augmentation
    recipe: Recipe
    device: torch.device
    watch: Stopwatch

    def run(self, stream: Iterator[Batch], *, seed: int, epoch: int, steps: int) -> tuple[float, float, float]:
        """Take the steps of one epoch; return the mean loss, the seconds spent on data, and all seconds."""
        self.model.train()
        rng = np.random.default_rng((seed, epoch, AUGMENTATION))
        losses = torch.zeros(steps, device=self.device)
        waited = worked = 0.0
        # layers draw from torch's global generator (stochastic depth); it is seeded here and left as it was found
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(_number(seed, epoch, NOISE))
            for step in range(steps):
                images, labels = next(stream)
                waited += self.watch.book("data")
                losses[step] = self.step(images, labels, rng, (epoch - 1) * steps + step, self.recipe.epochs * steps)
                if step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
                    _refuse_divergence(losses[: step + 1], epoch, steps)
                worked += self.watch.book("training")
        return float(losses.double().mean()), waited, waited + worked

    def step(
        self, images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator, number: int, of: int
    ) -> torch.Tensor:
        """Take step `number` (from 0) of the whole run; return its loss, which may still be on its way."""
        recipe = self.recipe
        inputs, targets = self.augment(images, labels, rng)
        self.optimizer.zero_grad(set_to_none=True)  # before the forward pass, which need not keep old gradients alive
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = self.model(inputs)
        loss = LOSSES[recipe.loss](logits.float(), targets)
        loss.backward()
        if recipe.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(number, of, recipe)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, step=number + 1)
        return loss.detach()


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
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "images": len(data.train),
        "parameters": {name: list(parameter.shape) for name, parameter in model.named_parameters()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
