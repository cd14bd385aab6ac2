"""Proposals: which cells a study runs, one function a design, found by its name.

A design is a generator. It yields batches of cells, each with the number of seeds that it wants of them, and is sent
the records of the study when a batch is done. It sees cells only: every cell has all its arms, so that no design can
unbalance the comparison. Equal records must give equal proposals, for a study that is interrupted asks again.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from scaling.space.design import Cell, cells
from scaling.space.schema import Space
from scaling.study.records import Record
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.sampling import sample_cells, size_of


@dataclass(frozen=True)
class Wanted:
    """A cell with all its arms, and seeds 0 to `seeds` - 1."""

    cell: Cell
    seeds: int


Proposals = Generator[list[Wanted], Sequence[Record], None]
DesignFunction = Callable[[Space, Feasibility], Proposals]
MOST_DRAWS = 16  # times the wanted cells, to find as many within the limits
DESIGNS: dict[str, DesignFunction] = {}
SAMPLED = {"random", "sobol", "tpe", "gp", "nsga2"}  # designs that take as many cells as they are told
SEARCHED = {"tpe", "gp", "nsga2"}  # designs that look at results


def design(function: DesignFunction) -> DesignFunction:
    """Register a design under its function's name."""
    DESIGNS[function.__name__] = function
    return function


@design
def grid(space: Space, feasibility: Feasibility) -> Proposals:
    """All cells within the limits; `search.cells` or --samples take some of them, spread evenly."""
    points = cells(space) if space.search.cells is None else sample_cells(space.axes, space.search.cells)
    yield [Wanted(cell, space.seeds) for cell in feasibility.admit(points)]


@design
def sobol(space: Space, feasibility: Feasibility) -> Proposals:
    """Cells spread evenly over the space: scrambled Sobol points. More of them keep the earlier ones."""
    wanted = space.search.cells
    assert wanted is not None  # held by the check of the space
    drawn, size = wanted, size_of(space.axes)
    while True:
        points = sample_cells(space.axes, int(min(drawn, size)), space.search.seed)
        kept = feasibility.feasible(points)
        if len(kept) >= wanted or drawn >= min(size, MOST_DRAWS * wanted):
            break
        drawn *= 2
    yield [Wanted(cell, space.seeds) for cell in kept[:wanted] or feasibility.admit(points)]
