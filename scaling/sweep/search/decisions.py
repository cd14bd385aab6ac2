"""What a stopping rule is: a function that decides about a cell at a rung.

A cell reaches a rung when all its arms have trained up to the rung's epoch in the first repetition, under the full
schedule. A rule sees all cells that have reached the rung so far and all finished trials. It judges whole cells, never
one arm of a cell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, overload

from scaling.space.search_settings import STOPPING_RULES, Stop
from scaling.study.records import Record


class Action(Enum):
    """What happens to a cell at a rung."""

    CONTINUE = "continue"
    WAIT = "wait"
    STOP = "stop"


@dataclass(frozen=True)
class Decision:
    """What a rule decides about a cell; build one with `Decision.stop` or take `CONTINUE` or `WAIT`."""

    action: Action
    reason: str = ""  # of a stop, for the records

    @classmethod
    def stop(cls, reason: str) -> "Decision":
        return cls(Action.STOP, reason)


CONTINUE, WAIT = Decision(Action.CONTINUE), Decision(Action.WAIT)


@dataclass(frozen=True)
class RungResult:
    """A cell at a rung."""

    cell: str  # its label
    rung: int  # counted from 0
    epoch: int
    accuracy: Mapping[str, float]  # arm → validation accuracy in percent at that epoch, at its best learning rate
    macs: Mapping[str, int]  # arm → multiply-accumulates of an image's forward pass
    earlier: Decision | None = None  # decision of an earlier command, which stands


@dataclass(frozen=True)
class RungState:
    """What a rule may look at besides the cell's own result."""

    arrived: int  # cells that have reached this rung so far, the judged one included
    rank: int  # of the judged cell among them, from 0; see `scaling.sweep.search.rungs.ranks`
    coming: int  # cells that may still reach this rung
    finished: Sequence[Record]
    is_last: bool  # nothing else is running or will come, so that waiting cannot help


StoppingRule = Callable[[Stop, RungResult, RungState], Decision]


@overload
def stopping(function: StoppingRule, /) -> StoppingRule: ...
@overload
def stopping() -> Callable[[StoppingRule], StoppingRule]: ...
def stopping(function: StoppingRule | None = None, /) -> Any:
    """Register a stopping rule under its function's name."""
    if function is None:
        return stopping
    STOPPING_RULES.add(function.__name__, function, module=function.__module__)
    return function


def rung_epochs(stop: Stop, epochs: int) -> list[int]:
    """Epochs at which cells are judged: first, first · factor, first · factor², … below the last one."""
    found, epoch = [], stop.first
    while epoch < epochs:
        found.append(epoch)
        epoch *= stop.factor
    return found


def behind(result: RungResult, state: RungState) -> Decision:
    """Stop a cell because of its rank."""
    return Decision.stop(f"rank {state.rank + 1} of {state.arrived} cells at epoch {result.epoch}")
