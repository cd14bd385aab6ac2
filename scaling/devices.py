"""Devices: the kinds of processor that a network trains on. Only this module tells them apart.

Everything else asks a kind what it can do (`kind_of(device).has_streams`) or calls a function of this module, so a new
kind of device is one more row of `KINDS`. What differs for the user is in docs/training.md.
"""

import contextlib
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scaling.study.errors import ScalingError, unknown

GIB = 2**30
RandomState = tuple[torch.Tensor, torch.Tensor | None]  # of the CPU's generator and the accelerator's


class DeviceError(ScalingError):
    """A device is not there, or torch cannot use it."""


@dataclass(frozen=True)
class DeviceKind:
    """What devices of one kind can do."""

    name: str  # as torch names it
    is_accelerator: bool = True
    has_streams: bool = False  # copies from pinned memory run beside the computation
    has_tf32: bool = False
    keeps_less: bool = False  # short of memory: networks keep less for the backward pass and compute it again
    has_statistics: bool = False  # its allocator knows the peak of its memory
    is_compiled: bool = False  # long runs are compiled unless the space says otherwise
    joins_workers: bool = False  # several processes can train one network
    has_sync_batch_norm: bool = False  # torch's own batch norm over several workers
    workspace: int = 0  # bytes that torch reserves for its libraries
    context: int = 0  # bytes of a process on the device outside torch's allocator: context and kernels


# In the order of preference. The workspace is cuBLAS's on the newest GPUs; it is 8 MiB on older ones.
KINDS = {
    kind.name: kind
    for kind in (
        DeviceKind(
            "cuda", has_streams=True, has_tf32=True, keeps_less=True, has_statistics=True, is_compiled=True,
            joins_workers=True, has_sync_batch_norm=True, workspace=32 * 2**20, context=600 * 2**20,
        ),
        DeviceKind("xpu", has_streams=True, keeps_less=True, has_statistics=True, context=600 * 2**20),
        DeviceKind("mps", context=200 * 2**20),
        DeviceKind("cpu", is_accelerator=False, joins_workers=True),
    )
}  # fmt: skip
CPU = torch.device("cpu")


def kind_of(device: torch.device | str) -> DeviceKind:
    """Return what a device can do.

    Raises:
        DeviceError: no such kind is known.
    """
    name = device.type if isinstance(device, torch.device) else device.partition(":")[0]
    if name not in KINDS:
        raise DeviceError(unknown("device", name, KINDS))
    return KINDS[name]


def chosen(wanted: str | None = None, setting: str = "resources.device") -> torch.device:
    """Return the device that is wanted, or the best that torch can use here.

    Args:
        wanted: a kind, with an index or without; None decides.
        setting: where the user wrote it, for the message.

    Raises:
        DeviceError: torch cannot use it here.
    """
    if wanted is None:
        return torch.device(next(name for name in KINDS if _is_available(name)))
    kind = kind_of(wanted)
    if not _is_available(kind.name):
        known = ", ".join(name for name in KINDS if _is_available(name))
        raise DeviceError(f"{setting} {wanted}: torch {torch.__version__} finds no such device here (found: {known})")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise DeviceError(f"{setting} {wanted}: the index of a device is a whole number, as in {kind.name}:0") from None
    if (device.index or 0) >= count(device):
        raise DeviceError(f"{setting} {wanted}: there are only {count(device)} of them")
    return device


def granted(ids: Sequence[Any], wanted: str | None = None) -> torch.device:
    """Return the device of a trial to which Ray has granted the accelerators `ids`; without any, the CPU.

    A granted accelerator that torch cannot use is returned all the same: `refuse_unusable` says why, and nothing
    trains on the CPU in its place.
    """
    if not ids:
        return CPU
    found = next((name for name in KINDS if KINDS[name].is_accelerator and _is_available(name)), next(iter(KINDS)))
    kind = kind_of(wanted or found)
    # Ray hides the other devices from a process by CUDA_VISIBLE_DEVICES, which only CUDA reads
    if kind.name == "xpu" and count(torch.device("xpu")) > 1 and "ONEAPI_DEVICE_SELECTOR" not in os.environ:
        return torch.device("xpu", int(ids[0]))
    return torch.device(kind.name)


