"""One step of training: forward and backward in as many parts as memory asks for, then the optimiser's update."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from scaling.data.augment import Augmentation
from scaling.models.activation_checkpointing import recomputing
from scaling.study.config import Recipe
from scaling.study.errors import TrainingError
from scaling.study.notes import Notes
from scaling.training.compiling import compiled
from scaling.training.micro_batches import MicroBatches, is_out_of_memory, release_memory
from scaling.training.optimisation import learning_rate, set_rate
from scaling.training.precision import autocast
from scaling.training.shared_layers import Place, share_draws
from scaling.training.workers import Workers

# Both take logits (B, K) and target probabilities (B, K), and give the mean over the images.
LOSSES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": F.cross_entropy,
    "bce": F.binary_cross_entropy_with_logits,
}

Generators = tuple[torch.Tensor, torch.Tensor | None]  # states of the CPU's and the GPU's


class Buffers:
    """A copy of a network's buffers, made anew before each step: a few kernels for all of one number format."""

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


@dataclass
class Stepper:
    """Takes the steps of a run. A step that runs out of memory is taken again in smaller parts, from the same state."""

    model: nn.Module
    average: ModelEmaV3 | None
    optimizer: torch.optim.Optimizer
    augment: Augmentation
    recipe: Recipe
    device: torch.device
    workers: Workers
    micro: MicroBatches
    notes: Notes
    compiles: bool = False
    checkpoints: bool = False  # gradients: the model computes blocks again
    call: Callable[[torch.Tensor], torch.Tensor] = field(init=False)
    buffers: Buffers = field(init=False)
    place: Place | None = field(init=False, default=None)  # of a forward pass, once there are several to a batch

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
        """Take step `number` (from 0) of the whole run; return its loss, which may still be on its way.

        Args:
            images: uint8 (B, H, W, C).
            labels: int64 (B,).
            size: height and width to train at, where they are not the images'.

        Raises:
            TrainingError: memory ran out, and smaller parts do not help.
        """
        try:
            inputs, targets = self.augment(images, labels, rng, size)
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
        """Leave the whole batch's mean gradient in the parameters; return its loss."""
        share = self.workers.share(len(inputs))
        whole, inputs, targets = len(inputs), inputs[share], targets[share]
        before, size = self._state(), self.micro.size
        while True:
            trouble, reason = None, "another worker ran out of memory"
            loss = torch.zeros((), device=self.device)
            try:
                loss = self._accumulated(inputs, targets, whole, share.start, before)
            except Exception as error:
                if not is_out_of_memory(error) and self.call is self.model:
                    raise
                trouble = "memory" if is_out_of_memory(error) else "compiler"
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            # here the error is gone, whose frames kept the activations alive
            if not self.workers.anyone(trouble is not None):
                break
            self._put_back(before)
            if self.workers.anyone(trouble == "memory"):
                self._halve(inputs, whole, number, reason)
            else:
                self.call = self.model
                self.notes.add(
                    f"torch.compile failed at step {number + 1}; trained without it from there on ({reason})"
                )
        if self.micro.size != size:
            self._tell(whole, number)
        with torch.no_grad():
            self.workers.add([loss, *(p.grad for p in self.model.parameters() if p.grad is not None)])
        return loss

    def _accumulated(
        self, inputs: torch.Tensor, targets: torch.Tensor, whole: int, start: int, before: Generators
    ) -> torch.Tensor:
        """Forward and backward in parts, each weighted by its share of the `whole` batch, which begins at `start`."""
        self.optimizer.zero_grad(set_to_none=True)  # before the forward pass, which need not keep old gradients alive
        total = torch.zeros((), device=self.device)
        parts = self.micro.parts(len(inputs), self._most(whole))
        if self.place is None and (len(parts) > 1 or self.workers.count > 1):
            self.place = Place()
            share_draws(self.model, self.place)
        for part in parts:
            if self.place:  # layers draw for the whole batch, the same numbers for each part
                self._rewind(before)
                self.place.whole, self.place.start = whole, start + part.start
                self.place.images = part.stop - part.start
            with autocast(self.recipe.precision, self.device):
                logits = self.call(inputs[part])
            loss = LOSSES[self.recipe.loss](logits.float(), targets[part])
            if len(logits) != whole:
                loss = loss * (len(logits) / whole) if len(logits) else logits.sum()
            with recomputing(self.model) if self.checkpoints else contextlib.nullcontext():
                loss.backward()
            total += loss.detach()
        return total

    def _update(self, number: int, of: int) -> None:
        """Change the weights, and let their average follow."""
        if self.recipe.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_grad_norm)
        set_rate(self.optimizer, learning_rate(number, of, self.recipe))  # Python's number: a GPU does not wait for it
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, step=number + 1)

    def _state(self) -> Generators:
        """Remember what a forward pass changes: running statistics, and the random generators that are returned."""
        self.buffers.keep()
        return torch.get_rng_state(), torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None

    def _put_back(self, generators: Generators) -> None:
        """Undo a forward pass, and free what it left."""
        self.optimizer.zero_grad(set_to_none=True)
        release_memory()
        self._rewind(generators)
        self.buffers.put_back()

    def _rewind(self, generators: Generators) -> None:
        cpu, cuda = generators
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda, self.device)

    def _most(self, whole: int) -> int:
        """Images of the worker who has most of a batch."""
        return -(-whole // self.workers.count)

    def _halve(self, inputs: torch.Tensor, whole: int, number: int, reason: str) -> None:
        size = "×".join(map(str, inputs.shape[2:]))
        if not self.micro.halve(self._most(whole)):
            raise TrainingError(
                f"out of memory at step {number + 1} with a micro-batch of one image of {size}; train a smaller"
                f" network, on smaller images or on a larger device ({reason})"
            )

    def _tell(self, whole: int, number: int) -> None:
        has_norm = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self.model.modules())
        self.notes.add(
            f"out of memory: the batch of {whole} was taken in micro-batches of {self.micro.size}"
            f" from step {number + 1}" + (", which are what batch norm sees" if has_norm else "")
        )
