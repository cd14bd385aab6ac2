"""Keeper: told of all that happens to trials, it keeps the study's folder, then its agenda, then whoever looks on."""

import contextlib
import time
from collections.abc import Mapping, Sequence

from scaling.study.config import Trial
from scaling.study.errors import StorageError
from scaling.study.records import Epoch, Record, Study, write_record, write_study
from scaling.study.storage import remove_tree
from scaling.sweep.heartbeat import beat
from scaling.sweep.plan import Plan
from scaling.sweep.progress import Progress
from scaling.sweep.search.trial_queue import TrialQueue
from scaling.sweep.study_folder import describe
from scaling.sweep.trackers.registry import Callback

BEAT = 5.0  # seconds between words to those who look from outside


class Recorder:
    """Writes every record before anything else learns of it, so that nothing is built on what could be lost.

    Args:
        settled: records of trials that need not run again, by key.
        before: the study as an earlier command left it.
    """

    def __init__(
        self, plan: Plan, queue: TrialQueue, progress: Progress, settled: Mapping[str, Record], before: Study | None
    ) -> None:
        self.plan = plan
        self.queue = queue
        self.progress = progress
        self.callbacks: Sequence[Callback] = ()
        self.settled = settled
        self.trouble: StorageError | None = None  # why the sweep has to stop
        self._beaten = -BEAT  # seconds of time.monotonic
        self._told: dict[str, int] = {}  # key of a trial that is not over → epochs that onlookers were told of
        self._ended: set[str] = set()  # keys
        self._before = before

    @property
    def pending(self) -> list[Trial]:
        """Planned trials that have not ended."""
        over = {*self.settled, *self.progress.running}
        return [trial for trial in self.queue.planned.values() if trial.key not in over]

    def started(self, trial: Trial) -> None:
        self.progress.started(trial)
        for callback in self.callbacks:
            callback.started(trial)

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.queue.epoch_ended(trial, epoch)
        self.progress.epoch_ended(trial, epoch)
        if epoch.epoch > self._told.get(trial.key, 0):  # a trial that continues tells its earlier epochs again
            self._told[trial.key] = epoch.epoch
            for callback in self.callbacks:
                callback.epoch_ended(trial, epoch)
        if time.monotonic() - self._beaten > BEAT:
            self.beat()

    def rested(self, trial: Trial) -> None:
        self.progress.rested(trial)
        self.queue.rested(trial)
        self.follow()

    def ended(self, trial: Trial, record: Record) -> None:
        if trial.key in self._ended:  # a worker that dies after its last word: what it said holds
            return
        self._keep(trial, record)
        self.queue.ended(trial, record)
        self.follow()

    def died(self, trial: Trial, reason: str) -> None:
        self.ended(trial, Record.of(trial, status="failed", reason=f"its worker died: {reason}"))

    def _keep(self, trial: Trial, record: Record) -> None:
        try:
            write_record(self.plan.folder, record)
        except StorageError as trouble:  # nothing more can be kept; what is running goes on from its checkpoint later
            self.trouble = trouble
            raise KeyboardInterrupt from None  # which Tune lets through, as it does Ctrl-C
        self._ended.add(trial.key)
        self._told.pop(trial.key, None)
        remove_tree(self.plan.folder / "checkpoints" / trial.key)
        self.progress.ended(trial, record)
        for callback in self.callbacks:
            callback.ended(trial, record)

    def follow(self) -> None:
        """Take in what the agenda has decided since: trials it has planned, cells it has stopped."""
        self.queue.move()
        new = self.queue.take_planned()
        for trial in new:
            if trial.key in self.settled:
                self.progress.restored(trial, self.settled[trial.key])
            else:
                self.progress.planned(trial, self.plan.cost_table.work(trial))
        if new:
            planned = list(self.queue.planned.values())
            try:
                write_study(self.plan.folder, describe(self.plan.study, self.plan.space, planned, self._before))
            except StorageError as trouble:
                self.trouble = trouble
                raise KeyboardInterrupt from None
        for trial, record in self.queue.take_stopped():
            self._keep(trial, record)
        if time.monotonic() - self._beaten > BEAT:
            self.beat()

    def beat(self) -> None:
        """Leave word of how far the sweep is."""
        running = [running.trial.label for running in self.progress.running.values()]
        with contextlib.suppress(StorageError):  # it is no part of the study
            beat(self.plan.folder, running, self.progress.seconds_left(), self.queue.spent)
        self._beaten = time.monotonic()
