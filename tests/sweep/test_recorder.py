"""The keeper of a study takes the first record of a trial as its last word, and tells of each epoch once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scaling.space.design import cells
from scaling.study.config import Trial
from scaling.study.records import Epoch, Record, read_records, read_study
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Keeper
from scaling.sweep.search.cell_run import Leg
from tests.support.queues import agenda, all_cells, curve, finished, space


class Onlooker:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def started(self, trial: Trial) -> None:
        self.told.append("started")

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.told.append(epoch.epoch)

    def ended(self, trial: Trial, record: Record) -> None:
        self.told.append(record.status)


def kept(folder: Path, **search: object) -> tuple[Keeper, Onlooker, Leg]:
    """A keeper of a study of one cell, who looks on, and the first trial."""
    asked = space(axes={"depth": [2], "width": [32]}, seeds=1, recipe={"epochs": 5}, search=search)
    plan = SimpleNamespace(study="study", folder=folder, space=asked, prices=SimpleNamespace(work=lambda trial: 1.0))
    made = agenda(asked, all_cells(asked, cells(asked)))
    keeper = Keeper(plan, made, Progress(arms=["average", "attention"]), {}, None)  # pyright: ignore[reportArgumentType]
    onlooker = Onlooker()
    keeper.onlookers = [onlooker]
    keeper.follow()
    leg = made.next()
    assert leg is not None
    return keeper, onlooker, leg


def test_a_worker_that_dies_after_its_last_word_does_not_undo_it(tmp_path: Path) -> None:
    keeper, onlooker, leg = kept(tmp_path)
    keeper.started(leg.trial)
    keeper.ended(leg.trial, finished(leg.trial, 50))

    keeper.died(leg.trial, "its machine is gone")
    keeper.ended(leg.trial, finished(leg.trial, 60))

    (record,) = read_records(tmp_path)
    assert record.status == "finished"
    assert record.scores
    assert record.scores.val_accuracy == 50
    assert onlooker.told == ["started", "finished"]
    assert (keeper.progress.finished, keeper.progress.failed) == (1, 0)


def test_epochs_that_are_told_again_after_a_rest_or_a_restart_do_not_reach_those_who_look_on(tmp_path: Path) -> None:
    keeper, onlooker, leg = kept(tmp_path, stop={"rule": "dominance", "first": 2})
    whole = curve(leg.trial, 50, 5)
    keeper.started(leg.trial)
    for epoch in whole[:2]:
        keeper.epoch_ended(leg.trial, epoch)
    keeper.rested(leg.trial)
    keeper.started(leg.trial)
    for epoch in whole[:4]:
        keeper.epoch_ended(leg.trial, epoch)
    keeper.started(leg.trial)  # its worker died
    for epoch in whole:
        keeper.epoch_ended(leg.trial, epoch)
    keeper.ended(leg.trial, finished(leg.trial, 50))

    assert [told for told in onlooker.told if isinstance(told, int)] == [1, 2, 3, 4, 5]
    assert read_study(tmp_path).planned[0] == leg.trial.key
