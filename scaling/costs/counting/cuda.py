"""Fake CPU tensors that behave like those of a CUDA device, for predictions on machines without one."""

from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

# functions that CUDA's autocast computes in float32 and the CPU's does not (ATen/autocast_mode.h, AT_FORALL_FP32), as
# far as image networks use them
_NAMES = (
    *("layer_norm", "group_norm", "softmax", "log_softmax", "logsumexp", "norm", "sum", "prod", "cumsum", "cumprod"),
    *("exp", "expm1", "log", "log2", "log10", "log1p", "pow", "reciprocal", "rsqrt", "softplus", "cdist", "dist"),
    *("cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div"),
    *("binary_cross_entropy_with_logits", "cosine_similarity"),
)
_IN_FLOAT32 = frozenset(
    function for home in (torch, F, torch.Tensor) for name in _NAMES if (function := getattr(home, name, None))
)
_IS_CUDA: Any = torch.Tensor.is_cuda


class like_cuda(TorchFunctionMode):  # noqa: N801 # used as a context manager
    """Make every tensor report `is_cuda`, and under autocast compute in float32 what CUDA does."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func == _IS_CUDA.__get__:
            return True
        if func in _IN_FLOAT32 and torch.is_autocast_enabled("cpu"):
            args, kwargs = tree_map(_in_float32, (args, kwargs))
            with torch.autocast("cpu", enabled=False):
                return func(*args, **kwargs)
        return func(*args, **kwargs)


def _in_float32(value: Any) -> Any:
    low = isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if low else value
