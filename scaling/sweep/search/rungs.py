"""Ladder: which cells stand at which rung, which may still come there, and how they rank."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import groupby

from scaling.sweep.search.stopping.rules import RungResult, mean


@dataclass
class _Rung:
    """A rung with the cells that have come to it, those that went on from it or were stopped at it included."""

    here: dict[str, RungResult] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)  # numbers of those that wait for a decision
    places: dict[str, int] | None = None  # None: to be found anew


class Rungs:
    """Keeps cells, by their numbers, on the rungs at which they are judged.

    Thousands of cells may wait when one more comes, and each is judged anew: what is asked of the ladder for that does
    not take longer for more cells.
    """

    def __init__(self) -> None:
        self._rungs: dict[int, _Rung] = {}
        self._at: dict[int, int] = {}  # cell → rung for which it trains, or at which it waits
        self._count: Counter[int] = Counter()  # rung → cells that `_at` has there
        self.waiting = 0  # cells that wait for a decision

    def climbs(self, number: int) -> None:
        """A cell trains for its first rung, or its next one."""
        rung = 0
        if number in self._at:
            rung = self._at[number] + 1
            self._count[rung - 1] -= 1
        self._at[number] = rung
        self._count[rung] += 1

    def stands(self, number: int, rung_result: RungResult) -> set[int]:
        """A cell has come to its rung; return those that may now be judged otherwise."""
        rung = self._rungs.setdefault(rung_result.rung, _Rung())
        rung.here[rung_result.cell] = rung_result
        rung.places = None
        rung.waiting.add(number)
        self.waiting += 1
        return set(rung.waiting)

    def decided(self, number: int) -> None:
        """A cell waits no longer; it climbs or leaves."""
        self._rungs[self._at[number]].waiting.remove(number)
        self.waiting -= 1

    def leaves(self, number: int) -> set[int]:
        """A cell comes to no rung any more, if it did; return those that may have waited for it."""
        if number not in self._at:
            return set()
        left = self._at.pop(number)
        self._count[left] -= 1
        return {other for at, rung in self._rungs.items() if at >= left for other in rung.waiting}

    def here(self, rung: int) -> int:
        """Cells that have come to a rung so far."""
        return len(self._rungs[rung].here)

    def coming(self, rung: int) -> int:
        """Cells that have not come to a rung and may."""
        return sum(count for at, count in self._count.items() if at <= rung) - len(self._rungs[rung].waiting)

    def place(self, rung_result: RungResult) -> int:
        """Place of a cell among those at its rung, from 0."""
        rung = self._rungs[rung_result.rung]
        if rung.places is None:
            rung.places = places(rung.here.values())
        return rung.places[rung_result.cell]


def places(here: Collection[RungResult]) -> dict[str, int]:
    """Rank cells, from 0: by how many dominate them in accuracy and cost, then by accuracy, then by name.

    One dominates another that is no more accurate and no cheaper, and not the same in both; each is the mean over arms.
    """
    points = sorted((mean(one.macs), mean(one.accuracy), one.cell) for one in here)
    equals = Counter((cost, accuracy) for cost, accuracy, _ in points)
    order: list[tuple[int, float, str]] = []
    cheaper: list[float] = []  # accuracies of what costs no more, ascending
    for _, group in groupby(points, key=lambda point: point[0]):
        same = list(group)
        for _, accuracy, _ in same:
            insort(cheaper, accuracy)
        for cost, accuracy, cell in same:
            beaten = len(cheaper) - bisect_left(cheaper, accuracy) - equals[cost, accuracy]
            order.append((beaten, -accuracy, cell))
    return {cell: place for place, (_, _, cell) in enumerate(sorted(order))}
