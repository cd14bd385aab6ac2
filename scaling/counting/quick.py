"""Costs before anything is built: counted on the meta device, and for whole spaces from a few counts.

A network of equal blocks costs a + b · depth, exactly: two counts give all depths. What is computed so is compared with
direct counts on a random sample, in every call.
"""

import hashlib
import itertools
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scaling.counting.dispatcher import count_dispatched
from scaling.errors import CostError, ModelError
from scaling.models import build_model, check_arch
from scaling.records import Cost, write_atomically

Arch = Mapping[str, Any]
ImageSize = int | tuple[int, int]

DEPTH = "depth"  # the parameter that repeats equal blocks
# Parameters of training, which no count depends on.
_COSTLESS = frozenset({"drop_path", "dropout", "layer_scale", "pooling_layer_scale", "pooling_exponent"})
_COUNTS = ("params", "macs", "fvcore_flops", "activations", "training_macs")


def quick_cost(
    family: str,
    arch: Arch,
    *,
    image_size: ImageSize | None = None,
    in_chans: int | None = None,
    num_classes: int | None = None,
) -> Cost:
    """Count what a member of a family costs, without allocating it: the integers of `scaling.measure`.

    Args:
        arch: parameters of the family, as for `build_model`.
        image_size, in_chans, num_classes: where given, in the place of those in `arch`.

    Raises:
        ModelError: no such network can be built.
        CostError: an operator may multiply matrices and torch's counter does not know it.
    """
    return _count(family, _complete(arch, image_size, in_chans, num_classes))


def quick_cost_of(model: nn.Module, image: torch.Tensor) -> Cost:
    """Count a model that was built on the meta device, for one `image` (1, C, H, W) there; see `quick_cost`."""
    tally = count_dispatched(model.eval(), image)
    tally.check(type(model).__name__)
    return Cost(
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
) -> list[Cost]:
    """Cost of every one of `archs`, in their order: the integers that `quick_cost` gives for each.

    Args:
        cache: file that keeps what was counted, under the content of the architecture and of the code; none: no file.
        sample: how many of those that were not counted themselves are counted after all, to compare.
        seed: of the sample.

    Raises:
        ModelError: a network cannot be built.
        CostError: a computed cost is not the counted one.
    """
    wanted = [_complete(arch, image_size, in_chans, num_classes) for arch in archs]
    keys = [_key(family, arch) for arch in wanted]
    known = _read(cache)
    new = {key: arch for key, arch in zip(keys, wanted, strict=True) if key not in known}
    counted, computed = _counted_and_computed(family, new)
    for key in random.Random(seed).sample(sorted(computed), min(sample, len(computed))):
        counted[key] = _count(family, new[key])
        if counted[key] != computed[key]:
            named = " ".join(f"{name}={value}" for name, value in new[key].items())
            raise CostError(
                f"{family}: from other depths, {named} should have {computed[key].macs:,} MACs; counted"
                f" {counted[key].macs:,}; its blocks are not equal, so count each with quick_cost"
            )
    known |= computed | counted
    if cache is not None and new:
        _write(cache, known)
    return [known[key] for key in keys]


def _counted_and_computed(family: str, archs: Mapping[str, Arch]) -> tuple[dict[str, Cost], dict[str, Cost]]:
    """Costs by key: those that were counted, and those that follow from two counts at other depths."""
    groups = sorted(_same_but_depth(archs), key=len, reverse=True)
    counted: dict[str, Cost] = {}
    computed: dict[str, Cost] = {}
    may_compute = True
    for number, group in enumerate(groups):
        line = _line(family, list(group.values())) if may_compute and len(group) > 2 else None
        if line is not None and number == 0:  # does depth repeat equal blocks at all?
            deepest = max(group, key=lambda key: group[key][DEPTH])
            counted[deepest] = _count(family, group[deepest])
            may_compute = counted[deepest] == _at(line, group[deepest][DEPTH])
        for key, arch in group.items():
            if line is not None and may_compute:
                computed[key] = _at(line, arch[DEPTH])
            elif key not in counted:
                counted[key] = _count(family, arch)
    return counted, computed


def _complete(
    arch: Arch, image_size: ImageSize | None, in_chans: int | None, num_classes: int | None
) -> dict[str, Any]:
    given = {"image_size": image_size, "in_chans": in_chans, "num_classes": num_classes}
    return {**arch, **{name: value for name, value in given.items() if value is not None}}


def _count(family: str, arch: Arch) -> Cost:
    with torch.device("meta"):
        model = build_model(family, **arch)
        size = arch.get("image_size", 224)
        height, width = (size, size) if isinstance(size, int) else size
        image = torch.zeros(1, arch.get("in_chans", 3), height, width)
    return quick_cost_of(model, image)


def _same_but_depth(archs: Mapping[str, Arch]) -> Iterable[dict[str, Arch]]:
    """Groups of architectures that differ in depth alone; one without a whole-numbered depth is alone."""
    groups: dict[str, dict[str, Arch]] = {}
    for key, arch in archs.items():
        depth = arch.get(DEPTH)
        whole = isinstance(depth, int) and not isinstance(depth, bool)
        rest = {name: value for name, value in arch.items() if name != DEPTH and name not in _COSTLESS}
        groups.setdefault(json.dumps(rest, sort_keys=True) if whole else key, {})[key] = arch
    return groups.values()


def _line(family: str, group: list[Arch]) -> tuple[int, Cost, int, Cost] | None:
    """Two depths and their costs; the shallowest that the family allows, since those are counted fastest."""
    depths = sorted({arch[DEPTH] for arch in group})
    for low, high in ((1, 2), *itertools.pairwise(depths)):
        try:
            check_arch(family, {**group[0], DEPTH: low})
            check_arch(family, {**group[0], DEPTH: high})
        except ModelError:
            continue
        shallow, deep = ({**group[0], DEPTH: depth} for depth in (low, high))
        return low, _count(family, shallow), high, _count(family, deep)
    return None


def _at(line: tuple[int, Cost, int, Cost], depth: int) -> Cost:
    low, shallow, high, deep = line
    numbers = {}
    for name in _COUNTS:
        start, end = getattr(shallow, name), getattr(deep, name)
        numbers[name] = start + (end - start) * (depth - low) // (high - low)
    return Cost(**numbers)


def _key(family: str, arch: Arch) -> str:
    content = [family, {name: value for name, value in arch.items() if name not in _COSTLESS}]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _code() -> str:
    """Digest of the code that counts depend on, so that no cache outlives it."""
    digest = hashlib.sha256(torch.__version__.encode())
    package = Path(__file__).parents[1]
    for path in sorted([*package.glob("models/*.py"), *package.glob("counting/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(cache: Path | None) -> dict[str, Cost]:
    """What a cache file holds; nothing where there is none, or one of other code."""
    if cache is None or not cache.is_file():
        return {}
    try:
        content = json.loads(cache.read_bytes())
        stored = content["costs"] if content["code"] == _code() else {}
        return {key: Cost.model_validate(cost) for key, cost in stored.items()}
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CostError(f"{cache} is no cache of costs; delete it, or name another file") from None


def _write(cache: Path, costs: Mapping[str, Cost]) -> None:
    content = {"code": _code(), "costs": {key: cost.model_dump(exclude_none=True) for key, cost in costs.items()}}
    write_atomically(cache, json.dumps(content, sort_keys=True).encode())
