"""Outcomes: what is known of the trials of a study, as far as decisions depend on it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from scaling.study.config import Trial
from scaling.study.errors import SpaceError
from scaling.study.records import Epoch, Record
from scaling.study.training_compute import total

WHY = ": "  # in the reason of a stopped trial, before that of the rule


@dataclass
class Outcome:
    """What is known of a trial so far."""

    curve: list[Epoch]
    record: Record | None = None  # once it has ended


class Outcomes:
    """The planned trials of a study and what has become of them.

    Args:
        settled: records of trials that need not run again, by key.
        keeps_curves: whether decisions depend on learning curves; without them a large study needs less memory.
    """

    def __init__(self, settled: Mapping[str, Record], *, keeps_curves: bool) -> None:
        self.keeps_curves = keeps_curves
        self.planned: dict[str, Trial] = {}
        self.finished: list[Record] = []  # of planned trials
        self.unrecorded_seconds = 0.0  # taken by the epochs of trials that have no record yet
        self._of: dict[str, Outcome] = {key: self._outcome(record) for key, record in settled.items()}
        self._new: list[Trial] = []
        self._networks: dict[str, Trial] = {}  # first trial of each network and recipe, by its key without the seed

    def __contains__(self, key: object) -> bool:
        return key in self._of

    def __getitem__(self, key: str) -> Outcome:
        return self._of[key]

    def record(self, key: str) -> Record | None:
        """The record of a trial, if it has ended."""
        outcome = self._of.get(key)
        return outcome.record if outcome else None

    def records(self) -> Iterator[Record]:
        """Records of the planned trials, in the order of planning."""
        return (record for key in self.planned if (record := self.record(key)))

    def is_reached(self, key: str, until: int | None) -> bool:
        """Whether a trial has ended, or has reached the epoch `until`."""
        outcome = self._of.get(key)
        if outcome is None:
            return False
        return outcome.record is not None or (until is not None and len(outcome.curve) >= until)

    def plan(self, trial: Trial) -> bool:
        """Plan a trial; return whether it is new.

        Raises:
            SpaceError: another cell or arm trains the same network.
        """
        if (before := self.planned.get(trial.key)) is not None:
            refuse_twin(before, trial)
            return False
        if trial.repetition == 0:
            without_seed = trial.config.model_copy(update={"seed": 0}).key
            refuse_twin(self._networks.setdefault(without_seed, trial), trial)
        self.planned[trial.key] = trial
        self._new.append(trial)
        if (record := self.record(trial.key)) and record.status == "finished":
            self.finished.append(record)
        return True

    def take_planned(self) -> list[Trial]:
        """Return the trials planned since the last call."""
        taken, self._new = self._new, []
        return taken

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        """Add an epoch to a trial's curve, unless a resumed trial repeats it."""
        curve = self._of.setdefault(trial.key, Outcome([])).curve
        if epoch.epoch == len(curve) + 1:
            curve.append(epoch)
            self.unrecorded_seconds += seconds_of([epoch])

    def ended(self, trial: Trial, record: Record) -> None:
        """Keep the record of a trial that has ended."""
        if (before := self._of.get(trial.key)) is not None and before.record is None:
            self.unrecorded_seconds -= seconds_of(before.curve)
        self._of[trial.key] = outcome = self._outcome(record)
        if outcome.record and record.status == "finished":
            self.finished.append(outcome.record)

    def _outcome(self, record: Record) -> Outcome:
        brief = in_brief(record, keeps_curve=self.keeps_curves)
        return Outcome(brief.curve, brief)


def refuse_twin(one: Trial, other: Trial) -> None:
    """Refuse cells or arms of a study that are the same network under the same recipe: they differ in luck alone.

    Raises:
        SpaceError: names the two.
    """
    if one.cell != other.cell or one.arm != other.arm:
        raise SpaceError(
            f"'{one.cell_and_arm}' and '{other.cell_and_arm}' train the same network; put the values of the axes"
            " further apart"
        )


def in_brief(record: Record, *, keeps_curve: bool) -> Record:
    """Reduce a record to what decisions depend on, because many whole records would fill the memory."""
    config = {"recipe": {"learning_rate": record.config.get("recipe", {}).get("learning_rate")}}
    return record.model_copy(
        update={
            "environment": {name: record.environment.get(name) for name in ("device", "device_type", "gpus")},
            "config": config,
            "scores": record.scores.model_copy(update={"test_correct": None}) if record.scores else None,
            # earlier versions recorded the time of a trial's last run only, and none for a stopped trial
            "wall_seconds": max(record.wall_seconds or 0.0, seconds_of(record.curve)),
            "seconds": None,
            "traceback": None,
            "curve": record.curve if keeps_curve else [],
        }
    )


def seconds_of(curve: Iterable[Epoch]) -> float:
    """Seconds that training and evaluation took."""
    return sum(epoch.train_seconds + (epoch.evaluation_seconds or 0.0) for epoch in curve)


def stopped_record(trial: Trial, curve: list[Epoch], reason: str) -> Record:
    """Record of a trial whose cell was stopped; its time is that of its epochs."""
    return Record.of(
        trial,
        status="stopped",
        reason=f"its cell was stopped at epoch {len(curve)}{WHY}{reason}",
        curve=curve,
        train_seconds=sum(epoch.train_seconds for epoch in curve),
        wall_seconds=seconds_of(curve),
        images_seen=total(epoch.images for epoch in curve),
        training_compute=total(epoch.training_compute for epoch in curve),
    )


def stop_reason(outcomes: Mapping[str, Outcome]) -> str | None:
    """Why an earlier command stopped the cell, or None. After a kill some arms may have no record."""
    reasons = [one.record.reason or "" for one in outcomes.values() if one.record and one.record.status == "stopped"]
    return reasons[0].partition(WHY)[2] or "as before" if reasons else None
