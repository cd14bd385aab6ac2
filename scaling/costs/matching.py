"""Equal costs: the width, or another parameter, at which an architecture has a given cost.

The nearest member of the family is found by bisection, since costs grow with width and with depth.
"""

import functools
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import annotated_types
from pydantic.fields import FieldInfo

from scaling.costs.counting.depth import DEPTH, Arch
from scaling.costs.counting.quick import OfData, completed, quick_cost
from scaling.costs.live_tensors import Step
from scaling.costs.memory import inference_memory, training_memory
from scaling.models import check_arch, parameters
from scaling.study.errors import CostError, ModelError, unknown
from scaling.study.metrics import METRICS, counted_costs, predicted_costs
from scaling.study.records import CountedCost

# field of a record → its prediction, which needs a `Step`
MEMORIES = {"training_memory_bytes": training_memory, "inference_memory_bytes": inference_memory}
FRACTION = 1 / 64  # step of parameters that are not integers, such as a width multiplier
LARGEST = 2**16  # steps above zero; no wider or deeper network is tried


@dataclass(frozen=True)
class Matched:
    """A member of a family whose cost is close to a target."""

    arch: dict[str, Any]
    cost: float
    target: float

    @property
    def gap(self) -> float:
        """Difference from the target as a fraction of it; negative where the cost is lower."""
        return self.cost / self.target - 1


def match(
    family: str,
    arch: Arch,
    *,
    cost: str,
    target: float,
    vary: str = "width",
    step: Step | None = None,
    tolerance: float | None = None,
    **data: Unpack[OfData],
) -> Matched:
    """Find the value of `vary` at which the `cost` is nearest to `target`, as a ratio.

    Args:
        arch: the other parameters; a value of `vary` in it is ignored.
        cost: one of `match_costs`.
        step: of training or evaluation, for costs in bytes.
        tolerance: largest gap to accept, as a fraction of the target; None accepts the nearest member.
        data: image_size, in_chans, num_classes; they replace those in `arch`.

    Raises:
        ModelError: the family or a parameter is unknown, or the other parameters allow no network.
        CostError: the cost is unknown, no value is near enough, or the target is out of reach.
    """
    fixed = {key: value for key, value in completed(arch, **data).items() if key != vary}
    return _nearest(family, fixed, vary, cost_function(family, cost, step), cost, target, tolerance)


def match_arms(
    family: str,
    arms: Mapping[str, Arch],
    *,
    cost: str,
    vary: str = "width",
    step: Step | None = None,
    tolerance: float | None = None,
) -> dict[str, Matched]:
    """Give every arm the value of `vary` at which its cost equals that of the first arm, which is kept.

    Args:
        arms: name → complete architecture, with `image_size`, `in_chans` and `num_classes` unless they are the
            defaults; the first is the baseline.
        cost, step, tolerance: as in `match`.
    """
    cost_of = cost_function(family, cost, step)
    (baseline, own), *others = arms.items()
    target = cost_of(own)
    matched = {baseline: Matched(dict(own), target, target)}
    for name, arch in others:
        fixed = {key: value for key, value in arch.items() if key != vary}
        matched[name] = _nearest(family, fixed, vary, cost_of, cost, target, tolerance)
    return matched


def counted(cost: str, counts: CountedCost) -> float:
    """Return a cost that follows from the counts of a model: one of them, or a metric that is computed from them."""
    return getattr(counts, cost) if cost in CountedCost.model_fields else METRICS[cost].of(counts.model_dump())


def match_costs() -> list[str]:
    """Costs that can be made equal: those that are counted, and the predicted memory."""
    return predicted_costs()


def cost_function(family: str, cost: str, step: Step | None) -> Callable[[Arch], float]:
    """Return a function from an architecture to one of its costs.

    Raises:
        CostError: there is no such cost, or it needs a step and none is given.
    """
    if cost in counted_costs():
        return lambda arch: counted(cost, quick_cost(family, arch))
    if cost not in match_costs():
        raise CostError(unknown("cost", cost, match_costs()))
    if step is None:
        raise CostError(f"{cost} depends on the batch; give a batch size")
    return functools.partial(_memory, cost, family, step)


