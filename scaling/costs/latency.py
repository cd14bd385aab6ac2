"""Latency of a model: median and spread of many runs on a device that nothing else uses."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from scaling.costs.counting.quick import ImageSize
from scaling.costs.live_tensors import Precision, Step, loss_of, training_batch
from scaling.costs.memory import GIB, predict_inference
from scaling.devices import free_bytes, kind_of, name_of, others_bytes, synchronize
from scaling.study.config import Recipe
from scaling.study.errors import CostError
from scaling.training.compiling import compiled as compile_for_training
from scaling.training.optimisation import build_optimizer
from scaling.training.precision import autocast, float32_products, laid_out

Forward = Callable[[torch.Tensor], torch.Tensor]

MOST_IMAGES = 1024  # in a batch; larger ones do not raise throughput
FREE_PART = 0.8  # of the free memory that a batch may use
FEWEST_RUNS = 10
BUSY_CORES = 0.5  # used by other processes, above which a CPU counts as shared
BUSY_BYTES = GIB  # held by other processes on a GPU, above which it counts as shared


@dataclass(frozen=True)
class Latency:
    """Seconds of one batch over many runs, warmed up and synchronised."""

    device: str  # kind and name
    threads: int  # of the CPU
    batch_size: int
    precision: str
    compiled: bool
    training: bool  # a whole training step rather than an evaluation
    median_seconds: float
    low_seconds: float  # a quarter of the runs are faster
    high_seconds: float  # a quarter of the runs are slower
    runs: int

    @property
    def images_per_second(self) -> float:
        return self.batch_size / self.median_seconds


def measure_latency(  # one parameter per way to time
    model: nn.Module,
    image_size: ImageSize,
    in_chans: int = 3,
    *,
    step: Step,
    compiled: bool = False,
    training: bool = False,
    seconds: float = 2.0,
    allow_busy: bool = False,
) -> Latency:
    """Time `model` on its device on black images, as the program that trains runs it: channels last.

    Its mode is restored; with `training` its weights change.

    Args:
        step: batch size, precision and, with `training`, optimiser.
        compiled: use `torch.compile`; compiling itself is not timed.
        training: time forward pass, backward pass and optimiser.
        seconds: how long to repeat, after warming up.
        allow_busy: measure even while other processes use the device.

    Raises:
        CostError: other processes use the device; the model cannot be compiled or run.
    """
    device = next(model.parameters()).device
    if not allow_busy:
        refuse_shared(device)
    images, labels = training_batch(image_size, in_chans, step.batch_size, device)
    laid_out(model, device)
    with _mode(model, training), float32_products(step.precision, device):
        runner = compile_for_training(model) if compiled else model
        run = training_step(model, images, labels, step, runner) if training else _evaluation(runner, images, step)
        try:
            repeat(run, device, seconds / 4, FEWEST_RUNS // 2)  # warm up: compile, choose kernels, fill caches
            times = torch.tensor(repeat(run, device, seconds, FEWEST_RUNS), dtype=torch.float64)
        except Exception as trouble:
            doing = "compiled and run" if compiled else "run"
            raise CostError(
                f"{type(model).__name__} cannot be {doing} on {device} with {step.batch_size} images:"
                f" {type(trouble).__name__}: {' '.join(str(trouble).split())[:300]}"
            ) from trouble
    low, median, high = (float(times.quantile(part)) for part in (0.25, 0.5, 0.75))
    return Latency(
        device=f"{device.type}: {name_of(device)}",
        threads=torch.get_num_threads(),
        batch_size=step.batch_size,
        precision=step.precision,
        compiled=compiled,
        training=training,
        median_seconds=median,
        low_seconds=low,
        high_seconds=high,
        runs=len(times),
    )


def repeat(run: Callable[[], None], device: torch.device, seconds: float, fewest: int) -> list[float]:
    """Run repeatedly; return the seconds of each run, from an idle device to an idle device."""
    times: list[float] = []
    synchronize(device)
    while len(times) < fewest or sum(times) < seconds:
        begin = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - begin)
    return times


def largest_batch(
    model: nn.Module,
    image_size: ImageSize,
    in_chans: int = 3,
    *,
    precision: Precision = "float32",
    most: int = MOST_IMAGES,
) -> int:
    """Return the largest power of two of images that can be evaluated at once in the free memory, at most `most`.

    Raises:
        CostError: not even one image fits.
    """
    device = next(model.parameters()).device

    def occupied(images: int) -> int:
        step = Step(batch_size=images, precision=precision, device=device.type)
        memory = predict_inference(model, image_size, in_chans, step)
        return memory.peak - memory.parameters - memory.buffers  # those are allocated already

    one, two = occupied(1), occupied(2)
    free = free_bytes(device) * FREE_PART
    if one > free:
        raise CostError(f"one image needs {one / GIB:.2f} GiB, {free / GIB:.2f} GiB are free on {device}")
    fitting = 1 + int((free - one) // max(1, two - one))
    return 2 ** (min(fitting, most).bit_length() - 1)


def refuse_shared(device: torch.device) -> None:
    """Raise `CostError` while other processes use `device`, which would disturb the times."""
    if kind_of(device).is_accelerator:
        if (others := others_bytes(device)) > BUSY_BYTES:
            raise CostError(f"other processes hold {others / GIB:.1f} GiB of {device}; wait for them to end")
        return
    if (cores := busy_cores()) > BUSY_CORES:
        raise CostError(f"other processes keep {cores:.1f} cores busy; wait for them to end")


def busy_cores(seconds: float = 0.3) -> float:
    """Return how many cores other processes keep busy, over `seconds`; 0 on systems without this information."""
    try:
        before, own = _busy_seconds(), time.process_time()
        time.sleep(seconds)
        return max(0.0, _busy_seconds() - before - (time.process_time() - own)) / seconds
    except (OSError, ValueError):
        return 0.0


def _busy_seconds() -> float:
    """Return the total working time of all cores since the system started."""
    user, nice, system, *_ = (int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _mode(model: nn.Module, training: bool) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _evaluation(model: Forward, images: torch.Tensor, step: Step) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad(), autocast(step.precision, images.device):
            model(images)

    return run


def training_step(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, step: Step, call: Forward | None = None
) -> Callable[[], None]:
    """Return a function that takes one training step on the batch: forward, backward and the optimiser's update.

    Args:
        call: the compiled network; None calls the network itself.
    """
    optimizer = build_optimizer(model, Recipe.model_validate({"optimizer": step.optimizer}))

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of(call or model, images, labels, step.precision).backward()
        optimizer.step()

    return run
