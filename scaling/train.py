"""The training loop: one trial is a generator of epochs, exactly repeatable and exactly resumable.

Everything random is a function of (seed, epoch): data order, augmentation, stochastic depth. Two networks trained with
the same seed see the same batches, and a run that continues from a checkpoint goes on as if nothing had happened.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scaling import checkpointing
from scaling.augment import flip_and_crop, normalised
from scaling.checkpointing import Checkpoint
from scaling.config import Recipe
from scaling.data import Dataset
from scaling.data.batches import Batch, Step, batches
from scaling.evaluate import evaluate
from scaling.optimisation import build_optimizer, learning_rate
from scaling.records import Epoch

# Streams of random numbers that share a seed and must not be the same numbers.
ORDER, AUGMENTATION, NOISE = range(3)
CHECK_EVERY = 50  # steps between looks at the loss; each look waits for the GPU


class Diverged(Exception):  # noqa: N818 # an outcome of training, not an error
    """The loss is no number any more."""

    def __init__(self, step: int, epoch: int) -> None:
        super().__init__(step, epoch)
        self.step = step  # counted from 1 over the whole run
        self.epoch = epoch  # counted from 1

    def __str__(self) -> str:
        return f"the loss is not a finite number at step {self.step} (epoch {self.epoch})"


def fit(
    model: nn.Module,
    data: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
) -> Iterator[Epoch]:
    """Train `model` in place, on `device`; yield each epoch as it ends.

    Where `checkpoint` holds the state of the same run, its epochs come at once and training goes on behind them. At
    the end the model has the weights of the last epoch.

    Args:
        checkpoint: folder for the state, written after every epoch.

    Raises:
        Diverged: the loss is not a finite number.
        DataError: images cannot be read.
    """
    model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = build_optimizer(model, recipe)
    identity = _identity(model, data, recipe, seed)
    curve: list[Epoch] = []
    if checkpoint and (found := checkpointing.load(checkpoint, identity)):
        model.load_state_dict(found.modules["model"])
        checkpointing.restore_optimizer(optimizer, found.optimizer)
        curve = list(found.curve)
    yield from curve

    steps = steps_per_epoch(len(data.train), recipe.batch_size)
    plan = (
        step
        for epoch in range(len(curve) + 1, recipe.epochs + 1)
        for step in epoch_plan(len(data.train), recipe.batch_size, seed=seed, epoch=epoch)
    )
    stream = batches(data.train, plan, device)
    for number in range(len(curve) + 1, recipe.epochs + 1):
        begin = time.perf_counter()
        loss = _train_epoch(model, optimizer, stream, data, recipe, seed=seed, epoch=number, steps=steps, device=device)
        train_seconds = time.perf_counter() - begin
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
            )
        )
        if checkpoint:
            state = Checkpoint(identity, curve, {"model": model.state_dict()}, optimizer.state_dict())
            checkpointing.save(checkpoint, state)
        yield curve[-1]


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Optimiser steps of one epoch: whole batches only; what is left over differs from epoch to epoch."""
    return max(1, images // batch_size)


def epoch_plan(images: int, batch_size: int, *, seed: int, epoch: int) -> Iterator[Step]:
    """Batches of one epoch: a function of its arguments and nothing else."""
    order = np.random.default_rng((seed, epoch, ORDER)).permutation(images)
    for step in range(steps_per_epoch(images, batch_size)):
        yield Step(order[step * batch_size : (step + 1) * batch_size], seed=(seed, epoch, AUGMENTATION))


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    stream: Iterator[Batch],
    data: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    epoch: int,
    steps: int,
    device: torch.device,
) -> float:
    """Take the steps of one epoch; return the mean training loss."""
    model.train()
    flip = data.flip if recipe.flip is None else recipe.flip
    padding = data.crop_padding if recipe.crop_padding is None else recipe.crop_padding
    generator = torch.Generator().manual_seed(_number(seed, epoch, AUGMENTATION))
    losses = torch.zeros(steps, device=device)
    # layers draw from torch's global generator (stochastic depth); it is seeded here and left as it was found
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(_number(seed, epoch, NOISE))
        for step in range(steps):
            images, labels = next(stream)
            images = flip_and_crop(images, generator, flip=flip, padding=padding)
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                logits = model(normalised(images, data.mean, data.std))
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if recipe.clip_grad_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_grad_norm)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate((epoch - 1) * steps + step, recipe.epochs * steps, recipe)
            optimizer.step()
            losses[step] = loss.detach()
            if step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
                _refuse_divergence(losses[: step + 1], epoch, steps)
    return float(losses.double().mean())


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
