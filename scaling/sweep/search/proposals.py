"""What a design is: a generator that proposes the cells that a study runs.

A design yields batches of cells, each with the number of repetitions to run, and receives the records of the study
when a batch is done. It sees whole cells only: every cell runs all its arms, so no design can unbalance the comparison.
Equal records must give equal proposals, because an interrupted study repeats them.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from scaling.space.design import Cell
from scaling.space.schema import Space
from scaling.space.search_settings import DESIGNS, SearchDesign
from scaling.study.errors import SpaceError
from scaling.study.records import Record

if TYPE_CHECKING:  # a space is checked against the designs' names without loading torch
    from scaling.sweep.search.feasibility import Feasibility


@dataclass(frozen=True)
class Wanted:
    """A cell to run with all its arms and repetitions 0 to `repetitions` - 1."""

    cell: Cell
    repetitions: int


Proposals = Generator[list[Wanted], Sequence[Record], None]
DesignFunction = Callable[[Space, "Feasibility"], Proposals]


@overload
def design(function: DesignFunction) -> DesignFunction: ...
@overload
def design(*, samples: bool = False, searches: bool = False) -> Callable[[DesignFunction], DesignFunction]: ...
def design(function: DesignFunction | None = None, *, samples: bool = False, searches: bool = False) -> Any:
    """Register a design under its function's name, as `@design` or `@design(samples=True)`.

    Args:
        samples: it runs `search.cells` cells, and so needs that number.
        searches: it looks at results between batches.
    """

    def register(function: DesignFunction) -> DesignFunction:
        made = SearchDesign(function, samples=samples, searches=searches)
        DESIGNS.add(function.__name__, made, module=function.__module__)
        return function

    return register if function is None else register(function)


class Batches:
    """Takes batches of cells from a design, one after the other."""

    def __init__(self, proposals: Proposals) -> None:
        self.is_exhausted = False
        self.count = 0
        self._proposals = proposals

    def next(self, records: Iterable[Record]) -> list[Wanted]:
        """Take the next batch, given the records so far; empty if the design is exhausted."""
        try:
            batch = self._proposals.send(list(records)) if self.count else next(self._proposals)
        except StopIteration:
            self.is_exhausted = True
            return []
        if not batch:
            raise SpaceError("the design proposes no cell")  # a bug of the design, which would loop forever
        self.count += 1
        return batch
