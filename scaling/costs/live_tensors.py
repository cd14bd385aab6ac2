"""Bytes of the tensors that are alive while code runs: on CPUs, which have no statistics, and under fake tensors."""

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scaling import devices
from scaling.devices import kind_of
from scaling.study.config import Recipe
from scaling.study.errors import CostError, unknown
from scaling.study.notes import Notes
from scaling.training.compiling import compiled
from scaling.training.micro_batches import MicroBatches, is_out_of_memory, release_memory
from scaling.training.optimisation import OPTIMIZERS, build_optimizer
from scaling.training.precision import Precision as Precision
from scaling.training.precision import autocast, float32_products, laid_out


@dataclass(frozen=True)
class Step:
    """The settings of training or evaluation on which memory depends."""

    batch_size: int
    precision: Precision = "float32"
    optimizer: str = "adamw"  # as in the recipe
    checkpointing: bool = False  # activation checkpointing
    device: str = "cpu"  # kind of device that it will run on
    micro_batch: int | None = None  # images that pass the network at once; None: the whole batch
    compiled: bool = False  # by torch.compile; predictions are of the uncompiled step

    @classmethod
    def of(cls, recipe: Recipe, examples: int, device: str, *, checkpointing: bool = False, workers: int = 1) -> "Step":
        """Return a recipe's training step on `examples` images, for the worker with the largest share of the batch."""
        batch_size = min(recipe.batch_size, examples)
        return cls(
            -(-batch_size // workers),
            precision=recipe.precision,
            optimizer=recipe.optimizer,
            checkpointing=checkpointing,
            device=device,
            micro_batch=recipe.micro_batch,
        )

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise CostError(f"a batch of {self.batch_size} images is impossible; give at least one")
        if self.optimizer not in OPTIMIZERS:
            raise CostError(unknown("optimizer", self.optimizer, OPTIMIZERS))


class LiveTensors(TorchDispatchMode):
    """Counts the storage of every tensor that an operator returns, from then until nothing refers to it.

    Views share their storage and are counted once. What a kernel allocates and frees internally is not seen.
    """

    def __init__(self, alive: Iterable[torch.Tensor] = ()) -> None:
        """Start with the tensors that are already `alive`, such as parameters."""
        super().__init__()
        self._known: dict[int, weakref.ref[Any]] = {}
        self.bytes = 0  # now
        self.peak = 0  # largest so far
        self.count(alive)

    def count(self, tensors: Iterable[torch.Tensor]) -> None:
        """Count tensors that were made elsewhere, once each."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self._known:
                size = storage.nbytes()
                self._known[key] = weakref.ref(storage, lambda _, key=key, size=size: self._forget(key, size))
                self.bytes += size
        self.peak = max(self.peak, self.bytes)

    def renewed_peak(self) -> int:
        """Return the peak so far and start a new one."""
        peak, self.peak = self.peak, self.bytes
        return peak

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.count(leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
        return result

    def _forget(self, key: int, size: int) -> None:
        del self._known[key]
        self.bytes -= size


@dataclass
class Peak:
    """The most memory in use at once, known once the block has ended."""

    bytes: int = 0


@contextlib.contextmanager
def peak_memory(device: torch.device, alive: Iterable[torch.Tensor] = ()) -> Iterator[Peak]:
    """Measure the peak memory of the tensors on `device` while the block runs.

    Where the allocator has statistics, as on CUDA, its numbers are used, which include everything in this process; on
    other devices the live tensors are counted, which takes about ten microseconds per operator: wrap one training step,
    not an epoch.

    Args:
        alive: earlier tensors that the block uses: parameters, buffers, optimiser state, the batch.
    """
    peak = Peak()
    if kind_of(device).has_statistics:
        devices.forget_peak(device)
        yield peak
        peak.bytes = devices.peak_bytes(device)
        return
    with LiveTensors(tensor for tensor in alive if tensor.device.type == device.type) as live:
        yield peak
    peak.bytes = live.peak


def measured_training_memory(
    model: nn.Module, image_size: int | tuple[int, int], in_chans: int, step: Step, notes: Notes | None = None
) -> int | None:
    """Train `model` for two steps on black images on its device; return the peak bytes of the second.

    The program is that of training: channels last, with the step's precision, compiled if the step is. Other memory of
    the process on the device is not counted. The weights change. Device and checkpointing are the model's, not those of
    `step`. A step that cannot be compiled is measured uncompiled, as it is trained.

    Args:
        notes: receives a note where memory runs out; then smaller micro-batches are measured, and the result is None
            if not even a single image fits.
    """
    micro = MicroBatches(step.micro_batch)
    while True:
        try:
            measured = _measured(model, image_size, in_chans, step, micro)
            if notes is not None and micro.size != step.micro_batch:
                notes.add(f"out of memory: the memory of a training step was measured in micro-batches of {micro.size}")
            return measured
        except Exception as error:
            if step.compiled and not is_out_of_memory(error):  # training says so, and goes on without the compiler
                step = replace(step, compiled=False)
                continue
            if notes is None or not is_out_of_memory(error):
                raise
        for parameter in model.parameters():
            parameter.grad = None
        release_memory()  # outside the handler, since the error's frames keep tensors alive
        if not micro.halve(step.batch_size):
            notes.add("out of memory: the memory of a training step was not measured")
            return None


def _measured(
    model: nn.Module, image_size: int | tuple[int, int], in_chans: int, step: Step, micro: MicroBatches
) -> int:
    device = next(model.parameters()).device
    own = sum(t.untyped_storage().nbytes() for t in (*model.parameters(), *model.buffers()))
    others = max(0, devices.allocated_bytes(device) - own)
    laid_out(model, device).train()
    call = compiled(model) if step.compiled else model
    stepper = build_optimizer(model, Recipe.model_validate({"optimizer": step.optimizer}))
    images, labels = training_batch(image_size, in_chans, step.batch_size, device)
    measured = 0
    for _ in range(2):
        stepper.zero_grad(set_to_none=True)
        state = [leaf for leaf in tree_leaves(stepper.state_dict()) if isinstance(leaf, torch.Tensor)]
        alive = [*model.parameters(), *model.buffers(), *state, images, labels]
        with float32_products(step.precision, device), peak_memory(device, alive) as peak:
            for part in micro.parts(step.batch_size):
                loss_of(call, images[part], labels[part], step.precision).backward()
            stepper.step()
        measured = peak.bytes - others
    return measured


def loss_of(
    model: Callable[[torch.Tensor], Any], images: torch.Tensor, labels: torch.Tensor, precision: Precision
) -> torch.Tensor:
    """Return a batch's loss as in training, or the sum of the outputs if they are not logits."""
    with autocast(precision, images.device):
        output = model(images)
    if isinstance(output, torch.Tensor) and output.ndim == 2:
        return F.cross_entropy(output.float(), labels, label_smoothing=0.1)
    return torch.stack([leaf.float().sum() for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]).sum()


def black_batch(image_size: int | tuple[int, int], in_chans: int, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (N, C, H, W) and labels (N,), all zero."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    return torch.zeros(batch_size, in_chans, height, width), torch.zeros(batch_size, dtype=torch.long)


def training_batch(
    image_size: int | tuple[int, int], in_chans: int, batch_size: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a black batch on `device`, its images channels last in memory, as training has them."""
    with torch.device(device):
        images, labels = black_batch(image_size, in_chans, batch_size)
    return images.contiguous(memory_format=torch.channels_last), labels
