"""Costs before anything is built: counted on the meta device, and for whole spaces from a few counts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scaling.costs.counting.depth import COSTLESS, Arch, along_depth
from scaling.costs.counting.dispatcher import count_dispatched
from scaling.models import build_model
from scaling.models.meta import on_meta
from scaling.study.errors import CostError
from scaling.study.records import CountedCost
from scaling.study.storage import write_atomically

ImageSize = int | tuple[int, int]

_COUNTS = ("params", "macs", "fvcore_flops", "activations", "training_macs")


def quick_cost(
    family: str,
    arch: Arch,
    *,
    image_size: ImageSize | None = None,
    in_chans: int | None = None,
    num_classes: int | None = None,
) -> CountedCost:
    """Count what a member of a family costs, without allocating it: the integers of `scaling.measure`.

    Args:
        arch: parameters of the family, as for `build_model`.
        image_size, in_chans, num_classes: where given, in the place of those in `arch`.

    Raises:
        ModelError: no such network can be built.
        CostError: an operator may multiply matrices and torch's counter does not know it.
    """
    return _count(family, completed(arch, image_size, in_chans, num_classes))


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
    family: str,
    archs: Sequence[Arch],
    *,
    image_size: ImageSize | None = None,
    in_chans: int | None = None,
    num_classes: int | None = None,
    cache: Path | None = None,
    sample: int = 8,
    seed: int = 0,
) -> list[CountedCost]:
    """Cost of every one of `archs`, in their order: the integers that `quick_cost` gives for each.

    Args:
        cache: file that keeps what was counted, under the content of the architecture and of the code; none: no file.
        sample: how many of those that were not counted themselves are counted after all, to compare.
        seed: of the sample.

    Raises:
        ModelError: a network cannot be built.
        CostError: a computed cost is not the counted one.
    """
    wanted = [completed(arch, image_size, in_chans, num_classes) for arch in archs]
    keys = [_key(family, arch) for arch in wanted]
    known = _read(cache)
    new = {key: arch for key, arch in zip(keys, wanted, strict=True) if key not in known}
    counted = along_depth(family, new, lambda arch: _numbers(_count(family, arch)), sample=sample, seed=seed)
    known |= {key: CountedCost(**dict(zip(_COUNTS, numbers, strict=True))) for key, numbers in counted.items()}
    if cache is not None and new:
        _write(cache, known)
    return [known[key] for key in keys]


def _numbers(cost: CountedCost) -> tuple[int, ...]:
    return tuple(getattr(cost, name) for name in _COUNTS)


def completed(
    arch: Arch, image_size: ImageSize | None, in_chans: int | None, num_classes: int | None
) -> dict[str, Any]:
    """Parameters of a network with what the data decide put in, where it is given; nothing is downloaded for it."""
    given = {"image_size": image_size, "in_chans": in_chans, "num_classes": num_classes}
    empty = {"pretrained": False} if "pretrained" in arch else {}
    return {**arch, **empty, **{name: value for name, value in given.items() if value is not None}}


def _count(family: str, arch: Arch) -> CountedCost:
    model = on_meta(lambda: build_model(family, **arch))
    size = arch.get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    image = torch.zeros(1, arch.get("in_chans", 3), height, width, device="meta")
    return quick_cost_of(model, image)


def _key(family: str, arch: Arch) -> str:
    content = [family, {name: value for name, value in arch.items() if name not in COSTLESS}]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _code() -> str:
    """Digest of the code that counts depend on, so that no cache outlives it."""
    digest = hashlib.sha256(torch.__version__.encode())
    package = Path(__file__).parents[2]
    for path in sorted([*package.glob("models/*.py"), *package.glob("costs/counting/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(cache: Path | None) -> dict[str, CountedCost]:
    """What a cache file holds; nothing where there is none, or one of other code."""
    if cache is None or not cache.is_file():
        return {}
    try:
        content = json.loads(cache.read_bytes())
        stored = content["costs"] if content["code"] == _code() else {}
        return {key: CountedCost.model_validate(cost) for key, cost in stored.items()}
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CostError(f"{cache} is no cache of costs; delete it, or name another file") from None


def _write(cache: Path, costs: Mapping[str, CountedCost]) -> None:
    content = {"code": _code(), "costs": {key: cost.model_dump(exclude_none=True) for key, cost in costs.items()}}
    write_atomically(cache, json.dumps(content, sort_keys=True).encode())
