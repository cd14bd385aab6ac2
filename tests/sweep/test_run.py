"""What a sweep says of its devices before anything runs."""

from typing import Any

import pytest
import torch

from scaling.devices import GIB
from scaling.study.config import Resources
from scaling.study.errors import SpaceError
from scaling.sweep import placement, run
from scaling.sweep.executor.cluster import Cluster
from scaling.sweep.placement import Accelerator
from scaling.sweep.run import Ground


def cluster(cpus: float, gpus: float, *models: str, is_local: bool = False) -> Cluster:
    return Cluster(cpus, gpus, None, is_local, models)


@pytest.mark.parametrize(
    ("on", "resources", "title", "takes_gpus"),
    [
        (cluster(8, 4, "H100"), Resources(), "4 × H100", True),
        (cluster(8, 4, "A100", "H100"), Resources(gpus=1), "4 × A100 or H100", True),
        (cluster(8, 4, "H100"), Resources(device="cpu"), "8 CPU cores", False),
        (cluster(8, 4, "H100"), Resources(gpus=0), "8 CPU cores", False),
        (cluster(1, 0), Resources(gpus=0), "1 CPU core", False),
        (cluster(0, 0), Resources(gpus=1), "GPUs of nodes that join; none is there yet", True),
        (cluster(0, 0), Resources(device="cuda"), "GPUs of nodes that join; none is there yet", True),
    ],
)
def test_the_header_names_the_device_of_a_cluster(
    on: Cluster, resources: Resources, title: str, takes_gpus: bool
) -> None:
    ground = Ground.of(on, resources, replays=False)

    assert ground.title == title
    assert ground.accelerator == (Accelerator() if takes_gpus else None)  # whose memory is not known


def test_cores_are_trained_on_with_a_word() -> None:
    ground = Ground.of(cluster(4, 0), Resources(), replays=False)

    assert ground.title == "4 CPU cores; GPUs of nodes that join are used (resources.gpus=1 waits for them)"
    assert ground.accelerator == Accelerator()
    with pytest.raises(SpaceError, match="no GPU is known in the cluster yet"):
        Ground.of(cluster(0, 0), Resources(), replays=False)


def test_on_this_machine_the_memory_of_gpus_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended: dict[str, Any] = {
        "chosen": lambda wanted: torch.device(wanted or "cuda"),
        "each": lambda device: [device],
        "total_bytes": lambda device: 80 * GIB,
    }
    for name, function in pretended.items():
        monkeypatch.setattr(placement, name, function)
    monkeypatch.setattr(run, "described", lambda device: f"1 × {device.type.upper()} (80 GiB)")

    ground = Ground.of(cluster(8, 1, is_local=True), Resources(), replays=False)
    on_cpu = Ground.of(cluster(8, 1, is_local=True), Resources(device="cpu"), replays=False)

    assert (ground.title, ground.accelerator) == ("1 × CUDA (80 GiB)", Accelerator("cuda", 80 * GIB))
    assert (on_cpu.title, on_cpu.accelerator) == ("8 CPU cores", None)


def test_recorded_curves_need_no_device() -> None:
    ground = Ground.of(cluster(2, 0, is_local=True), Resources(gpus=1), replays=True)

    assert ground.title == "none: recorded curves are replayed on 2 CPU cores"
    assert (ground.accelerator, ground.main_memory) == (None, None)
