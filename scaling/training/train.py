"""The training loop: one trial is a generator of epochs, exactly repeatable and exactly resumable.

Everything random is a function of (seed, epoch): data order, augmentation, stochastic depth. Two networks trained with
the same seed see the same batches, and a run resumed from a checkpoint ends as if it had never stopped.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from scaling.data import AnySplit, Dataset, Split
from scaling.data.batches import Batch, BatchIndices, batches, left_out, refuse_too_many
from scaling.devices import preserved_random_state
from scaling.models.activation_checkpointing import enable_activation_checkpointing
from scaling.study.config import Recipe
from scaling.study.notes import Notes
from scaling.study.records import Epoch
from scaling.training.branches import constant_recipe
from scaling.training.compiling import is_worthwhile
from scaling.training.divergence import Diverged
from scaling.training.micro_batches import MicroBatches
from scaling.training.optimisation import Scale, build_optimizer, learning_rate
from scaling.training.precision import float32_products, laid_out
from scaling.training.resolution import Size, named, sizes_for
from scaling.training.state import TrainingState, identity_of
from scaling.training.stepping import Stepper
from scaling.training.task import Evaluation, Task
from scaling.training.training_run import TrainingRun

# Streams of random numbers that share a seed but must differ.
ORDER, AUGMENTATION, NOISE = range(3)
CHECK_EVERY = 50  # steps between checks of the loss, each of which waits for the GPU


def moving_average(model: nn.Module, recipe: Recipe) -> ModelEmaV3 | None:
    """Start a moving average of the weights, if the recipe has one; early steps get less weight."""
    if recipe.ema_decay is None:
        return None
    return ModelEmaV3(model, decay=recipe.ema_decay, use_warmup=True)


def fit(  # eight parameters: what is trained, for what, on what, how, where; the rest follows the model
    model: nn.Module,
    task: Task,
    data: Dataset,
    recipe: Recipe,
    run: TrainingRun,
    *,
    seed: int,
    average: ModelEmaV3 | None = None,
    scales: Mapping[str, Scale] | None = None,
) -> Iterator[Epoch]:
    """Train `model` in place; yield each epoch as it ends.

    Where `run.checkpoints` holds the state of the same run, replays the recorded epochs, then resumes training. At the
    end the model has the weights of the last epoch.

    Args:
        average: the result of `moving_average`; follows the weights.
        scales: what a learning-rate rule makes of the rate of each parameter; see `follow_width`.

    Raises:
        Diverged: the loss is not a finite number.
        ModelError: the network cannot be trained at the recipe's resolutions.
        TrainingError: memory runs out, and a smaller micro-batch does not help.
        DataError: images cannot be read.
    """
    sizes = sizes_for(model, recipe, data.image_size, data.channels)
    modules: dict[str, nn.Module] = {"model": model} | ({"average": average.module} if average else {})
    optimizer = _prepare(modules, recipe, run, scales)
    _note_sizes(sizes, data, run.notes)
    state = TrainingState(
        identity_of(model, data, recipe, seed),
        modules,
        optimizer,
        MicroBatches(recipe.micro_batch),
        run,
        shared_identity=identity_of(model, data, constant_recipe(recipe), seed),
    )
    state.resume()
    run.workers.agree([len(state.curve), state.micro.size], "the epoch that they resume from")
    run.watch.book("setup")
    yield from state.curve

    remaining = range(len(state.curve) + 1, recipe.epochs + 1)
    plan = (step for epoch in remaining for step in epoch_plan(data.train, recipe, seed=seed, epoch=epoch))
    steps = steps_per_epoch(len(data.train), recipe)
    compiles = is_worthwhile(run.compiles, run.device, steps * len(remaining))
    stepper = Stepper(model, average, optimizer, task, recipe, run, state.micro, compiles)
    loop = EpochLoop(stepper, shared_batches(data.train, plan, run), steps)
    for number in remaining:
        run.watch.book("waiting")
        trained = loop.run(seed=seed, epoch=number, size=sizes[number - 1])
        validation = task.validate(model)
        refuse_too_many(left_out(run.notes), data.train)  # by all workers together
        if not math.isfinite(validation.loss):
            raise Diverged(number * steps, number, "the loss on the validation set")
        rate = learning_rate(number * steps - 1, recipe.epochs * steps, recipe)
        state.curve.append(trained.with_validation(number, validation, rate, run.watch.book("evaluation")))
        run.account.images = 0
        state.save_if_due()
        yield state.curve[-1]


def _prepare(
    modules: Mapping[str, nn.Module], recipe: Recipe, run: TrainingRun, scales: Mapping[str, Scale] | None
) -> torch.optim.Optimizer:
    """Move the network and its average to the device, make the workers' copies equal, and build the optimiser."""
    for module in modules.values():
        laid_out(module, run.device)
    model = modules["model"]
    run.workers.prepare(model)
    if run.activation_checkpointing:
        enable_activation_checkpointing(model, type(model).__name__)
    return build_optimizer(model, recipe, scales)


