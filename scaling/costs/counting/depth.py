"""Numbers of many architectures from few: a network of equal blocks costs a + b · depth, exactly.

Two counts at small depths give all depths. What is computed so is compared with direct counts on a random sample, in
every call.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scaling.models import check_arch
from scaling.study.errors import CostError, ModelError

Arch = Mapping[str, Any]
Numbers = tuple[int, ...]
Count = Callable[[Arch], Numbers]  # what is counted directly
Line = tuple[int, Numbers, int, Numbers]  # two depths, each with its numbers

DEPTH = "depth"  # the parameter that repeats equal blocks
SHALLOW = (2, 3)  # depths that are counted; at 1 a block may be first and last at once
COSTLESS = frozenset({"drop_path", "dropout", "layer_scale", "pooling_layer_scale", "pooling_exponent"})  # of training


def on_line(line: Line, depth: int) -> Numbers:
    """Numbers at `depth` of what costs a + b · depth."""
    low, shallow, high, deep = line
    return tuple(
        start + (end - start) * (depth - low) // (high - low) for start, end in zip(shallow, deep, strict=True)
    )


def along_depth(
    family: str,
    archs: Mapping[str, Arch],
    count: Count,
    *,
    sample: int,
    seed: int,
    extrapolate: Callable[[Line, int], Numbers] = on_line,
    tolerance: float = 0.0,
) -> dict[str, Numbers]:
    """Numbers of every one of `archs`, as `count` gives them, from as few counts as can be.

    Args:
        extrapolate: numbers at a depth from those at two others.
        sample: how many of those that were not counted are counted after all, to compare.
        tolerance: of the comparison, as a part of the counted number.

    Raises:
        CostError: a computed number is not the counted one.
    """
    groups = sorted(_same_but_depth(archs), key=len, reverse=True)
    counted: dict[str, Numbers] = {}
    computed: dict[str, Numbers] = {}
    may_compute = True
    for number, group in enumerate(groups):
        depths = [arch[DEPTH] for arch in group.values() if _is_whole(arch.get(DEPTH))]
        pays = sum(depths) > sum(SHALLOW)
        line = _line(family, list(group.values()), count) if may_compute and pays else None
        if line is not None and number == 0:  # does depth repeat equal blocks at all?
            deepest = max(group, key=lambda key: group[key][DEPTH])
            counted[deepest] = count(group[deepest])
            may_compute = _agree(counted[deepest], extrapolate(line, group[deepest][DEPTH]), tolerance)
        for key, arch in group.items():
            if line is not None and may_compute:
                computed[key] = extrapolate(line, arch[DEPTH])
            elif key not in counted:
                counted[key] = count(arch)
    for key in random.Random(seed).sample(sorted(computed), min(sample, len(computed))):
        counted[key] = count(archs[key])
        if not _agree(counted[key], computed[key], tolerance):
            named = " ".join(f"{name}={value}" for name, value in archs[key].items())
            raise CostError(
                f"{family}: from other depths, {named} should cost {computed[key]}; counted {counted[key]};"
                " its blocks are not equal, so count each member by itself"
            )
    return computed | counted


def _same_but_depth(archs: Mapping[str, Arch]) -> Iterable[dict[str, Arch]]:
    """Groups of architectures that differ in depth alone; one without a whole-numbered depth is alone."""
    groups: dict[str, dict[str, Arch]] = {}
    for key, arch in archs.items():
        rest = {name: value for name, value in arch.items() if name != DEPTH and name not in COSTLESS}
        alike = json.dumps(rest, sort_keys=True) if _is_whole(arch.get(DEPTH)) else key
        groups.setdefault(alike, {})[key] = arch
    return groups.values()


def _is_whole(depth: Any) -> bool:
    return isinstance(depth, int) and not isinstance(depth, bool)


def _line(family: str, group: Sequence[Arch], count: Count) -> Line | None:
    """Two depths and their numbers: the shallowest that the family allows, since those are counted fastest."""
    depths = sorted({arch[DEPTH] for arch in group})
    for low, high in (SHALLOW, *itertools.pairwise(depths)):
        shallow, deep = ({**group[0], DEPTH: depth} for depth in (low, high))
        try:
            check_arch(family, shallow)
            check_arch(family, deep)
        except ModelError:
            continue
        return low, count(shallow), high, count(deep)
    return None


def _agree(counted: Numbers, computed: Numbers, tolerance: float) -> bool:
    return all(abs(a - b) <= tolerance * a for a, b in zip(counted, computed, strict=True))
