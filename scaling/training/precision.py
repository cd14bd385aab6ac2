"""Precision: the number formats in which a network computes."""

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import nn

from scaling.devices import kind_of

# float32 means IEEE's, in convolutions too, where torch's default is TF32; bfloat16 means autocast.
Precision = Literal["float32", "tf32", "bfloat16"]


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def laid_out(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, channels last in memory, as it is trained and evaluated; return it."""
    return model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


@contextlib.contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[str | None]:
    """Set how a GPU multiplies float32, forward and backward; restore the process's setting afterwards.

    TF32 keeps float32's range and rounds factors to 10 bits of mantissa. Only NVIDIA's GPUs have it; elsewhere it is
    float32.

    Yields:
        What a reader of the result should know, or None.
    """
    if not kind_of(device).has_tf32:
        yield None
        return
    with_tf32 = precision == "tf32"
    try:
        # not torch's newer `fp32_precision`: its compiler reads these settings, and mixing the two is an error
        before, set_to, remark = _settings(), _set, None
        _set(("high" if with_tf32 else "highest", with_tf32))
    except RuntimeError:  # torch: this process has used the newer settings, so the earlier ones are closed to it
        before, set_to = _newer_settings(), _set_newer
        _set_newer(("tf32" if with_tf32 else "ieee",) * 2)
        remark = (
            "this process sets torch's newer fp32_precision, so float32 products are set by it too; torch.compile may"
            " refuse that"
        )
    try:
        yield remark
    finally:
        set_to(before)


def _settings() -> tuple[Any, ...]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


def _set(values: tuple[Any, ...]) -> None:
    torch.set_float32_matmul_precision(values[0])
    torch.backends.cudnn.allow_tf32 = values[1]


def _newer_settings() -> tuple[Any, ...]:
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision  # pyright: ignore


def _set_newer(values: tuple[Any, ...]) -> None:
    torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision = values  # pyright: ignore
