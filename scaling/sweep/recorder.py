"""The recorder: receives the events of trials and updates the study's folder, then the trial queue, then callbacks."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaling.study.config import Trial
from scaling.study.errors import StorageError
from scaling.study.records import Epoch, Record, Study, write_record, write_study
from scaling.study.storage import remove_tree
from scaling.sweep.heartbeat import beat
from scaling.sweep.plan import StudyPlan
from scaling.sweep.progress import Progress
from scaling.sweep.search.trial_queue import TrialQueue
from scaling.sweep.study_folder import describe
from scaling.sweep.tracking import Callback
from scaling.training.branches import branch_folder, siblings

BEAT = 5.0  # seconds between heartbeats


class Recorder:
    """Writes every record before anything else learns of it, so that nothing depends on what could be lost.

    Args:
        settled: records of trials that need not run again, by key.
        before: the study as an earlier command left it.
    """

    def __init__(
        self,
        plan: StudyPlan,
        queue: TrialQueue,
        progress: Progress,
        settled: Mapping[str, Record],
        before: Study | None,
    ) -> None:
        self.plan = plan
        self.queue = queue
        self.progress = progress
        self.callbacks: Sequence[Callback] = ()
        self.settled = settled
        self.failure: StorageError | None = None  # why the sweep has to stop
        self._last_beat = -BEAT  # seconds of time.monotonic
        self._reported: dict[str, int] = {}  # key of a trial that is not over → epochs that callbacks have received
        self._ended: set[str] = set()  # keys
        self._before = before
        self._state: dict[str, Any] = {}  # of the plan, as study.json has it

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
        if epoch.epoch > self._reported.get(trial.key, 0):  # a resumed trial repeats its earlier epochs
            self._reported[trial.key] = epoch.epoch
            for callback in self.callbacks:
                callback.epoch_ended(trial, epoch)
        self._beat_when_due()

    def rested(self, trial: Trial) -> None:
        self.progress.rested(trial)
        self.queue.rested(trial)
        self.follow()

    def ended(self, trial: Trial, record: Record) -> None:
        if trial.key in self._ended:  # a worker that dies after its trial has ended does not change the record
            return
        self._keep(trial, record)
        self.queue.ended(trial, record)
        self.follow()

    def died(self, trial: Trial, reason: str) -> None:
        self.ended(trial, Record.of(trial, status="failed", reason=f"its worker died: {reason}"))

    def follow(self) -> None:
        """Write down what the queue has decided since: trials that it planned and cells that it stopped."""
        self.queue.move()
        new = self.queue.take_planned()
        for trial in new:
            if trial.key in self.settled:
                self.progress.restored(trial, self.settled[trial.key])
            else:
                self.progress.planned(trial, self.plan.cost_table.work(trial))
        state = {"plans_more": self.queue.plans_more, "ended_by": self.queue.spent}
        if new or state != self._state:
            self._state = state
            planned = list(self.queue.planned.values())
            study = describe(self.plan.study, self.plan.design, planned, self._before, **state)
            with self._stops_on_failure():
                write_study(self.plan.folder, study)
        for trial, record in self.queue.take_stopped():
            self._keep(trial, record)
        self._beat_when_due()

    def beat(self) -> None:
        """Write a heartbeat."""
        running = [running.trial.label for running in self.progress.running.values()]
        with contextlib.suppress(StorageError):  # it is no part of the study
            beat(self.plan.folder, running, self.progress.seconds_left(), self.queue.spent)
        self._last_beat = time.monotonic()

    def _beat_when_due(self) -> None:
        if time.monotonic() - self._last_beat > BEAT:
            self.beat()

    def _keep(self, trial: Trial, record: Record) -> None:
        with self._stops_on_failure():
            write_record(self.plan.folder, record)
        self._ended.add(trial.key)
        self._reported.pop(trial.key, None)
        if record.status != "failed":  # the same command goes on from the checkpoint of a failed trial
            remove_tree(self.plan.folder / "checkpoints" / trial.key)
        if trial.budgets and all(self._is_recorded(config.key) for config in siblings(trial)):
            for config in siblings(trial):
                remove_tree(branch_folder(config, self.plan.folder))
        self.progress.ended(trial, record)
        for callback in self.callbacks:
            callback.ended(trial, record)

    def _is_recorded(self, key: str) -> bool:
        return (self.plan.folder / "records" / f"{key}.json").is_file()

    @contextlib.contextmanager
    def _stops_on_failure(self) -> Iterator[None]:
        """Stop the sweep if the study cannot be written; running trials resume later from their checkpoints.

        Raises:
            KeyboardInterrupt: in place of the `failure`, because Tune lets that through, as it does Ctrl-C.
        """
        try:
            yield
        except StorageError as failure:
            self.failure = failure
            raise KeyboardInterrupt from None
