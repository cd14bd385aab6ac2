"""Every pooling: how the last map (N, H, W, C), channels last, becomes the vector (N, C') that the classifier reads.

A pooling is one function registered by `@pooling`: `function(channels, *, num_classes, map_size, …options) -> Pool`.
In the docstrings N is images, P = H·W positions, C channels, K classes; MACs are of one image, without classifier.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, overload

import torch
from pydantic import Field

from scaling.models.attention_pooling import AttentionPool, Pool
from scaling.models.plain_pooling import AverageMaxPool, AverageMlpPool, AveragePool, GeneralizedMeanPool, MaxPool
from scaling.models.query_pooling import AttentionAveragePool, ClipPool, LatentPool, SimPool
from scaling.models.signature import arguments
from scaling.study.errors import ModelError, unknown

PoolingFunction = Callable[..., Pool]
POOLINGS: dict[str, PoolingFunction] = {}

Heads = Annotated[int, Field(gt=0, description="attention heads; they divide the pooling's width")]
Width = Annotated[int, Field(gt=0, description="channels inside the pooling and of its result; none keeps the map's")]
Ratio = Annotated[float, Field(gt=0, description="hidden width of the pooling's MLP over the pooling's width")]
Scale = Annotated[float, Field(gt=0, description="initial scale of its residual branches; none takes the trunk's")]
Exponent = Annotated[float, Field(gt=0, description="1 is the average; the larger, the nearer to the maximum")]

_CONTEXT = ("num_classes", "map_size")  # given by the family, no options


@overload
def pooling(function: PoolingFunction, /) -> PoolingFunction: ...
@overload
def pooling(*, name: str) -> Callable[[PoolingFunction], PoolingFunction]: ...
def pooling(function: PoolingFunction | None = None, /, *, name: str | None = None) -> Any:
    """Register a function as a pooling under its own name, or another; to be used as a decorator.

    Its options are keyword-only parameters with annotations and defaults; each becomes a parameter `pooling_OPTION` of
    every family.
    """
    if function is not None:
        return _register(function.__name__, function)
    assert name, "a pooling registered without its function's name needs another"
    return functools.partial(_register, name)


def _register(name: str, function: PoolingFunction) -> PoolingFunction:
    if name in POOLINGS:
        raise ValueError(f"a pooling named '{name}' is registered already, by {POOLINGS[name].__module__}")
    POOLINGS[name] = function
    return function


def pooling_options() -> dict[str, inspect.Parameter]:
    """Return the options of all poolings, by name; those of one name mean the same.

    Their default is None: each pooling has its own.
    """
    found: dict[str, inspect.Parameter] = {}
    for function in POOLINGS.values():
        for name, parameter in arguments(function).items():
            if name not in _CONTEXT:
                found.setdefault(name, parameter.replace(default=None))
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
TIMM_POOLINGS = {"avg": "average", "avgmax": "average_max"}  # what timm calls otherwise than here


@pooling
def average(channels: int, *, num_classes: int, map_size: tuple[int, int]) -> Pool:
    """Average over positions: (N, H, W, C) to (N, C).

    Adds no params and no MACs. Lin et al., "Network In Network", arXiv 1312.4400, section 3.2.
    """
    return AveragePool(channels)


@pooling(name="max")
def max_pool(channels: int, *, num_classes: int, map_size: tuple[int, int]) -> Pool:
    """Maximum over positions: (N, H, W, C) to (N, C).

    Adds no params and no MACs. Oquab et al., "Is object localization for free?", CVPR 2015, section 3.
    """
    return MaxPool(channels)


@pooling
def average_max(channels: int, *, num_classes: int, map_size: tuple[int, int]) -> Pool:
    """Mean of the average and the maximum over positions: (N, H, W, C) to (N, C).

    Adds no params and no MACs. Lee et al., "Generalizing Pooling Functions in Convolutional Neural Networks",
    arXiv 1509.08985, with the mixing proportion fixed at one half.
    """
    return AverageMaxPool(channels)


@pooling
def gem(channels: int, *, num_classes: int, map_size: tuple[int, int], exponent: Exponent = 3.0) -> Pool:
    """Generalized mean (mean of xᵖ)^(1/p) with a learned p, negative values cut off: (N, H, W, C) to (N, C).

    Adds 1 param and no MACs. Radenović et al., "Fine-tuning CNN Image Retrieval with No Human Annotation",
    arXiv 1711.02512, equation 3.

    Args:
        exponent: p at the start.
    """
    return GeneralizedMeanPool(channels, exponent=exponent)


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
    """One learned token attends to all positions, then passes through an MLP: (N, H, W, C) to (N, C).

    Adds 10 C² + 15 C params and (2 P + 10) C² + 2 (P + 1) C MACs at the paper's settings; a width w ≠ C adds
    w C + w params and P w C MACs and puts w in the place of C. Touvron et al., "Augmenting Convolutional networks with
    attention-based aggregation", arXiv 2112.13692.

    Args:
        heads: attention heads, which divide the width; the paper has one.
        width: channels inside, and of the result; where it differs from C, the map is first projected to it.
        mlp_ratio: hidden width of the MLP over the width.
        layer_scale: initial scale of both residual branches.
    """
    return AttentionPool(channels, heads=heads, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)


@pooling
def attention_multiclass(
    channels: int,
    *,
    num_classes: int,
    map_size: tuple[int, int],
    heads: Heads = 1,
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> Pool:
    """One learned token a class attends to all positions, then passes through an MLP: (N, H, W, C) to (N, K, C).

    Adds 10 C² + (K + 14) C params and (2 P + 8 K) C² + 2 K P C MACs at the paper's settings. The classifier reads
    each class's score from that class's token. Touvron et al., arXiv 2112.13692; the options are those of `attention`.
    """
    return AttentionPool(
        channels, heads=heads, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale, classes=num_classes
    )


@pooling
def attention_no_mlp(
    channels: int,
    *,
    num_classes: int,
    map_size: tuple[int, int],
    heads: Heads = 1,
    width: Width | None = None,
    layer_scale: Scale = 1e-4,
) -> Pool:
    """`attention` without its MLP, a control for capacity: (N, H, W, C) to (N, C).

    Adds 4 C² + 8 C params and (2 P + 4) C² + 2 (P + 1) C MACs. After Touvron et al., arXiv 2112.13692.
    """
    return AttentionPool(channels, heads=heads, width=width, mlp_ratio=None, layer_scale=layer_scale)


@pooling
def average_mlp(
    channels: int,
    *,
    num_classes: int,
    map_size: tuple[int, int],
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> Pool:
    """Average, then a residual MLP as large as `attention`, a control for capacity: (N, H, W, C) to (N, C).

    Adds as many params as `attention` with the same options, to 1 % (about 10 C², all in the MLP), and as many MACs as
    params. No paper: it answers what attention adds beyond its parameters.
    """
    return AverageMlpPool(channels, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)


@pooling
def attention_average(
    channels: int,
    *,
    num_classes: int,
    map_size: tuple[int, int],
    heads: Heads = 1,
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> Pool:
    """`attention` and the average side by side, each normalised: (N, H, W, C) to (N, 2 C), or (N, w + C).

    Adds the params and MACs of `attention`, 4 C params for the norms, and C columns to the classifier. The hybrid that
    did best on small data in B. Warner, "Tinkering with attention pooling".
    """
    block = AttentionPool(channels, heads=heads, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)
    return AttentionAveragePool(channels, block)


@pooling(name="map")
def latent_pool(
    channels: int,
    *,
    num_classes: int,
    map_size: tuple[int, int],
    heads: Heads = 8,
    mlp_ratio: Ratio = 4.0,
) -> Pool:
    """timm's latent attention pool, the multi-head attention pooling of SigLIP: (N, H, W, C) to (N, C).

    Adds (4 + 2 r) C² + (8 + r) C params and (2 P + 2 + 2 r) C² + 2 P C MACs for an MLP ratio r. Zhai et al., "Scaling
    Vision Transformers", arXiv 2106.04560; after Lee et al., "Set Transformer", arXiv 1810.00825.
    """
    return LatentPool(channels, heads=heads, mlp_ratio=mlp_ratio)


@pooling
def attention_pool2d(channels: int, *, num_classes: int, map_size: tuple[int, int], heads: Heads | None = None) -> Pool:
    """CLIP's attention pool: the average, with position embeddings, asks the positions: (N, H, W, C) to (N, C).

    Adds 4 C² + (P + 5) C params and (2 P + 4) C² + 2 (P + 1) C MACs. Maps of another size are met with interpolated
    position embeddings. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    arXiv 2103.00020, section 2.4.

    Args:
        heads: none makes heads of 64 channels, as the paper has them (one, where there are fewer).
    """
    return ClipPool(channels, map_size=map_size, heads=heads)


@pooling
def simpool(
    channels: int,
    *,
    num_classes: int,
    map_size: tuple[int, int],
    heads: Heads = 1,
    exponent: Exponent = 2.0,
) -> Pool:
    """SimPool: the average asks, the generalized mean of the positions answers: (N, H, W, C) to (N, C).

    Adds 2 C² + 2 C params and (P + 1) C² + 2 P C MACs. Psomas et al., "Keep It SimPool", arXiv 2309.06891, ICCV 2023.
    The smallest value, which the exponent needs, is taken for each image, not over the batch as in the authors' code.

    Args:
        exponent: γ of the paper, 2 for convolutional networks and 1.25 for transformers; not learned.
    """
    return SimPool(channels, heads=heads, exponent=exponent)
