"""Placement: the device that trials train on, the share of it that each one gets, and whether it fits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scaling.costs.cost_table import CostTable
from scaling.costs.memory import GIB, gpu_share
from scaling.devices import CPU, chosen, described, each, kind_of, refuse_unusable, total_bytes
from scaling.study.config import Resources, Trial
from scaling.study.errors import CostError, SpaceError

ROUGHLY_ENOUGH = 1 / 16  # of a device; below this an exact prediction is not worth its time


@dataclass(frozen=True)
class Accelerator:
    """The GPUs of the machine that trials are placed on, as far as placement must know them."""

    kind: str = "cuda"
    bytes: int | None = None  # memory of the smallest; None if unknown, as on other machines


def refuse_contradiction(resources: Resources) -> None:
    """Refuse a device and a number of GPUs that exclude each other.

    Raises:
        SpaceError: names both.
    """
    if resources.device is None or resources.gpus is None:
        return
    if bool(resources.gpus) != kind_of(resources.device).is_accelerator:
        raise SpaceError(
            f"resources: gpus {resources.gpus:g} and device {resources.device} exclude each other; leave one out"
        )


def local_device(resources: Resources, gpus: float) -> torch.device:
    """Return the device that trials train on, on a cluster of this machine alone.

    Args:
        gpus: that Ray has.

    Raises:
        DeviceError: the space asks for a device that is not there, or torch cannot use the GPU that Ray found.
        SpaceError: the space asks for GPUs where there are none.
    """
    device = chosen(resources.device)
    kind = kind_of(device)
    if resources.gpus == 0:
        return CPU
    if kind.is_accelerator and not gpus:
        raise SpaceError(
            f"torch finds {described(device)}, but Ray finds no GPU on this machine; set resources.device=cpu to train"
            " on its cores"
        )
    if kind.is_accelerator and resources.workers > 1 and not kind.joins_workers:
        raise SpaceError(
            f"resources.workers {resources.workers}: several workers train together on CUDA's GPUs or on the CPU, not"
            f" on {kind.name}; leave workers out, or set resources.device=cpu"
        )
    if not kind.is_accelerator and resources.device is None and gpus:
        refuse_unusable(torch.device("cuda"))  # Ray asks the driver, torch its own libraries
    if not kind.is_accelerator and resources.gpus:
        raise SpaceError(
            f"resources.gpus {resources.gpus:g}: this machine has no GPU that torch can use; leave gpus out, or set"
            " resources.device=cpu, to train on its cores"
        )
    return device


def accelerator(device: torch.device) -> Accelerator | None:
    """Describe this machine's GPUs, of which a trial may get any; None where trials train on the CPU."""
    if not kind_of(device).is_accelerator:
        return None
    return Accelerator(kind_of(device).name, min(total_bytes(one) for one in each(device)))


def refuse_unknown_gpus(resources: Resources, cluster_cpus: float, cluster_gpus: float) -> None:
    """Refuse to guess what trials train on, where a cluster of other machines has no GPU and no cores yet.

    Raises:
        SpaceError: nodes must join before anything runs, and the space does not say whether with GPUs.
    """
    undecided = resources.gpus is None and resources.device is None
    if undecided and not cluster_gpus and cluster_cpus < resources.cpus:
        raise SpaceError(
            "no GPU is known in the cluster yet, and the space does not ask for one; set resources.gpus=1 to wait for"
            " nodes with GPUs, or resources.device=cpu to train on cores"
        )


def gpu_shares(
    trials: Sequence[Trial],
    resources: Resources,
    gpus: float,
    on: Accelerator,
    cost_table: CostTable,
) -> list[float]:
    """Share of a GPU for each trial, in their order: that of the space, or else the smallest that its memory needs.

    What the space asks for is asked of Ray even where no GPU is known yet: nodes may join.

    Args:
        gpus: of the cluster now.

    Raises:
        CostError: a trial cannot fit, or its share is too small; one line for each cell and arm.
    """
    wants_gpu = bool(resources.gpus) or (resources.device is not None and kind_of(resources.device).is_accelerator)
    if takes_none(resources) or not (gpus or wants_gpu):
        return [0.0] * len(trials)
    if on.bytes is None:
        return [resources.gpus or float(resources.workers)] * len(trials)
    found: list[float] = []
    problems: dict[str, None] = {}
    for trial in trials:
        name = trial.cell_and_arm
        try:
            least = gpu_share(_needed_on_gpu(trial, on.kind, on.bytes, cost_table), on.bytes, kind=on.kind)
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


def takes_none(resources: Resources) -> bool:
    """Whether the space keeps trials off GPUs, even where there are some."""
    on_cpu = resources.device is not None and not kind_of(resources.device).is_accelerator
    return on_cpu or resources.gpus == 0


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
        needed = _needed(trial, memory_bytes, cost_table)
        if needed > memory_bytes:
            name = trial.cell_and_arm
            problems[
                f"{name}: a training step needs about {needed / GIB:.3g} GiB, this machine has"
                f" {memory_bytes / GIB:.3g} GiB; lower recipe.batch_size, or set limits.training_memory"
            ] = None
    if problems:
        raise CostError(list(problems))


def _needed(trial: Trial, available: int, cost_table: CostTable) -> int:
    """Predicted bytes of a training step, or an upper bound if that is small compared with the main memory.

    A prediction takes seconds for a large network; the bound takes no time.
    """
    bound = cost_table.memory_bound(trial.config)
    return bound if bound < ROUGHLY_ENOUGH * available / 2 else cost_table.memory(trial.config, "cpu")


def _needed_on_gpu(trial: Trial, kind: str, available: int, cost_table: CostTable) -> int:
    """Predicted bytes of a trial's tensors on a GPU, or an upper bound if that is small compared with the GPU."""
    bound = cost_table.process_bound(trial.config, available)
    return bound if bound < ROUGHLY_ENOUGH * available / 2 else cost_table.process_memory(trial.config, kind, available)
