"""Counts of many architectures from few: a network of equal blocks costs exactly a + b · depth.

Two counts at small depths give all depths. Every call compares a random sample of the results with direct counts.
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
Count = Callable[[Arch], Numbers]  # a direct count
Line = tuple[int, Numbers, int, Numbers]  # two depths, each with its numbers

DEPTH = "depth"  # the parameter that repeats equal blocks
SHALLOW = (2, 3)  # depths that are counted; at depth 1 a block may be both the first and the last
# parameters that do not change costs
COSTLESS = frozenset({"drop_path", "dropout", "layer_scale", "pooling_layer_scale", "pooling_exponent"})


def on_line(line: Line, depth: int) -> Numbers:
    """Return the numbers at `depth` of a cost a + b · depth."""
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
    """Return the numbers of all `archs`, equal to those of `count`, from as few counts as possible.

    Args:
        extrapolate: returns the numbers at a depth from those at two others.
        sample: how many of the extrapolated architectures are counted as well, to compare.
        tolerance: of the comparison, as a fraction of the counted number.

    Raises:
        CostError: an extrapolated number differs from the counted one.
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
    """Group architectures that differ in depth only; one without an integer depth has a group of its own."""
    groups: dict[str, dict[str, Arch]] = {}
    for key, arch in archs.items():
        rest = {name: value for name, value in arch.items() if name != DEPTH and name not in COSTLESS}
        alike = json.dumps(rest, sort_keys=True) if _is_whole(arch.get(DEPTH)) else key
        groups.setdefault(alike, {})[key] = arch
    return groups.values()


def _is_whole(depth: Any) -> bool:
    return isinstance(depth, int) and not isinstance(depth, bool)


def _line(family: str, group: Sequence[Arch], count: Count) -> Line | None:
    """Return two depths with their numbers: the smallest that the family allows, which are counted fastest."""
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
