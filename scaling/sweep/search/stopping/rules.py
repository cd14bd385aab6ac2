"""Stopping: when a whole cell is given up, one function a rule, found by its name.

A cell stands at a rung when all its arms have trained up to the rung's epoch, with the first seed and under the full
schedule. A rule sees all cells that have come so far and what is finished. It judges cells, never one arm of a cell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scaling.space.search_settings import Stop
from scaling.study.records import Record

Decision = Literal["go on", "wait"] | str  # anything else is the reason why the cell is stopped


@dataclass(frozen=True)
class RungResult:
    """A cell at a rung."""

    cell: str  # its label
    rung: int  # counted from 0
    epoch: int
    accuracy: Mapping[str, float]  # arm → percent on validation at that epoch; the best rate's where several are tried
    macs: Mapping[str, int]  # arm → multiply-accumulates of an image's forward pass
    before: Decision | None = None  # what an earlier command has decided here, which holds


@dataclass(frozen=True)
class RungState:
    """What a rule may look at."""

    here: int  # cells that have come to this rung so far, the one in question among them
    place: int  # of the cell in question among them, from 0; see `scaling.sweep.search.rung_epochs`
    coming: int  # cells that may still come to this rung
    finished: Sequence[Record]
    is_last: bool  # nothing else is running or will come: a rule that waits now, stops the cell


StoppingRule = Callable[[Stop, RungResult, RungState], Decision]
RULES: dict[str, StoppingRule] = {}


def stopping(function: StoppingRule) -> StoppingRule:
    """Register a rule under its function's name."""
    RULES[function.__name__] = function
    return function


def rung_epochs(stop: Stop, epochs: int) -> list[int]:
    """Epochs at which cells are judged: first, first · factor, first · factor², … below the last one."""
    found, epoch = [], stop.first
    while epoch < epochs:
        found.append(epoch)
        epoch *= stop.factor
    return found


@stopping
def asha(stop: Stop, rung_result: RungResult, field: RungState) -> Decision:
    """Go on with the best 1/factor of the cells that have come to the rung so far; the others wait for their turn.

    Li et al., "A System for Massively Parallel Hyperparameter Tuning", arXiv 1810.05934, algorithm 2, with cells
    ranked by how many others dominate them in accuracy and cost: by accuracy alone only the largest would survive.
    """
    best = field.here // stop.factor
    if field.place < (max(1, best) if field.is_last else best):
        return "go on"
    return _behind(rung_result, field) if field.is_last else "wait"


@stopping
def halving(stop: Stop, rung_result: RungResult, field: RungState) -> Decision:
    """Wait until all cells have come to the rung, then go on with the best 1/factor: the same whatever the order.

    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification", arXiv 1502.07943.
    """
    if field.coming and not field.is_last:
        return "wait"
    return "go on" if field.place < max(1, field.here // stop.factor) else _behind(rung_result, field)


def _behind(rung_result: RungResult, field: RungState) -> str:
    return f"{field.place + 1}. of {field.here} cells at epoch {rung_result.epoch}"


def mean(values: Mapping[str, float]) -> float:
    """Mean over the arms."""
    return sum(values.values()) / len(values)
