"""The keeper of a study takes the first record of a trial as its last word, and tells of each epoch once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scaling.space.design import cells
from scaling.study.config import Trial
from scaling.study.records import Epoch, Record, read_records, read_study
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Recorder
from scaling.sweep.search.cell_run import Segment
from tests.support.queues import all_cells, curve, finished, queue, space


class Callback:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def started(self, trial: Trial) -> None:
        self.told.append("started")

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.told.append(epoch.epoch)

    def ended(self, trial: Trial, record: Record) -> None:
        self.told.append(record.status)


def kept(folder: Path, **search: object) -> tuple[Recorder, Callback, Segment]:
    """A keeper of a study of one cell, who looks on, and the first trial."""
    asked = space(axes={"depth": [2], "width": [32]}, seeds=1, recipe={"epochs": 5}, search=search)
    plan = SimpleNamespace(
        study="study", folder=folder, space=asked, cost_table=SimpleNamespace(work=lambda trial: 1.0)
    )
    made = queue(asked, all_cells(asked, cells(asked)))
    recorder = Recorder(plan, made, Progress(arms=["average", "attention"]), {}, None)  # pyright: ignore[reportArgumentType]
    callback = Callback()
    recorder.callbacks = [callback]
    recorder.follow()
    segment = made.next()
    assert segment is not None
    return recorder, callback, segment


def test_a_worker_that_dies_after_its_last_word_does_not_undo_it(tmp_path: Path) -> None:
    recorder, callback, segment = kept(tmp_path)
    recorder.started(segment.trial)
    recorder.ended(segment.trial, finished(segment.trial, 50))

    recorder.died(segment.trial, "its machine is gone")
    recorder.ended(segment.trial, finished(segment.trial, 60))

    (record,) = read_records(tmp_path)
    assert record.status == "finished"
    assert record.scores
    assert record.scores.val_accuracy == 50
    assert callback.told == ["started", "finished"]
    assert (recorder.progress.finished, recorder.progress.failed) == (1, 0)


def test_epochs_that_are_told_again_after_a_rest_or_a_restart_do_not_reach_those_who_look_on(tmp_path: Path) -> None:
    recorder, callback, segment = kept(tmp_path, stop={"rule": "dominance", "first": 2})
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

    assert [told for told in callback.told if isinstance(told, int)] == [1, 2, 3, 4, 5]
    assert read_study(tmp_path).planned[0] == segment.trial.key
