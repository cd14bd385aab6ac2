"""Progress: what a sweep has done, is doing and still has to do, independent of its display."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from scaling.study.config import Trial
from scaling.study.records import Epoch, Record


@dataclass
class Running:
    """A trial that a worker is running."""

    trial: Trial
    since: float  # seconds of time.monotonic
    epoch: Epoch | None = None  # the last one that ended


@dataclass
class Best:
    """The best trial of an arm so far, chosen on validation."""

    val_accuracy: float  # percent
    trial: Trial


@dataclass
class Progress:
    """State of a sweep, updated by events and read by displays.

    Args:
        arms: in the study's order.
    """

    arms: Sequence[str]
    total: int = 0  # trials planned so far; a design that looks at results plans more later
    finished: int = 0  # or diverged
    stopped: int = 0
    failed: int = 0
    running: dict[str, Running] = field(default_factory=dict)
    best: dict[str, Best] = field(default_factory=dict)
    done_of_arm: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[Trial, str]] = field(default_factory=list)
    _work: dict[str, float] = field(default_factory=dict)  # key → work of a trial that is not over yet
    _progress: dict[str, float] = field(default_factory=dict)  # key → fraction of its work that this run has done
    _whole: float = 0.0  # work of all planned trials
    _done: float = 0.0  # part of it that this run has done
    _first_epoch: float | None = None

    def planned(self, trial: Trial, work: float) -> None:
        """Count a trial that will run.

        Args:
            work: in any unit (MACs × images × epochs), for the estimate of the remaining time.
        """
        self.total += 1
        self._work[trial.key] = work
        self._whole += work

    def restored(self, trial: Trial, record: Record) -> None:
        """Count a trial that an earlier command has finished."""
        self.total += 1
        self._count(trial, record)

    def started(self, trial: Trial) -> None:
        self.running[trial.key] = Running(trial, time.monotonic())
        if self._first_epoch is None:
            self._first_epoch = time.monotonic()

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.running.setdefault(trial.key, Running(trial, time.monotonic())).epoch = epoch
        self._has_done(trial, epoch.epoch / trial.config.recipe.epochs)

    def _has_done(self, trial: Trial, part: float) -> None:
        self._done += self._work.get(trial.key, 0.0) * (part - self._progress.get(trial.key, 0.0))
        self._progress[trial.key] = part

    def rested(self, trial: Trial) -> None:
        self.running.pop(trial.key, None)

    def ended(self, trial: Trial, record: Record) -> None:
        self.running.pop(trial.key, None)
        if record.status == "stopped":  # its remaining work will not be done
            self._whole -= self._work.get(trial.key, 0.0) * (1 - self._progress.get(trial.key, 0.0))
        else:
            self._has_done(trial, 1.0)
        self._work.pop(trial.key, None)
        self._progress.pop(trial.key, None)
        self._count(trial, record)

    def _count(self, trial: Trial, record: Record) -> None:
        if record.status == "failed":
            self.failed += 1
            self.failures.append((trial, record.reason or "no reason given"))
            return
        if record.status == "stopped":
            self.stopped += 1
            return
        self.finished += 1
        self.done_of_arm[trial.arm] = self.done_of_arm.get(trial.arm, 0) + 1
        if record.scores is None:
            return
        best = self.best.get(trial.arm)
        if best is None or record.scores.val_accuracy > best.val_accuracy:
            self.best[trial.arm] = Best(record.scores.val_accuracy, trial)

    @property
    def over(self) -> int:
        """Number of trials that have ended, in whatever way."""
        return self.finished + self.stopped + self.failed

    @property
    def waiting(self) -> int:
        return self.total - self.over - len(self.running)

    def seconds_left(self) -> float | None:
        """Estimate the remaining seconds from the work done so far; None before the first epoch has ended."""
        if self._done <= 0 or self._first_epoch is None:
            return None
        return (time.monotonic() - self._first_epoch) * max(0.0, self._whole - self._done) / self._done
