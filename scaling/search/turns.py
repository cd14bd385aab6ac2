"""Turns: in which order the trials of a batch of cells are handed out, seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """When the trials of a cell come: places from 0."""

    cell: int  # among the cells of its batch
    arms: Mapping[str, int]  # of each arm within the cell


def turns(costs: Sequence[Mapping[str, float]], *, cheap_first: bool) -> list[Turn]:
    """Turns of cells whose arms cost so much.

    Where nothing speaks for another order, what is dear comes first: at the end of a study slots stand idle for as
    long as the trial that started last, which had better be a cheap one. A cell's arms stay together, dear first too,
    so that a study stopped at any moment is nearly balanced.

    Args:
        cheap_first: cells that are cheap come first, and arms as the space has them: others are judged by them.
    """
    sign = 1 if cheap_first else -1
    cells = _places([sign * sum(of_arms.values()) for of_arms in costs])
    arms = [[0.0 if cheap_first else -cost for cost in of_arms.values()] for of_arms in costs]
    return [
        Turn(cell, dict(zip(of_arms, _places(within), strict=True)))
        for cell, of_arms, within in zip(cells, costs, arms, strict=True)
    ]


def _places(values: Sequence[float]) -> list[int]:
    """Place of each among the values in rising order; equal ones keep their order."""
    places = [0] * len(values)
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        places[index] = place
    return places
