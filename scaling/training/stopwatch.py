"""Where the time went: every second of a run is booked to exactly one heading."""

import time


class Stopwatch:
    """Books the time since the last booking; the sum of all headings is the time since it was made."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def book(self, heading: str) -> float:
        """Book the time since the last call under `heading`, and return it."""
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        self.seconds[heading] = self.seconds.get(heading, 0.0) + passed
        return passed