def _memory(cost: str, family: str, step: Step, arch: Arch) -> float:
    fields = METRICS[cost].fields
    memories = {field: MEMORIES[field](family, arch, step) for field in fields if field in MEMORIES}
    counts = quick_cost(family, arch).model_dump() if set(fields) - set(memories) else {}
    return METRICS[cost].of_whole({**counts, **memories})


def _nearest(
    family: str,
    fixed: Arch,
    vary: str,
    cost_of: Callable[[Arch], float],
    cost: str,
    target: float,
    tolerance: float | None,
) -> Matched:
    if target <= 0:
        raise CostError(f"{cost} cannot be {target:g}; give a number above 0")
    grid = _Grid(family, fixed, vary)

    @functools.cache
    def costs(number: int) -> float:
        return cost_of({**fixed, vary: grid.value(number)})

    def on_secant(low: int, high: int) -> int:
        """Return the target's place if the cost grows linearly, as with depth, where counting is slow."""
        return low + round((target - costs(low)) * (high - low) / max(1, costs(high) - costs(low)))

    low, high = 0, grid.first(1)
    while costs(high) < target:  # go up until the target lies between
        most = LARGEST if vary == DEPTH and low else 2 * high
        low, high = high, grid.first(min(most, max(high + 1, on_secant(low, high))) if low else 2 * high)
    while low and (middle := grid.between(low, high, on_secant(low, high) if vary == DEPTH else None)) is not None:
        low, high = (middle, high) if costs(middle) < target else (low, middle)
    low = low or high
    best = min((low, high), key=lambda number: max(costs(number) / target, target / max(1, costs(number))))
    matched = Matched({**fixed, vary: grid.value(best)}, costs(best), target)
    if tolerance is not None and abs(matched.gap) > tolerance:
        raise CostError(
            f"{family}: the nearest {vary}, {grid.value(best)}, has {cost} {costs(best):,}, {matched.gap:+.1%} from"
            f" {target:,.0f}; allow a larger tolerance or vary another parameter"
        )
    return matched


class _Grid:
    """The values of a parameter: multiples of its step that the family allows."""

    def __init__(self, family: str, fixed: Arch, vary: str) -> None:
        known = parameters(family)
        if vary not in known:
            raise ModelError(f"{family}: {unknown('parameter', vary, known)}")
        kind, self.step = _type_and_step(known[vary].annotation)
        if kind not in (int, float):
            raise CostError(f"{family}: {vary} is not a number; vary another parameter, such as width or depth")
        self.family, self.fixed, self.vary = family, fixed, vary
        self.allowed: dict[int, bool] = {}

    def value(self, number: int) -> int | float:
        return number * self.step

    def first(self, number: int) -> int:
        """Return the first allowed one from `number` on."""
        for candidate in range(number, min(number + 64, LARGEST)):
            if self._allows(candidate):
                return candidate
        check_arch(self.family, {**self.fixed, self.vary: self.value(number)})  # raises with the reason
        raise CostError(f"{self.family}: no {self.vary} up to {self.value(LARGEST)} costs so much")

    def between(self, low: int, high: int, wanted: int | None) -> int | None:
        """Return an allowed one between the two, near `wanted` or else their middle; None if there is none."""
        middle = (low + high) // 2 if wanted is None else min(max(wanted, low + 1), high - 1)
        for distance in range(high - low):
            for candidate in (middle - distance, middle + distance):
                if low < candidate < high and self._allows(candidate):
                    return candidate
        return None

    def _allows(self, number: int) -> bool:
        if number not in self.allowed:
            try:
                check_arch(self.family, {**self.fixed, self.vary: self.value(number)})
                self.allowed[number] = True
            except ModelError:
                self.allowed[number] = False
        return self.allowed[number]


def _type_and_step(annotation: Any) -> tuple[Any, int | float]:
    """Return the type of a parameter and the step between its values, from its annotation."""
    kind, *notes = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Annotated else (annotation,)
    rules = [rule for note in notes for rule in (note.metadata if isinstance(note, FieldInfo) else [note])]
    multiples = [rule.multiple_of for rule in rules if isinstance(rule, annotated_types.MultipleOf)]
    whole = multiples[0] if multiples and isinstance(multiples[0], int) else 1
    return kind, whole if kind is int else FRACTION