def _note_sizes(sizes: Sequence[Size | None], data: Dataset, notes: Notes) -> None:
    if any(sizes):
        ends = [named(size or data.image_size) for size in (sizes[0], sizes[-1])]
        notes.add(f"trained on {' to '.join(dict.fromkeys(ends))} pixels; costs are those of {named(data.image_size)}")


def shared_batches(split: AnySplit, plan: Iterator[BatchIndices], run: TrainingRun) -> Iterator[Batch]:
    """Serve the batches of `plan`, whole for every worker; where images are decoded, each worker decodes its share."""
    workers = run.workers
    if workers.count == 1 or isinstance(split, Split):
        return batches(split, plan, run.device, run.notes)
    shares = (step.part(workers.share(len(step.indices))) for step in plan)
    return (workers.whole_batch(images, labels) for images, labels in batches(split, shares, run.device, run.notes))


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Optimiser steps of one epoch: whole batches only; which images are left over differs from epoch to epoch."""
    return max(1, images // recipe.batch_size)


def epoch_plan(split: AnySplit, recipe: Recipe, *, seed: int, epoch: int) -> Iterator[BatchIndices]:
    """Plan the batches of one epoch: a function of its arguments and nothing else.

    Repeats of an image follow one another, in one batch. Hoffer et al., "Augment your batch", arXiv 1901.09335.
    """
    order = split.order(np.random.default_rng((seed, epoch, ORDER))).repeat(recipe.repeats)
    size = min(recipe.batch_size, len(split))
    for step in range(steps_per_epoch(len(split), recipe)):
        yield BatchIndices(order[step * size : (step + 1) * size], seed=(seed, epoch, AUGMENTATION))


@dataclass(frozen=True)
class TrainedEpoch:
    """One pass over the training images."""

    loss: float  # mean over the steps
    images: int  # that passed through them
    data_seconds: float  # spent waiting for batches
    seconds: float  # of all

    def with_validation(self, number: int, validation: Evaluation, rate: float, seconds: float) -> Epoch:
        """Return epoch `number` of the curve.

        Args:
            rate: learning rate at the end of the epoch.
            seconds: spent on the validation.
        """
        return Epoch(
            epoch=number,
            train_loss=self.loss,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            learning_rate=rate,
            train_seconds=self.seconds,
            data_seconds=self.data_seconds,
            evaluation_seconds=seconds,
            images=self.images,
        )


@dataclass(frozen=True)
class EpochLoop:
    """Takes the steps of one epoch after another."""

    stepper: Stepper
    stream: Iterator[Batch]
    steps: int  # of an epoch

    def run(self, *, seed: int, epoch: int, size: Size | None) -> TrainedEpoch:
        """Take the steps of one epoch.

        Args:
            size: height and width of the training images; None keeps them as they are.
        """
        stepper, steps, watch = self.stepper, self.steps, self.stepper.run.watch
        account = stepper.run.account
        account.images = 0
        device = stepper.run.device
        stepper.model.train()
        rng = np.random.default_rng((seed, epoch, AUGMENTATION))
        losses = torch.zeros(steps, device=device)
        waited = worked = 0.0
        missed = 0  # steps without an image that could be read
        # layers draw from torch's global generator (stochastic depth); it is seeded here and restored afterwards
        with (
            float32_products(stepper.recipe.precision, device) as remark,
            preserved_random_state(device),
        ):
            if remark:
                stepper.run.notes.add(remark)
            torch.manual_seed(_combined_seed(seed, epoch, NOISE))
            for step in range(steps):
                images, labels = next(self.stream)
                waited += watch.book("data")
                if len(images):
                    number, total = (epoch - 1) * steps + step, stepper.recipe.epochs * steps
                    losses[step] = stepper.step(images, labels, rng, number, total, size)
                    account.images += len(images)
                else:
                    missed += 1
                if step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
                    _refuse_divergence(losses[: step + 1], epoch, steps)
                worked += watch.book("training")
        mean = float(losses.cpu().double().sum() / max(1, steps - missed))
        return TrainedEpoch(mean, account.images, waited, waited + worked)


def _refuse_divergence(losses: torch.Tensor, epoch: int, steps: int) -> None:
    wrong = (~torch.isfinite(losses)).nonzero()
    if len(wrong):
        raise Diverged((epoch - 1) * steps + int(wrong[0]) + 1, epoch)


def _combined_seed(*seed: int) -> int:
    """Make one seed of several numbers, such that similar ones give unrelated seeds."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
