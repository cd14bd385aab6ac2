"""The recorder keeps the first record of a trial and passes on each epoch once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scaling.space.design import Design, cells
from scaling.study.config import Trial
from scaling.study.records import Epoch, Record, read_records, read_study
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Recorder
from scaling.sweep.search.cell_run import Segment
from tests.support.queues import all_cells, curve, finished, queue, space


class Callback:
    def __init__(self) -> None:
        self.received: list[Any] = []

    def started(self, trial: Trial) -> None:
        self.received.append("started")

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.received.append(epoch.epoch)

    def ended(self, trial: Trial, record: Record) -> None:
        self.received.append(record.status)


def recording(folder: Path, **search: object) -> tuple[Recorder, Callback, Segment]:
    """A recorder of a study of one cell, its callback, and the first trial."""
    asked = space(axes={"depth": [2], "width": [32]}, repetitions=1, recipe={"epochs": 5}, search=search)
    plan = SimpleNamespace(
        study="study", folder=folder, design=Design(asked), cost_table=SimpleNamespace(work=lambda trial: 1.0)
    )
    made = queue(asked, all_cells(asked, cells(asked)))
    recorder = Recorder(plan, made, Progress(arms=["average", "attention"]), {}, None)  # pyright: ignore[reportArgumentType]
    callback = Callback()
    recorder.callbacks = [callback]
    recorder.follow()
    segment = made.next()
    assert segment is not None
    return recorder, callback, segment


def test_a_worker_that_dies_late_does_not_change_the_record(tmp_path: Path) -> None:
    recorder, callback, segment = recording(tmp_path)
    recorder.started(segment.trial)
    recorder.ended(segment.trial, finished(segment.trial, 50))

    recorder.died(segment.trial, "its machine is gone")
    recorder.ended(segment.trial, finished(segment.trial, 60))

    (record,) = read_records(tmp_path)
    assert record.status == "finished"
    assert record.scores
    assert record.scores.val_accuracy == 50
    assert callback.received == ["started", "finished"]
    assert (recorder.progress.finished, recorder.progress.failed) == (1, 0)


@pytest.mark.parametrize("status", ["failed", "finished", "diverged"])
def test_only_a_failed_trial_keeps_its_checkpoint(tmp_path: Path, status: str) -> None:
    recorder, _, segment = recording(tmp_path)
    checkpoint = tmp_path / "checkpoints" / segment.trial.key / "state.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"state")
    recorder.started(segment.trial)

    recorder.ended(segment.trial, finished(segment.trial, 50).model_copy(update={"status": status}))

    assert checkpoint.exists() == (status == "failed")


def test_callbacks_receive_each_epoch_once(tmp_path: Path) -> None:
    recorder, callback, segment = recording(tmp_path, stop={"rule": "dominance", "first": 2})
    whole = curve(segment.trial, 50, 5)
    recorder.started(segment.trial)
    for epoch in whole[:2]:
        recorder.epoch_ended(segment.trial, epoch)
    recorder.rested(segment.trial)
    recorder.started(segment.trial)
    for epoch in whole[:4]:
        recorder.epoch_ended(segment.trial, epoch)
    recorder.started(segment.trial)  # its worker died
    for epoch in whole:
        recorder.epoch_ended(segment.trial, epoch)
    recorder.ended(segment.trial, finished(segment.trial, 50))

    assert [event for event in callback.received if isinstance(event, int)] == [1, 2, 3, 4, 5]
    assert read_study(tmp_path).planned[0] == segment.trial.key
