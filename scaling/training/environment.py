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
from scaling.devices import name_of

PACKAGES = ("torch", "torchvision", "timm", "numpy", "fvcore", "ray", "optuna")


def environment(device: torch.device, gpus: float | None = None) -> dict[str, Any]:
    """Describe where a trial runs, so that a reader can judge whether two records are comparable.

    Args:
        gpus: that it holds, a share of one or several.
    """
    return {
        "device": name_of(device),
        "device_type": device.type,
        **({"gpus": gpus} if gpus else {}),
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "scaling": scaling.__version__,
        "commit": commit(),
        **versions(),
    }


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