def refuse_unusable(device: torch.device) -> None:
    """Compute something small on `device`.

    Raises:
        DeviceError: torch cannot: its driver is too old for this torch, or its architecture is missing.
    """
    if not kind_of(device).is_accelerator:
        return
    try:
        float(torch.ones(2, device=device).sum())
    except torch.OutOfMemoryError:
        return  # others fill the memory; that is no matter of versions
    except Exception as trouble:
        why = " ".join(str(trouble).split("\n\n")[0].split())[:300]
        raise DeviceError(
            f"{name_of(device)} was granted, but {_versions(device)} cannot use it: {why}; install a torch that fits"
            " (docs/cluster.md), or train on the CPU with resources.device=cpu"
        ) from None


def _versions(device: torch.device) -> str:
    """Describe torch and the device's driver in a few words."""
    parts = [f"torch {torch.__version__}"]
    if device.type == "cuda":
        with contextlib.suppress(Exception):
            parts.append(f"CUDA {torch.version.cuda}")  # pyright: ignore[reportAttributeAccessIssue]
        with contextlib.suppress(Exception):
            parts.append("architectures " + " ".join(torch.cuda.get_arch_list()))
        parts.append(f"NVIDIA driver {_nvidia_driver() or 'none'}")
    return f"{parts[0]} ({', '.join(parts[1:])})" if parts[1:] else parts[0]


def _nvidia_driver(file: Path = Path("/proc/driver/nvidia/version")) -> str | None:
    with contextlib.suppress(OSError):
        words = file.read_text(encoding="utf-8").split()
        return next((word for word in words if word[0].isdigit() and "." in word), None)
    return None


def _is_available(name: str) -> bool:
    """Whether torch can use devices of a kind here."""
    if name == "cpu":
        return True
    if name == "mps":
        return torch.backends.mps.is_available()
    return getattr(torch, name).is_available()


def count(device: torch.device) -> int:
    """Return the number of devices of this kind; 1 for the CPU."""
    kind = kind_of(device)
    return _module(device).device_count() if kind.is_accelerator else 1


def count_for_ray(device: torch.device) -> int | None:
    """Return the number of accelerators that Ray does not find itself; None leaves it to Ray.

    Ray finds those of CUDA, parts of one under MIG included, of which torch sees a single one in each process.
    """
    return count(device) if kind_of(device).is_accelerator and device.type != "cuda" else None


def name_of(device: torch.device) -> str:
    """Return the manufacturer's name of a device, or its kind where torch cannot ask for it."""
    if device.type in ("cuda", "xpu"):
        with contextlib.suppress(Exception):
            return _module(device).get_device_name(device)
        return f"the {device.type.upper()} device"
    processor = _processor()
    return f"GPU of {processor}" if device.type == "mps" else processor


def _processor() -> str:
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return names[0] if names else platform.machine()
    return platform.processor() or platform.machine()


def described(device: torch.device) -> str:
    """Describe the accelerators of one kind in one line: `2 × NVIDIA H100 80GB HBM3 (79 GiB)`."""
    names: dict[str, int] = {}
    for one in each(device):
        size = total_bytes(one)
        title = name_of(one) + (f" ({size / GIB:.0f} GiB)" if size else "")
        names[title] = names.get(title, 0) + 1
    return ", ".join(f"{number} × {title}" for title, number in names.items())


def each(device: torch.device) -> list[torch.device]:
    """Return all devices of this kind, or the one with its index."""
    if device.index is not None or not kind_of(device).is_accelerator:
        return [device]
    return [torch.device(device.type, index) for index in range(count(device))]


def _module(device: torch.device) -> Any:
    """Return torch's module of a kind: torch.cuda, torch.xpu or torch.mps."""
    return getattr(torch, device.type)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all its work."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif kind_of(device).is_accelerator:
        _module(device).synchronize(device)


