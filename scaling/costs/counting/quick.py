"""Costs before anything is built: counts on the meta device, and for whole spaces from a few counts."""

import json
from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

import torch
from torch import nn

from scaling.costs.counting.depth import COSTLESS, Arch, along_depth
from scaling.costs.counting.dispatcher import count_dispatched
from scaling.models import build_model
from scaling.models.meta import on_meta
from scaling.study.metrics import COUNTED
from scaling.study.records import CountedCost

ImageSize = int | tuple[int, int]


class OfData(TypedDict, total=False):
    """Parameters of a network that its data decide; where given, they replace those of the architecture."""

    image_size: ImageSize | None
    in_chans: int | None
    num_classes: int | None


def quick_cost(family: str, arch: Arch, **data: Unpack[OfData]) -> CountedCost:
    """Count the cost of a member of a family without allocating it; the integers of `scaling.measure`.

    Args:
        arch: parameters of the family, as for `build_model`.
        data: image_size, in_chans, num_classes; they replace those in `arch`.

    Raises:
        ModelError: no such network can be built.
        CostError: an operator may multiply matrices and torch's counter has no formula for it.
    """
    return _count(family, completed(arch, **data))


def quick_cost_of(model: nn.Module, image: torch.Tensor) -> CountedCost:
    """Count a model that was built on the meta device, for one `image` (1, C, H, W) there; see `quick_cost`."""
    tally = count_dispatched(model.eval(), image)
    tally.check(type(model).__name__)
    return CountedCost(
        params=sum(parameter.numel() for parameter in model.parameters()),
        macs=tally.macs,
        fvcore_flops=tally.fvcore_flops,
        activations=tally.activations,
        training_macs=tally.training_macs,
    )


def cost_all(
    family: str, archs: Sequence[Arch], *, sample: int = 8, seed: int = 0, **data: Unpack[OfData]
) -> list[CountedCost]:
    """Return the cost of each of `archs`, in their order: the integers of `quick_cost`.

    Args:
        sample: how many costs that were computed from others are counted as well, to compare.
        seed: of the sample.
        data: as in `quick_cost`.

    Raises:
        ModelError: a network cannot be built.
        CostError: a computed cost differs from the counted one.
    """
    wanted = [completed(arch, **data) for arch in archs]
    keys = [_key(arch) for arch in wanted]
    distinct = dict(zip(keys, wanted, strict=True))
    found = along_depth(family, distinct, lambda arch: _numbers(_count(family, arch)), sample=sample, seed=seed)
    return [CountedCost(**dict(zip(COUNTED, found[key], strict=True))) for key in keys]


def completed(arch: Arch, **data: Unpack[OfData]) -> dict[str, Any]:
    """Return parameters of a network with those that its data decide; no pretrained weights are loaded for it."""
    empty = {"pretrained": False} if "pretrained" in arch else {}
    return {**arch, **empty, **{name: value for name, value in data.items() if value is not None}}


def _numbers(cost: CountedCost) -> tuple[int, ...]:
    return tuple(getattr(cost, name) for name in COUNTED)


def _count(family: str, arch: Arch) -> CountedCost:
    model = on_meta(lambda: build_model(family, **arch))
    size = arch.get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    image = torch.zeros(1, arch.get("in_chans", 3), height, width, device="meta")
    return quick_cost_of(model, image)


def _key(arch: Arch) -> str:
    """Return what the cost of an architecture depends on."""
    return json.dumps({name: value for name, value in arch.items() if name not in COSTLESS}, sort_keys=True)
