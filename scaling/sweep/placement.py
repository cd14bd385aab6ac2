"""Placement: the share of a GPU that each trial gets, and whether it fits, from its predicted memory."""

import os
from collections.abc import Sequence

import torch

from scaling.costs.cost_table import CostTable
from scaling.costs.memory import GIB, gpu_share
from scaling.study.config import Resources, Trial
from scaling.study.errors import CostError

ROUGHLY_ENOUGH = 1 / 16  # of a device; below this an exact prediction is not worth its time


def gpu_shares(
    trials: Sequence[Trial], resources: Resources, gpus: float, gpu_bytes: int | None, cost_table: CostTable
) -> list[float]:
    """Share of a GPU for each trial, in their order: that of the space, or else the smallest that its memory needs.

    Args:
        gpus: of the cluster.
        gpu_bytes: memory of one of them; None if unknown, in which case every trial gets a whole one.

    Raises:
        CostError: a trial cannot fit, or its share is too small; one line for each cell and arm.
    """
    if not gpus or resources.gpus == 0:
        return [0.0] * len(trials)
    if gpu_bytes is None:
        return [resources.gpus or float(resources.workers)] * len(trials)
    found: list[float] = []
    problems: dict[str, None] = {}
    for trial in trials:
        name = trial.cell_and_arm
        try:
            least = gpu_share(_needed(trial, gpu_bytes, "cuda", cost_table), gpu_bytes)
        except CostError as error:
            problems[f"{name}: {error}"] = None
            continue
        if resources.gpus is not None and resources.gpus < least:
            problems[f"{name}: resources.gpus {resources.gpus:g} is too little; it needs {least:.2g} of a GPU"] = None
        shared = float(resources.workers) if resources.workers > 1 else least  # NCCL needs whole GPUs
        found.append(resources.gpus or shared)
    if problems:
        raise CostError(list(problems))
    return found


def no_room(resources: Resources, gpus: float, cluster_cpus: float, cluster_gpus: float) -> str | None:
    """Why a trial that takes `gpus` GPUs can never be scheduled, or None.

    Args:
        cluster_cpus: cores of the cluster.
        cluster_gpus: GPUs of the cluster.
    """
    if resources.cpus > cluster_cpus:
        return f"resources.cpus {resources.cpus:g} is more than the {cluster_cpus:g} available cores"
    if gpus > cluster_gpus:
        return f"resources.gpus {gpus:g} is more than the {cluster_gpus:g} available GPUs"
    return None


def refuse_what_cannot_fit(trials: Sequence[Trial], memory_bytes: int, cost_table: CostTable) -> None:
    """Refuse trials that need more than this machine's main memory, before any of them starts.

    Raises:
        CostError: one line for each cell and arm.
    """
    problems: dict[str, None] = {}
    for trial in trials:
        needed = _needed(trial, memory_bytes, "cpu", cost_table)
        if needed > memory_bytes:
            name = trial.cell_and_arm
            problems[
                f"{name}: a training step needs about {needed / GIB:.3g} GiB, this machine has"
                f" {memory_bytes / GIB:.3g} GiB; lower recipe.batch_size, or set limits.training_memory"
            ] = None
    if problems:
        raise CostError(list(problems))


def _needed(trial: Trial, available: int, device: str, cost_table: CostTable) -> int:
    """Predicted bytes of a training step, or an upper bound if that is small compared with the device.

    A prediction takes seconds for a large network; the bound takes no time.
    """
    bound = cost_table.memory_bound(trial.config)
    return bound if bound < ROUGHLY_ENOUGH * available / 2 else cost_table.memory(trial.config, device)


def main_memory_bytes() -> int:
    """Main memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def local_gpu_bytes() -> int | None:
    """Memory of this machine's first GPU, or None."""
    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None
