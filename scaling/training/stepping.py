"""One step of training: forward and backward in as many parts as the memory needs, then the optimiser's update."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from scaling.devices import RandomState, random_state, set_random_state
from scaling.models.activation_checkpointing import preserved_statistics
from scaling.study.config import Recipe
from scaling.study.errors import TrainingError
from scaling.training.compiling import compiled
from scaling.training.micro_batches import MicroBatches, is_out_of_memory, release_memory
from scaling.training.optimisation import learning_rate, set_rate
from scaling.training.precision import autocast
from scaling.training.shared_layers import BatchPosition, share_draws
from scaling.training.task import Task
from scaling.training.training_run import TrainingRun


class Buffers:
    """A copy of a network's buffers, renewed before each step: a few kernels for all of one number format."""

    def __init__(self, model: nn.Module) -> None:
        by_format: dict[torch.dtype, list[torch.Tensor]] = {}
        for buffer in model.buffers():
            by_format.setdefault(buffer.dtype, []).append(buffer)
        self.pairs = [(buffers, [torch.empty_like(b) for b in buffers]) for buffers in by_format.values()]

    @torch.no_grad()
    def keep(self) -> None:
        for buffers, kept in self.pairs:
            torch._foreach_copy_(kept, buffers)  # pyright: ignore[reportPrivateImportUsage]

    @torch.no_grad()
    def put_back(self) -> None:
        for buffers, kept in self.pairs:
            torch._foreach_copy_(buffers, kept)  # pyright: ignore[reportPrivateImportUsage]


@dataclass(frozen=True)
class Share:
    """This worker's part of an augmented batch."""

    inputs: torch.Tensor
    targets: torch.Tensor
    whole: int  # images of the batch
    start: int  # position of the first one in it


class Cause(Enum):
    """Why a forward or backward pass failed."""

    MEMORY = auto()
    COMPILER = auto()


@dataclass(frozen=True)
class Failure:
    """A forward or backward pass that can be tried again. It does not hold the error, whose frames keep tensors."""

    cause: Cause
    reason: str


