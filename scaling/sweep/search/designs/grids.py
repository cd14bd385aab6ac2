"""Designs that do not look at results: a grid, evenly spread points, random points."""

from typing import TYPE_CHECKING

import optuna

from scaling.space.design import cells
from scaling.space.schema import Space
from scaling.sweep.search.optuna_search import sampled
from scaling.sweep.search.proposals import Proposals, Wanted, design
from scaling.sweep.search.sampling import sample_cells, size_of

if TYPE_CHECKING:
    from scaling.sweep.search.feasibility import Feasibility

MOST_DRAWS = 16  # times the wanted cells, to find as many within the limits


@design
def grid(space: Space, feasibility: "Feasibility") -> Proposals:
    """Propose all cells within the limits, or as many as `search.cells` or --samples ask for, spread evenly."""
    points = cells(space) if space.search.cells is None else sample_cells(space.axes, space.search.cells)
    yield [Wanted(cell, space.repetitions) for cell in feasibility.admit(points)]


@design(samples=True)
def sobol(space: Space, feasibility: "Feasibility") -> Proposals:
    """Spread cells evenly over the space (scrambled Sobol points). More cells keep the earlier ones."""
    wanted = space.search.cells
    assert wanted is not None  # ensured by the check of the space
    drawn, size = wanted, size_of(space.axes)
    while True:
        points = sample_cells(space.axes, int(min(drawn, size)), space.search.seed)
        kept = feasibility.feasible(points)
        if len(kept) >= wanted or drawn >= min(size, MOST_DRAWS * wanted):
            break
        drawn *= 2
    yield [Wanted(cell, space.repetitions) for cell in kept[:wanted] or feasibility.admit(points)]


@design(samples=True)
def random(space: Space, feasibility: "Feasibility") -> Proposals:
    """Draw cells independently and uniformly (log-uniformly on a logarithmic range)."""
    return sampled(space, feasibility, lambda seed, cells: optuna.samplers.RandomSampler(seed), in_one_batch=True)
