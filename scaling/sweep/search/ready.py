"""Segments that are ready to run and segments that are running, and the cell runs that wait for them."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from scaling.sweep.search.cell_run import CellRun, Segment


@dataclass(order=True)
class _Ready:
    turn: tuple[int, ...]  # the smallest is handed out first
    segment: Segment = field(compare=False)
    run: CellRun = field(compare=False)


class ReadySegments:
    """Hands out segments in their turn and remembers which ones are out.

    Repetitions are slowest and arms fastest, so that a study stopped at any moment is nearly balanced.

    Args:
        cheap_first: cells are judged by cheaper ones. Otherwise expensive ones come first: at the end of a study slots
            stand idle until the trial that started last has ended, which is short if that trial is cheap.
    """

    def __init__(self, *, cheap_first: bool) -> None:
        self.cheap_first = cheap_first
        self.out: dict[str, Segment] = {}  # handed out and not yet answered, by the trial's key
        self._ready: list[_Ready] = []
        self._begun: set[tuple[int, int, int | None]] = (
            set()
        )  # (cell, repetition, until) of which a segment was handed out

    def __bool__(self) -> bool:
        return bool(self._ready)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is ready and nothing is out."""
        return not self._ready and not self.out

    def add(self, run: CellRun, segment: Segment, place: int) -> None:
        """Add a segment of a cell run; `place` is its place among the run's segments."""
        heapq.heappush(self._ready, _Ready(self._turn(run, segment, place), segment, run))

    def pop(self) -> tuple[Segment, CellRun]:
        """Take the segment whose turn it is, without handing it out yet."""
        taken = heapq.heappop(self._ready)
        return taken.segment, taken.run

    def has_begun(self, run: CellRun, segment: Segment) -> bool:
        """Whether another arm of the segment's pair was handed out, up to the same epoch."""
        return self._pair(run, segment) in self._begun

    def hand_out(self, run: CellRun, segment: Segment) -> None:
        self._begun.add(self._pair(run, segment))
        self.out[segment.trial.key] = segment

    @staticmethod
    def _pair(run: CellRun, segment: Segment) -> tuple[int, int, int | None]:
        return run.number, segment.trial.repetition, segment.until

    def _turn(self, run: CellRun, segment: Segment, place: int) -> tuple[int, ...]:
        repetition = segment.trial.repetition
        if self.cheap_first:
            return run.batch, repetition, run.number, place
        return run.batch, repetition, -sum(run.macs.values()), run.number, -run.macs[segment.trial.arm], place


class ActiveRuns:
    """Cell runs that are not over, and which of them may be able to move on."""

    def __init__(self) -> None:
        self._runs: dict[int, CellRun] = {}
        self._waiting: dict[str, list[int]] = {}  # key of a trial → numbers of the runs that wait for its outcome
        self._touched: set[int] = set()

    def __len__(self) -> int:
        return len(self._runs)

    def all(self) -> list[CellRun]:
        return list(self._runs.values())

    def add(self, run: CellRun) -> None:
        self._runs[run.number] = run

    def remove(self, run: CellRun) -> None:
        self._runs.pop(run.number, None)

    def waits(self, run: CellRun, key: str) -> None:
        """Note that a run waits for the outcome of a trial."""
        if run.number not in (waiting := self._waiting.setdefault(key, [])):
            waiting.append(run.number)

    def touch(self, numbers: Iterable[int]) -> None:
        """Note that runs may be able to move on."""
        self._touched.update(numbers)

    def touch_waiting(self, key: str) -> None:
        """Note that the runs that wait for a trial may be able to move on."""
        self.touch(self._waiting.get(key, ()))

    @property
    def is_settled(self) -> bool:
        """Whether no run is known to be able to move on."""
        return not self._touched

    def next_touched(self) -> CellRun | None:
        """Take a run that may be able to move on; None if there is none."""
        while self._touched:
            if (run := self._runs.get(self._touched.pop())) is not None:
                return run
        return None
