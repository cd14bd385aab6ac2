"""Every pooling: how the last map (N, H, W, C), channels last, becomes the vector (N, C') that the classifier reads.

A pooling is one function registered by `@pooling`: `function(channels, *, num_classes, map_size, …options) -> Pool`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from pydantic import Field

from scaling.errors import ModelError, unknown
from scaling.models.attention_pooling import AttentionPool, Pool
from scaling.models.signature import arguments

PoolingFunction = Callable[..., Pool]
POOLINGS: dict[str, PoolingFunction] = {}

Heads = Annotated[int, Field(gt=0)]
Width = Annotated[int, Field(gt=0)]
Ratio = Annotated[float, Field(gt=0)]
Scale = Annotated[float, Field(gt=0)]

_CONTEXT = ("num_classes", "map_size")  # given by the family, no options


def pooling(function: PoolingFunction) -> PoolingFunction:
    """Register a function as a pooling under its own name; to be used as a decorator.

    Its options are keyword-only parameters with annotations and defaults; each becomes a parameter `pooling_OPTION` of
    every family.
    """
    if function.__name__ in POOLINGS:
        raise ValueError(f"a pooling named '{function.__name__}' is registered already")
    POOLINGS[function.__name__] = function
    return function


def pooling_options() -> dict[str, inspect.Parameter]:
    """Return the options of all poolings, by name; those of one name mean the same."""
    found: dict[str, inspect.Parameter] = {}
    for function in POOLINGS.values():
        for name, parameter in arguments(function).items():
            if name not in _CONTEXT:
                found.setdefault(name, parameter)
    return found


@dataclass(frozen=True)
class PoolingChoice:
    """A pooling and the options set for it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self, channels: int, *, num_classes: int, map_size: tuple[int, int], **defaults: Any) -> Pool:
        """Build the module for maps of `channels` channels and `map_size` (height, width).

        `defaults` stand in for options that this pooling has and the user has not set.

        Raises:
            ModelError: where it cannot be built, such as heads that do not divide the width.
        """
        if self.name not in POOLINGS:
            raise ModelError(unknown("pooling", self.name, POOLINGS))
        function = POOLINGS[self.name]
        options = {key: value for key, value in {**defaults, **self.options}.items() if key in arguments(function)}
        return function(channels, num_classes=num_classes, map_size=map_size, **options)

    def problems(self, channels: int, *, num_classes: int, map_size: tuple[int, int]) -> list[str]:
        """Say what keeps the module from being built, at no cost: it is tried on the meta device."""
        try:
            with torch.device("meta"):
                self.build(channels, num_classes=num_classes, map_size=map_size)
        except ModelError as error:
            return error.problems
        return []


PAPER_POOLING = PoolingChoice("attention")  # the default of the families


class AveragePool(Pool):
    """The mean over all positions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(1, 2))


@pooling
def average(channels: int, *, num_classes: int, map_size: tuple[int, int]) -> Pool:
    """Average over positions: (N, H, W, C) to (N, C).

    Adds no params and no MACs. Lin et al., "Network In Network", arXiv 1312.4400, section 3.2.
    """
    return AveragePool(channels)


@pooling
def attention(
    channels: int,
    *,
    num_classes: int,
    map_size: tuple[int, int],
    heads: Heads = 1,
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> Pool:
    """One learned token attends to all positions and passes through an MLP: (N, H, W, C) to (N, C).

    Adds 10 C² + 15 C params at the paper's settings and, for P = H·W positions,
    (2 P + 10) C² + 2 (P + 1) C MACs. Touvron et al., arXiv 2112.13692, section 3.

    Args:
        heads: attention heads, which divide the width; the paper has one.
        width: channels inside, and of the result; none keeps C. Where it differs from C the map is projected first.
        mlp_ratio: hidden width of the MLP over the width.
        layer_scale: initial scale of both residual branches.
    """
    return AttentionPool(channels, heads=heads, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)
