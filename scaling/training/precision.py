"""Precision: the number formats in which a network computes."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch

# float32 means IEEE's, in convolutions too, where torch's default is TF32; bfloat16 means autocast.
Precision = Literal["float32", "tf32", "bfloat16"]


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextlib.contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Set how a GPU multiplies float32, forward and backward; restore the process's setting afterwards.

    TF32 keeps float32's range and rounds factors to 10 bits of mantissa. Only GPUs have it; elsewhere it is float32.
    """
    if device.type != "cuda":
        yield
        return
    # not torch's newer `fp32_precision`: its compiler reads these settings, and mixing the two is an error
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
