"""How often a worker reports: it waits for the driver to take each report."""

from collections.abc import Iterator
from typing import Any

import pytest

from scaling.study.records import Epoch
from scaling.sweep.executor.worker import LEAST, MOST, ReportInterval, TrialWorker


class Clock:
    """A clock that moves only when set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


def seconds_until_over(interval: ReportInterval, clock: Clock, epoch: float = 0.25) -> float:
    """Begin an interval and end epochs until it is over."""
    interval.begin()
    since = clock.now
    clock.now += epoch
    while not interval.is_over():
        clock.now += epoch
    return clock.now - since


@pytest.mark.parametrize(
    ("wait", "length"),
    [(0.001, LEAST), (0.009, LEAST), (0.019, 4.0), (0.026, 5.25), (0.1, MOST), (60.0, MOST)],
)
def test_a_worker_waits_little_for_the_driver(wait: float, length: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, interval = Clock(monkeypatch), ReportInterval()

    assert seconds_until_over(interval, clock) == LEAST  # no report yet
    clock.now += wait
    assert seconds_until_over(interval, clock) == pytest.approx(length)
    clock.now += 0.001
    assert seconds_until_over(interval, clock) == pytest.approx(LEAST)


def test_every_epoch_is_reported_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def epochs() -> Iterator[Epoch]:
        for number in range(1, 31):
            clock.now += 0.5
            yield Epoch(epoch=number, train_loss=1, val_loss=1, val_accuracy=9, learning_rate=0.1, train_seconds=0.5)

    worker: Any = object.__new__(TrialWorker)
    worker.interval, worker.events, worker.until = ReportInterval(), epochs(), 30
    answers = [worker.step()]
    while "done" not in answers[-1]:
        clock.now += 0.014
        answers.append(worker.step())

    reported = [Epoch.model_validate_json(epoch).epoch for answer in answers for epoch in answer["epochs"]]
    assert reported == list(range(1, 31))
    assert [len(answer["epochs"]) for answer in answers] == [4, 6, 6, 6, 6, 2]  # 2 s, then 2.8 s: 200 times 14 ms
    assert answers[-1]["rested"] == 30