@dataclass
class Stepper:
    """Takes the steps of a run. A step that runs out of memory is retried in smaller parts, from the same state."""

    model: nn.Module
    average: ModelEmaV3 | None
    optimizer: torch.optim.Optimizer
    task: Task
    recipe: Recipe
    run: TrainingRun
    micro: MicroBatches
    compiles: bool = False
    call: Callable[[torch.Tensor], torch.Tensor] = field(init=False)
    buffers: Buffers = field(init=False)
    position: BatchPosition | None = field(init=False, default=None)  # once a batch takes several forward passes

    def __post_init__(self) -> None:
        self.buffers = Buffers(self.model)
        self.call = compiled(self.model) if self.compiles else self.model

    def step(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        rng: np.random.Generator,
        number: int,
        of: int,
        size: tuple[int, int] | None = None,
    ) -> torch.Tensor:
        """Take step `number` (from 0) of the whole run; return its loss, which a GPU may still be computing.

        Args:
            images: uint8 (B, H, W, C).
            labels: int64 (B,).
            size: height and width to train at; None keeps the images'.

        Raises:
            TrainingError: memory runs out, and smaller parts do not help.
        """
        try:
            inputs, targets = self.task.prepare(images, labels, rng, size)
            loss = self._gradients(inputs, targets, number)
            self._update(number, of)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:300]
            raise TrainingError(
                f"out of memory at step {number + 1}, outside the network's forward and backward pass, where a smaller"
                f" micro-batch does not help; lower recipe.batch_size or the network's size ({reason})"
            ) from None
        return loss

    def _gradients(self, inputs: torch.Tensor, targets: torch.Tensor, number: int) -> torch.Tensor:
        """Leave the mean gradient of the whole batch in the parameters; return its loss."""
        workers, own = self.run.workers, self.run.workers.share(len(inputs))
        share = Share(inputs[own], targets[own], whole=len(inputs), start=own.start)
        before, size = self._state(), self.micro.size
        while True:
            tried = self._attempt(share, before)
            failure = tried if isinstance(tried, Failure) else None
            if not workers.anyone(failure is not None):
                break
            self._put_back(before)
            self._recover(failure, share, number)
        if self.micro.size != size:
            self._note_micro_batch(share.whole, number)
        assert isinstance(tried, torch.Tensor)
        with torch.no_grad():
            workers.add([tried, *(p.grad for p in self.model.parameters() if p.grad is not None)])
        return tried

    def _attempt(self, share: Share, before: RandomState) -> torch.Tensor | Failure:
        """Run forward and backward; return the loss, or why both can be tried again."""
        try:
            return self._accumulated(share, before)
        except Exception as error:
            if is_out_of_memory(error):
                cause = Cause.MEMORY
            elif self.call is not self.model:
                cause = Cause.COMPILER
            else:
                raise
            return Failure(cause, " ".join(f"{type(error).__name__}: {error}".split())[:300])

    def _recover(self, failure: Failure | None, share: Share, number: int) -> None:
        """Make the next attempt smaller if memory ran out for any worker, otherwise uncompiled.

        Args:
            failure: of this worker; None where only others failed.
        """
        reason = failure.reason if failure else "another worker ran out of memory"
        if self.run.workers.anyone(failure is not None and failure.cause is Cause.MEMORY):
            self._halve(share, number, reason)
        else:
            self.call = self.model
            self.run.notes.add(
                f"torch.compile failed at step {number + 1}; trained without it from there on ({reason})"
            )

    def _accumulated(self, share: Share, before: RandomState) -> torch.Tensor:
        """Run forward and backward in parts, each weighted by its part of the whole batch."""
        self.optimizer.zero_grad(set_to_none=True)  # before the forward pass, so that old gradients need no memory
        total = torch.zeros((), device=self.run.device)
        parts = self.micro.parts(len(share.inputs), self._most(share.whole))
        if self.position is None and (len(parts) > 1 or self.run.workers.count > 1):
            self.position = BatchPosition()
            share_draws(self.model, self.position)
        for part in parts:
            if self.position:  # layers draw for the whole batch, the same numbers for each part
                set_random_state(self.run.device, before)
                own = slice(share.start + part.start, share.start + part.stop)
                self.position.take(share.whole, own, self.run.device)
            with autocast(self.recipe.precision, self.run.device):
                outputs = self.call(share.inputs[part])
            loss = self.task.loss(outputs.float(), share.targets[part])
            if len(outputs) != share.whole:
                loss = loss * (len(outputs) / share.whole) if len(outputs) else outputs.sum()
            with preserved_statistics(self.model) if self.run.activation_checkpointing else contextlib.nullcontext():
                loss.backward()
            total += loss.detach()
        return total

    def _update(self, number: int, of: int) -> None:
        """Change the weights and their moving average."""
        if self.recipe.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_grad_norm)
        set_rate(self.optimizer, learning_rate(number, of, self.recipe))  # a Python number, so a GPU need not wait
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, step=number + 1)

    def _state(self) -> RandomState:
        """Remember what a forward pass changes: running statistics, and the random generators, which are returned."""
        self.buffers.keep()
        return random_state(self.run.device)

    def _put_back(self, before: RandomState) -> None:
        """Undo a forward pass, and free what it left."""
        self.optimizer.zero_grad(set_to_none=True)
        release_memory()
        set_random_state(self.run.device, before)
        self.buffers.put_back()

    def _most(self, whole: int) -> int:
        """Images of the worker with the largest share of a batch."""
        return -(-whole // self.run.workers.count)

    def _halve(self, share: Share, number: int, reason: str) -> None:
        size = "×".join(map(str, share.inputs.shape[2:]))
        if not self.micro.halve(self._most(share.whole)):
            raise TrainingError(
                f"out of memory at step {number + 1} with a micro-batch of one image of {size}; train a smaller"
                f" network, on smaller images or on a larger device ({reason})"
            )

    def _note_micro_batch(self, whole: int, number: int) -> None:
        has_norm = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self.model.modules())
        self.run.notes.add(
            f"out of memory: the batch of {whole} was taken in micro-batches of {self.micro.size}"
            f" from step {number + 1}" + (", which are what batch norm sees" if has_norm else "")
        )
