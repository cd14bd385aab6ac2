"""Time accounting: every second of a run is booked under exactly one heading."""

import time
from collections.abc import Mapping


class Stopwatch:
    """Books the time since the last booking; the sum of all headings is the time since the watch was created.

    A resumed run takes over the times that the earlier one has booked.
    """

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def book(self, heading: str) -> float:
        """Book the time since the last call under `heading`, and return it."""
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        self.seconds[heading] = self.seconds.get(heading, 0.0) + passed
        return passed

    def take_over(self, seconds: Mapping[str, float]) -> None:
        """Add what an earlier run booked."""
        for heading, passed in seconds.items():
            self.seconds[heading] = self.seconds.get(heading, 0.0) + passed
