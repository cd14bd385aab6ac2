"""Estimate of how long a study occupies its devices, from timing its cheapest and most expensive model here."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scaling.costs.cost_table import CostTable
from scaling.costs.latency import repeat, training_step
from scaling.costs.live_tensors import Step, black_batch
from scaling.data import Dataset
from scaling.study.config import Trial
from scaling.training.environment import device_name
from scaling.trial import build

MOST_MACS = {"cpu": 3e10, "cuda": 1e14}  # of one timed step: about a second
STEPS = 3  # timed, after one that warms up


@dataclass(frozen=True)
class Estimate:
    """Training time, without evaluation, on devices like this machine's."""

    seconds: float  # of one device (one core on a CPU), all trials together
    device: str


def estimate(trials: Sequence[Trial], cost_table: CostTable) -> Estimate | None:
    """Time the cheapest and the most expensive model and interpolate all trials linearly.

    Returns None if one image of the most expensive model takes too long to time here.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    by_cost = sorted(trials, key=lambda trial: _macs(trial, cost_table))
    cheapest, most_expensive = by_cost[0], by_cost[-1]
    if _macs(most_expensive, cost_table) > MOST_MACS[device.type]:
        return None
    low, high = (_seconds_an_image(trial, cost_table, device) for trial in (cheapest, most_expensive))
    span = _macs(most_expensive, cost_table) - _macs(cheapest, cost_table)
    slope = max(0.0, high - low) / span if span else 0.0
    seconds = 0.0
    for trial in trials:
        images = len(_data(trial, cost_table).train) * trial.config.recipe.epochs
        seconds += images * (low + slope * (_macs(trial, cost_table) - _macs(cheapest, cost_table)))
    return Estimate(seconds, device_name(device))


def _macs(trial: Trial, cost_table: CostTable) -> float:
    """Multiply-accumulates of one image's training step."""
    cost = cost_table.of(trial.config)
    return float(cost.training_macs or 3 * cost.macs)


def _data(trial: Trial, cost_table: CostTable) -> Dataset:
    return cost_table.datasets[trial.config.data]


def _seconds_an_image(trial: Trial, cost_table: CostTable, device: torch.device) -> float:
    """Median seconds of a training step (forward, backward, update), divided by the batch size."""
    data = _data(trial, cost_table)
    most = max(1, int(MOST_MACS[device.type] / _macs(trial, cost_table)))
    step = Step.of(trial.config.recipe, min(len(data.train), most), device.type)
    model = build(trial, data).to(device).train()
    with torch.device(device):
        images, labels = black_batch(data.image_size, data.channels, step.batch_size)
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if device.type == "cpu" else threads)
    try:
        _, *taken = repeat(training_step(model, images, labels, step), device, 0, 1 + STEPS)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(taken) / step.batch_size
