"""Estimate of how long a study occupies its devices, from timing its cheapest and most expensive model here."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scaling.costs.cost_table import CostTable
from scaling.costs.latency import repeat, training_step
from scaling.costs.live_tensors import Step, training_batch
from scaling.data import Dataset
from scaling.devices import kind_of, name_of
from scaling.study.config import Trial
from scaling.training.micro_batches import is_out_of_memory, release_memory
from scaling.training.precision import float32_products, laid_out
from scaling.trial import build

MOST_MACS = {False: 3e10, True: 1e14}  # of one timed step, without and with an accelerator: about a second
STEPS = 3  # timed, after one that warms up


@dataclass(frozen=True)
class Estimate:
    """Training time, without evaluation and uncompiled, on devices like this machine's."""

    seconds: float  # of one device (one core on a CPU), all trials together
    device: str


def estimate(trials: Sequence[Trial], cost_table: CostTable, device: torch.device) -> Estimate | None:
    """Time the cheapest and the most expensive model on `device` and interpolate all trials linearly.

    Returns None if one image of the most expensive model takes too long to time here, or too much memory.
    """
    by_cost = sorted(trials, key=lambda trial: _macs(trial, cost_table))
    cheapest, most_expensive = by_cost[0], by_cost[-1]
    if _macs(most_expensive, cost_table) > _most_macs(device):
        return None
    timed = [_seconds_an_image(trial, cost_table, device) for trial in (cheapest, most_expensive)]
    if timed[0] is None or timed[1] is None:
        return None
    low, high = timed[0], timed[1]
    span = _macs(most_expensive, cost_table) - _macs(cheapest, cost_table)
    slope = max(0.0, high - low) / span if span else 0.0
    seconds = 0.0
    for trial in trials:
        images = len(_data(trial, cost_table).train) * trial.config.recipe.epochs
        seconds += images * (low + slope * (_macs(trial, cost_table) - _macs(cheapest, cost_table)))
    return Estimate(seconds, name_of(device))


def _macs(trial: Trial, cost_table: CostTable) -> float:
    """Multiply-accumulates of one image's training step."""
    cost = cost_table.of(trial.config)
    return float(cost.training_macs or 3 * cost.macs)


def _most_macs(device: torch.device) -> float:
    return MOST_MACS[kind_of(device).is_accelerator]


def _data(trial: Trial, cost_table: CostTable) -> Dataset:
    return cost_table.datasets[trial.config.data]


def _seconds_an_image(trial: Trial, cost_table: CostTable, device: torch.device) -> float | None:
    """Seconds of one image in a training step; in ever smaller batches while memory runs out, None if one is too many.

    A dry run may share its device with anything.
    """
    most = max(1, int(_most_macs(device) / _macs(trial, cost_table)))
    images = min(len(_data(trial, cost_table).train), most, trial.config.recipe.batch_size)
    while images:
        try:
            return _timed(trial, cost_table, device, images)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        release_memory()  # outside the handler, since the error's frames keep tensors alive
        images //= 2
    return None


def _timed(trial: Trial, cost_table: CostTable, device: torch.device, images: int) -> float:
    """Median seconds of a training step (forward, backward, update), divided by the batch size."""
    data = _data(trial, cost_table)
    step = Step.of(trial.config.recipe, images, device.type)
    model = laid_out(build(trial, data), device).train()
    batch = training_batch(data.image_size, data.channels, step.batch_size, device)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if kind_of(device).is_accelerator else 1)
    try:
        with float32_products(step.precision, device):
            _, *taken = repeat(training_step(model, *batch, step), device, 0, 1 + STEPS)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(taken) / step.batch_size
