"""Environment: the versions, device and host that produced a record."""

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import scaling

PACKAGES = ("torch", "torchvision", "timm", "numpy", "fvcore", "ray", "optuna")


def environment(device: torch.device) -> dict[str, Any]:
    """Describe where a trial runs, so that a reader can judge whether two records are comparable."""
    return {
        "device": device_name(device),
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "scaling": scaling.__version__,
        "commit": commit(),
        **versions(),
    }


def device_name(device: torch.device) -> str:
    """Return the manufacturer's name of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@functools.cache
def versions() -> dict[str, str]:
    """Return the installed versions of the packages that a result depends on."""
    return {name: metadata.version(name) for name in PACKAGES} | {"torch": torch.__version__}  # with its CUDA


@functools.cache
def commit() -> str | None:
    """Return the commit of the checkout this package runs from, marked if files differ; None if it is installed."""
    folder = Path(scaling.__file__).parent
    if not (folder.parent / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
