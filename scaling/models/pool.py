"""The modules behind poolings: a base class that may be used, and the adapter for ordinary modules.

N is images, H × W the map, C channels, K classes.
"""

import copy
import itertools
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from scaling.study.errors import ModelError

Rebuild = Callable[[int], nn.Module]  # number of classes → the pooling's module


class Pool(nn.Module):
    """A map (N, H, W, C), channels last, to a vector (N, C'), or to (N, K, C') if `per_class`.

    A pooling's module may derive from it to declare what cannot be found out by running it.
    """

    per_class = False  # one vector per class; the classifier reads each with weights of its own
    wants_norm = False  # the result ends a residual branch and is normalised before the classifier

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features

    def reset_classes(self, num_classes: int) -> None:
        """Prepare for another set of classes; only poolings with a vector per class have something to do."""

    def class_parameters(self) -> set[str]:
        """Return the names of the parameters whose shape depends on the number of classes."""
        return set()

    def no_weight_decay(self) -> set[str]:
        """Return the names of parameters without weight decay, besides those of one dimension."""
        return set()


class AttendingPool(Pool):
    """Base of the poolings that weigh positions by attention."""

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the weight of each position for each token, the mean over heads: (N, H, W, C) to (N, T, H, W)."""
        raise NotImplementedError


class OrdinaryPool(Pool):
    """An ordinary module as a pooling; its output width was found by running it."""

    def __init__(self, module: nn.Module, out_features: int, rebuild: Rebuild | None) -> None:
        """Wrap `module`; `rebuild` builds it for other classes and is None unless it gives a vector per class."""
        super().__init__(out_features)
        self.module = module
        self.per_class = rebuild is not None
        self._rebuild = rebuild

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)

    def no_weight_decay(self) -> set[str]:
        """Return what the module declares, or else its tokens and tables: parameters outside torch's own layers."""
        declared = getattr(self.module, "no_weight_decay", None)
        if callable(declared):
            return {f"module.{name}" for name in cast(Any, declared)()}
        own = [(path, part) for path, part in self.named_modules() if not type(part).__module__.startswith("torch.nn")]
        return {f"{path}.{name}" for path, part in own for name, _ in part.named_parameters(recurse=False)}

    def reset_classes(self, num_classes: int) -> None:
        """Build the module anew for `num_classes`; what has the same shape as before keeps its values."""
        if self._rebuild is None:
            return
        like = next(self.module.parameters(), torch.empty(0))
        new = self._rebuild(num_classes).to(like.device, like.dtype).train(self.training)
        shapes = {name: tensor.shape for name, tensor in new.state_dict().items()}
        kept = {name: t for name, t in self.module.state_dict().items() if shapes.get(name) == t.shape}
        new.load_state_dict(kept, strict=False)
        self.module = new

    def class_parameters(self) -> set[str]:
        if self._rebuild is None:
            return set()
        with torch.device("meta"):
            few, many = (self._rebuild(classes).state_dict() for classes in (1, 2))
        return {f"module.{name}" for name in few if name in many and few[name].shape != many[name].shape}


def output_of(
    module: nn.Module, name: str, channels: int, *, map_size: tuple[int, int], num_classes: int | None
) -> tuple[int, bool]:
    """Run a pooling's module once on the meta device; return its output width, and whether it has a vector per class.

    Args:
        name: name of the pooling, for messages.
        num_classes: None where the pooling does not take the number of classes and so has one vector per image.

    Raises:
        ModelError: it cannot be run there, or does not return (N, C') or (N, K, C').
    """
    if any(is_lazy(tensor) for tensor in itertools.chain(module.parameters(), module.buffers())):
        raise ModelError(f"pooling '{name}' has layers of unknown size; give every layer its size from `channels`")
    # a number of images that equals no other side, so that no other side is mistaken for it
    images = next(n for n in itertools.count(2) if n not in (channels, num_classes, *map_size))
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
    map_shape = (images, *map_size, channels)
    try:
        output = _run_on_meta(module, map_shape, dtype)
    except Exception as trouble:  # of any kind, from somebody else's code
        raise ModelError(
            f"pooling '{name}' cannot be run on a map {map_shape} on the meta device, on which costs are counted:"
            f" {type(trouble).__name__}: {' '.join(str(trouble).split())[:300]}"
        ) from trouble
    shape = tuple(output.shape) if isinstance(output, torch.Tensor) else None
    per_class = shape is not None and num_classes is not None and shape[:-1] == (images, num_classes)
    if shape is None or not (per_class or shape[:-1] == (images,)) or shape[-1] == 0:
        wanted = "(N, C')" if num_classes is None else "(N, C') or, with a vector per class, (N, K, C')"
        returned = f"shape {shape}" if shape is not None else f"a {type(output).__name__}"
        raise ModelError(
            f"pooling '{name}' returns {returned} for a map (N, H, W, C) of shape {map_shape}; it must return {wanted}"
        )
    _check_width(module, name, shape[-1], (images, map_size[0] + 1, map_size[1] + 2, channels), dtype)
    return shape[-1], per_class


def _check_width(module: nn.Module, name: str, width: int, map_shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Raise `ModelError` where a map of another size gives another output width, as with channels first."""
    try:
        other = _run_on_meta(module, map_shape, dtype)
    except Exception:  # it takes maps of one size only, which is enough for studies at one resolution
        return
    if other.shape[-1] != width:
        raise ModelError(
            f"pooling '{name}' returns {width} features for one size of map and {other.shape[-1]} for another;"
            " maps are (N, H, W, C), channels last"
        )


def _run_on_meta(module: nn.Module, map_shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Run a copy of `module` that holds no numbers, as in evaluation; the random state is left alone."""
    memo = {
        id(tensor): nn.Parameter(tensor.detach().to("meta"), tensor.requires_grad)
        if isinstance(tensor, nn.Parameter)
        else tensor.detach().to("meta")
        for tensor in itertools.chain(module.parameters(), module.buffers())
    }
    twin = copy.deepcopy(module, memo).eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        return twin(torch.empty(map_shape, dtype=dtype, device="meta"))