def total_bytes(device: torch.device) -> int:
    """Return the memory of a device; of Apple's GPUs, the part of main memory that they may use."""
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    if kind_of(device).is_accelerator:
        return int(_module(device).get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device; of main memory, the page cache counts as free."""
    if device.type == "mps":
        return max(0, total_bytes(device) - int(torch.mps.driver_allocated_memory()))
    if kind_of(device).is_accelerator:
        return int(_module(device).mem_get_info(device)[0])
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"  # macOS has the second only
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")


def others_bytes(device: torch.device) -> int:
    """Return the bytes of an accelerator that other processes hold, as far as it can be known; 0 on a CPU."""
    if not kind_of(device).has_statistics:
        return 0
    free, total = _module(device).mem_get_info(device)
    return max(0, total - free - _module(device).memory_reserved(device))


def allocated_bytes(device: torch.device) -> int:
    """Return the bytes of this process's tensors on an accelerator; 0 where the allocator has no statistics."""
    return _module(device).memory_allocated(device) if kind_of(device).has_statistics else 0


def forget_peak(device: torch.device) -> None:
    """Start a new peak of the allocator's statistics, once the device is idle."""
    synchronize(device)
    _module(device).reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """Return the most bytes that tensors took since `forget_peak`."""
    synchronize(device)
    return _module(device).max_memory_allocated(device)


def limit_memory(device: torch.device, share: float) -> None:
    """Let this process take no more than its share of an accelerator; 1 or more is all of it.

    The context of the process is part of its share, and lies outside the allocator that is limited.
    """
    kind = kind_of(device)
    if not kind.is_accelerator:
        return
    part = 1.0 if share >= 1 else max(share - kind.context / total_bytes(device), share / 4)
    if device.type == "mps":
        torch.mps.set_per_process_memory_fraction(part)
    else:
        _module(device).set_per_process_memory_fraction(part, device)


def room_bytes(device: torch.device) -> int:
    """Return the memory of an accelerator that this process may still take: what is free, within its limit."""
    free = free_bytes(device)
    if not kind_of(device).has_statistics or not _module(device).is_initialized():  # then nothing has set a limit
        return free
    limit = _module(device).get_per_process_memory_fraction(device) * total_bytes(device)
    return max(0, min(free, int(limit) - _module(device).memory_reserved(device)))


def release_cached() -> None:
    """Give memory that the allocators of this process keep for later back to the devices."""
    for name in ("cuda", "xpu"):
        module = getattr(torch, name)
        if module.is_initialized():
            module.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def random_state(device: torch.device) -> RandomState:
    """Return the state of torch's random generators: the CPU's, and the device's own."""
    if device.type == "mps":
        return torch.get_rng_state(), torch.mps.get_rng_state()
    own = _module(device).get_rng_state(device) if kind_of(device).is_accelerator else None
    return torch.get_rng_state(), own


def set_random_state(device: torch.device, state: RandomState) -> None:
    """Set torch's random generators to an earlier state."""
    cpu, own = state
    torch.set_rng_state(cpu)
    if own is None:
        return
    if device.type == "mps":
        torch.mps.set_rng_state(own)
    else:
        _module(device).set_rng_state(own, device)


@contextlib.contextmanager
def preserved_random_state(*where: torch.device) -> Iterator[None]:
    """Restore torch's random generators, of the CPU and of these devices, at the end of the block."""
    before = [(device, random_state(device)) for device in {CPU, *where} if device.type in KINDS]
    try:
        yield
    finally:
        for device, state in before:
            set_random_state(device, state)


def copied(array: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy an array or a tensor from main memory to a device, which need not stop computing for it."""
    tensor = torch.from_numpy(array) if isinstance(array, np.ndarray) else array
    if not kind_of(device).has_streams:
        return tensor.to(device)  # Apple's GPUs share the memory; a copy that is under way could read what is freed
    if _is_available(device.type):  # memory can be pinned only where there is a device
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def side_stream(device: torch.device) -> Any:
    """Return a queue for copies beside the computation, or None where the device has none."""
    return _module(device).Stream(device) if kind_of(device).has_streams else None


def on_stream(stream: Any) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which work goes to a side stream; None is the usual one."""
    return contextlib.nullcontext() if stream is None else _module(stream.device).stream(stream)


def join_stream(stream: Any, tensor: torch.Tensor) -> None:
    """Let the computation wait for what a side stream does for `tensor`, without waiting itself."""
    if stream is not None:
        current = _module(tensor.device).current_stream(tensor.device)
        current.wait_stream(stream)
        tensor.record_stream(current)


def is_short_of_memory(x: torch.Tensor) -> bool:
    """Whether networks should keep less of `x` for the backward pass; asks the tensor, which may only pretend."""
    return x.is_cuda or x.is_xpu


def cores() -> int:
    """Return the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
