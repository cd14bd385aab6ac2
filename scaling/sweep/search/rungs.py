"""Rungs: which cells are at which rung, which may still reach it, and how they rank."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from scaling.sweep.search.decisions import RungResult


@dataclass
class _Rung:
    """A rung with all cells that have reached it, those that continued or were stopped there included."""

    arrived: dict[str, RungResult] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)  # numbers of the cells that wait for a decision
    ranks: dict[str, int] | None = None  # None: to be computed again


class Rungs:
    """Tracks cells, by their numbers, on the rungs at which they are judged.

    Thousands of cells may wait when one more arrives, and each is judged again. The queries for that take constant
    time, however many cells there are.
    """

    def __init__(self) -> None:
        self._rungs: dict[int, _Rung] = {}
        self._at: dict[int, int] = {}  # cell → rung for which it trains, or at which it waits
        self._count: Counter[int] = Counter()  # rung → cells that `_at` has there
        self.waiting = 0  # cells that wait for a decision

    def starts(self, number: int) -> None:
        """Note that a cell trains for its first rung, or for its next one."""
        rung = 0
        if number in self._at:
            rung = self._at[number] + 1
            self._count[rung - 1] -= 1
        self._at[number] = rung
        self._count[rung] += 1

    def arrives(self, number: int, result: RungResult) -> set[int]:
        """Note that a cell has reached its rung; return the cells to judge again."""
        rung = self._rungs.setdefault(result.rung, _Rung())
        rung.arrived[result.cell] = result
        rung.ranks = None
        rung.waiting.add(number)
        self.waiting += 1
        return set(rung.waiting)

    def decided(self, number: int) -> None:
        """Note that a cell no longer waits; it starts for its next rung or leaves."""
        self._rungs[self._at[number]].waiting.remove(number)
        self.waiting -= 1

    def leaves(self, number: int) -> set[int]:
        """Note that a cell will reach no further rung; return the cells that may have waited for it."""
        if number not in self._at:
            return set()
        left = self._at.pop(number)
        self._count[left] -= 1
        return {other for at, rung in self._rungs.items() if at >= left for other in rung.waiting}

    def arrived(self, rung: int) -> int:
        """Number of cells that have reached a rung so far."""
        return len(self._rungs[rung].arrived)

    def coming(self, rung: int) -> int:
        """Number of cells that have not reached a rung yet and may."""
        return sum(count for at, count in self._count.items() if at <= rung) - len(self._rungs[rung].waiting)

    def rank(self, result: RungResult) -> int:
        """Rank of a cell among those at its rung, from 0."""
        rung = self._rungs[result.rung]
        if rung.ranks is None:
            rung.ranks = ranks(rung.arrived.values())
        return rung.ranks[result.cell]


def ranks(arrived: Collection[RungResult]) -> dict[str, int]:
    """Rank cells, from 0: by how many others dominate them in accuracy and cost, then by accuracy, then by name.

    A cell dominates another if it is at least as accurate and at most as expensive, and differs in one of the two;
    both are means over the arms.
    """
    points = sorted((_mean(one.macs), _mean(one.accuracy), one.cell) for one in arrived)
    equals = Counter((cost, accuracy) for cost, accuracy, _ in points)
    order: list[tuple[int, float, str]] = []
    cheaper: list[float] = []  # accuracies of the cells that cost no more, ascending
    for _, group in groupby(points, key=lambda point: point[0]):
        same = list(group)
        for _, accuracy, _ in same:
            insort(cheaper, accuracy)
        for cost, accuracy, cell in same:
            dominating = len(cheaper) - bisect_left(cheaper, accuracy) - equals[cost, accuracy]
            order.append((dominating, -accuracy, cell))
    return {cell: rank for rank, (_, _, cell) in enumerate(sorted(order))}


def _mean(of_arms: Mapping[str, float]) -> float:
    return sum(of_arms.values()) / len(of_arms)
