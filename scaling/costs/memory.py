"""Predicted memory of a model: one training step simulated under fake tensors.

Fake tensors have shapes and storage sizes but no contents, so no memory is allocated and no GPU is needed. The peak of
a step counts the tensors that are alive: parameters, buffers, gradients, optimiser state, the batch, what is saved for
the backward pass and what an operator makes beside it. On CUDA a library workspace is added.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Unpack

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from scaling.costs.counting.cuda import like_cuda
from scaling.costs.counting.depth import Arch, Line, along_depth, on_line
from scaling.costs.counting.quick import ImageSize, OfData, completed
from scaling.costs.live_tensors import LiveTensors, Step, loss_of, training_batch
from scaling.devices import CPU, KINDS, kind_of
from scaling.models import build_model
from scaling.models.activation_checkpointing import enable_activation_checkpointing
from scaling.models.meta import on_meta
from scaling.study.config import Recipe
from scaling.study.errors import CostError
from scaling.training.micro_batches import MicroBatches
from scaling.training.optimisation import build_optimizer
from scaling.training.precision import autocast

GIB = 2**30
SHARES = 16  # a GPU is divided into at most so many parts


@dataclass(frozen=True)
class Memory:
    """Bytes that are alive in a step: the long-lived ones, and the peak of each of its phases."""

    parameters: int
    buffers: int
    gradients: int
    optimizer: int  # state: two numbers per parameter for AdamW and LAMB, one for SGD with momentum
    saved: int  # for the backward pass, at the end of the forward pass
    forward: int  # peak of the forward pass
    backward: int  # peak of the backward pass
    update: int  # peak of the optimiser's update

    @property
    def peak(self) -> int:
        """Peak of the step."""
        return max(self.forward, self.backward, self.update)


def training_memory(family: str, arch: Arch, step: Step, **data: Unpack[OfData]) -> int:
    """Predict the peak bytes of a training step without building the model.

    Args:
        arch: parameters of the family, as for `build_model`.
        data: image_size, in_chans, num_classes; they replace those in `arch`.

    Raises:
        ModelError: no such network can be built, or `step` needs activation checkpointing and it has none.
        CostError: the step cannot be simulated.
    """
    arch = completed(arch, **data)
    return predict_training(*_on_meta(family, arch, step.checkpointing), step).peak


def training_memory_all(family: str, archs: Sequence[Arch], step: Step, **data: Unpack[OfData]) -> list[int]:
    """Predict `training_memory` of each of `archs`, in their order, from two depths of each group of equal blocks.

    A prediction from other depths is an upper bound, at most a few percent above the simulated number.

    Raises:
        ModelError, CostError: as `training_memory`; or simulation does not confirm a prediction from other depths.
    """
    wanted = [completed(arch, **data) for arch in archs]
    keys = [json.dumps(arch, sort_keys=True) for arch in wanted]

    def simulate(arch: Arch) -> tuple[int, ...]:
        return astuple(predict_training(*_on_meta(family, arch, step.checkpointing), step))

    distinct = dict(zip(keys, wanted, strict=True))
    known = along_depth(family, distinct, simulate, sample=2, seed=0, extrapolate=_deeper, tolerance=0.1)
    return [Memory(*known[key]).peak for key in keys]


def inference_memory(family: str, arch: Arch, step: Step, **data: Unpack[OfData]) -> int:
    """Predict the peak bytes of an evaluation without building the model; see `training_memory`."""
    arch = completed(arch, **data)
    return predict_inference(*_on_meta(family, arch, checkpointing=False), step).peak


def inference_memory_all(family: str, archs: Sequence[Arch], step: Step, **data: Unpack[OfData]) -> list[int]:
    """Predict the peak bytes of an evaluation of each of `archs`; see `training_memory_all`."""
    wanted = [completed(arch, **data) for arch in archs]
    keys = [json.dumps(arch, sort_keys=True) for arch in wanted]

    def simulate(arch: Arch) -> tuple[int, ...]:
        return astuple(predict_inference(*_on_meta(family, arch, checkpointing=False), step))

    distinct = dict(zip(keys, wanted, strict=True))
    known = along_depth(family, distinct, simulate, sample=2, seed=0, extrapolate=_deeper, tolerance=0.1)
    return [Memory(*known[key]).peak for key in keys]


def predict_training(model: nn.Module, image_size: ImageSize, in_chans: int, step: Step) -> Memory:
    """Simulate a training step of any model, on the meta device or real, and leave it unchanged.

    Raises:
        CostError: the step cannot be simulated.
    """
    with _simulation(model, step.device) as live:
        parameters, buffers = _bytes(model.parameters()), _bytes(model.buffers())
        model.train()
        optimizer = build_optimizer(model, Recipe.model_validate({"optimizer": step.optimizer}))
        _make_state(optimizer)
        state = live.bytes - parameters - buffers
        images, labels = training_batch(image_size, in_chans, step.batch_size, CPU)
        beside = kind_of(step.device).workspace
        live.renewed_peak()
        saved = forward = backward = 0
        for part in MicroBatches(step.micro_batch).parts(step.batch_size)[
            :2
        ]:  # in the second there are gradients already
            before = live.bytes
            loss = loss_of(model, images[part], labels[part], step.precision)
            saved, forward = live.bytes - before, max(forward, live.renewed_peak() + beside)
            loss.backward()
            del loss
            backward = max(backward, live.renewed_peak() + beside)
        optimizer.step()
        gradients = _bytes(p.grad for p in model.parameters() if p.grad is not None)
        return Memory(parameters, buffers, gradients, state, saved, forward, backward, live.peak + beside)


def predict_inference(model: nn.Module, image_size: ImageSize, in_chans: int, step: Step) -> Memory:
    """Simulate an evaluation of any model, without gradients, and leave it unchanged.

    Raises:
        CostError: it cannot be simulated.
    """
    with _simulation(model, step.device) as live, torch.no_grad():
        parameters, buffers = _bytes(model.parameters()), _bytes(model.buffers())
        model.eval()
        images, _ = training_batch(image_size, in_chans, step.batch_size, CPU)
        with autocast(step.precision, CPU):
            model(images)
        return Memory(parameters, buffers, 0, 0, 0, live.peak + kind_of(step.device).workspace, 0, 0)


def _deeper(line: Line, depth: int) -> tuple[int, ...]:
    """Return the memory at another depth, or more.

    All numbers grow by a constant per block except the peak of the backward pass, which is at its start, when all
    saved tensors are alive, or at its end, when all gradients are; it grows by the larger of the two.
    """
    low, shallow, high, deep = line
    start, result = Memory(*shallow), Memory(*on_line(line, depth))
    block = Memory(*((b - a) // (high - low) for a, b in zip(shallow, deep, strict=True)))
    steady = block.parameters + block.buffers + block.optimizer
    backward = start.backward + (depth - low) * (steady + max(block.saved, block.gradients))
    return astuple(replace(result, backward=max(result.backward, backward)))


def gpu_share(memory_bytes: int, gpu_bytes: int, *, margin: float = 0.15, kind: str = "cuda") -> float:
    """Return the share of a GPU that leaves room for a trial's neighbours: 1, 1/2, 1/3 … 1/16.

    Args:
        memory_bytes: predicted for the tensors of the trial.
        gpu_bytes: total memory of the GPU.
        margin: added to the prediction, for fragmentation and convolution workspaces.
        kind: of the GPU; a process takes memory for its context beside its tensors.

    Raises:
        CostError: the trial does not fit on such a GPU.
    """
    needed = memory_bytes * (1 + margin) + kind_of(kind).context
    if needed > gpu_bytes:
        raise CostError(
            f"a trial needs about {needed / GIB:.1f} GiB, the GPU has {gpu_bytes / GIB:.1f} GiB;"
            " lower recipe.batch_size or the image size, or train in bfloat16"
        )
    return 1 / min(int(gpu_bytes // needed), SHARES)


def _on_meta(family: str, arch: Arch, checkpointing: bool) -> tuple[nn.Module, ImageSize, int]:
    """Return a member of a family on the meta device, its image size and channels."""
    model = on_meta(lambda: build_model(family, **arch))
    if checkpointing:
        enable_activation_checkpointing(model, family)
    return model, arch.get("image_size", 224), arch.get("in_chans", 3)


@contextlib.contextmanager
def _simulation(model: nn.Module, device: str) -> Iterator[LiveTensors]:
    """Replace parameters and buffers of `model` by fake ones and count live tensors; restore them afterwards."""
    if device.partition(":")[0] not in KINDS:
        raise CostError(f"memory can be predicted for {', '.join(KINDS)}, not for '{device}'")
    modules = list(model.modules())
    kept = [(dict(module._parameters), dict(module._buffers), module.training) for module in modules]
    pretence = like_cuda() if kind_of(device).keeps_less else contextlib.nullcontext()
    try:
        # fake CPU tensors: autograd cannot run on those of a GPU that does not exist
        with FakeTensorMode(allow_non_fake_inputs=True), LiveTensors() as live, pretence:
            fakes: dict[int, torch.Tensor] = {}
            for module in modules:
                for held in (module._parameters, module._buffers):
                    held.update({name: _fake(tensor, fakes) for name, tensor in held.items() if tensor is not None})
            yield live
    except CostError:
        raise
    except Exception as trouble:
        raise CostError(
            f"a step of {type(model).__name__} cannot be simulated:"
            f" {type(trouble).__name__}: {' '.join(str(trouble).split())}"
        ) from trouble
    finally:
        for module, (parameters, buffers, mode) in zip(modules, kept, strict=True):
            module._parameters.update(parameters)
            module._buffers.update(buffers)
            module.training = mode


def _fake(tensor: torch.Tensor, fakes: dict[int, torch.Tensor]) -> Any:
    """Return the fake twin of a tensor, laid out as for training; a shared tensor has one twin."""
    if id(tensor) not in fakes:
        layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        twin = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", memory_format=layout)
        is_parameter = isinstance(tensor, nn.Parameter)
        fakes[id(tensor)] = nn.Parameter(twin, requires_grad=tensor.requires_grad) if is_parameter else twin
    return fakes[id(tensor)]


def _make_state(stepper: torch.optim.Optimizer) -> None:
    """Let the optimiser create its state, as from the second step on."""
    for group in stepper.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.empty_like(parameter)
    stepper.step()
    stepper.zero_grad(set_to_none=True)


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
