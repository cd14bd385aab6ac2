"""Trackers: what shows a sweep live in another tool, by the name that `--track` takes.

The records are the study; a tracker writes a copy for viewing. If one fails, the sweep warns once and continues
without it.
"""

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from scaling.space.schema import Space
from scaling.study.config import Trial
from scaling.study.errors import ScalingError, unknown
from scaling.study.records import Epoch, Record
from scaling.study.registry import Registry
from scaling.study.storage import Where


class Callback(Protocol):
    """Notified of what happens to trials, after their records are safe."""

    def started(self, trial: Trial) -> None: ...
    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None: ...
    def ended(self, trial: Trial, record: Record) -> None: ...


class Tracker(Callback, Protocol):
    """A callback that closes what it holds at the end."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class StudyInfo:
    """What a tracker knows of the study at the start."""

    name: str
    folder: Where
    space: Space
    settled: Mapping[str, Record]  # records of earlier commands, by key


@dataclass(frozen=True)
class TrackerEntry:
    """A registered tracker.

    Attributes:
        make: starts the tracker.
        needs: module of a tool that may not be installed, and its name for pip.
        writes_files: it writes files of its own, which only a folder of this machine takes.
        usual: it runs unless `--track` names others.
    """

    make: Callable[[StudyInfo], Tracker]
    needs: tuple[str, str] | None = None
    writes_files: bool = False
    usual: bool = False


TRACKERS: Registry[TrackerEntry] = Registry("tracker", "scaling.sweep.trackers")
Made = TypeVar("Made", bound=Callable[[StudyInfo], Tracker])


def tracker(
    name: str, *, needs: tuple[str, str] | None = None, writes_files: bool = False, usual: bool = False
) -> Callable[[Made], Made]:
    """Register a class or function that starts a tracker; for the arguments see `TrackerEntry`."""

    def register(make: Made) -> Made:
        TRACKERS.add(name, TrackerEntry(make, needs, writes_files, usual), module=make.__module__)
        return make

    return register


def usual_trackers() -> list[str]:
    """Names of the trackers that run unless `--track` names others."""
    return [name for name, entry in TRACKERS.items() if entry.usual]


def that_can_write(names: Sequence[str], folder: Where) -> list[str]:
    """Select the trackers that work for a study in `folder`."""
    return [name for name in names if isinstance(folder, Path) or not TRACKERS[name].writes_files]


def check_names(names: Sequence[str]) -> None:
    """Raise `ScalingError` for a name that is no tracker's, or whose tool is not installed."""
    problems = [unknown("tracker", name, TRACKERS) for name in names if name not in TRACKERS]
    for name in dict.fromkeys(name for name in names if name in TRACKERS):
        needs = TRACKERS[name].needs
        if needs and importlib.util.find_spec(needs[0]) is None:
            problems.append(f"--track {name}: {needs[0]} is not installed; `pip install {needs[1]}`")
    if problems:
        raise ScalingError(problems)


@contextmanager
def open_trackers(names: Sequence[str], study: StudyInfo) -> Iterator[list[Callback]]:
    """Start trackers, and close them at the end.

    Raises:
        ScalingError: a name that is no tracker's, or a tool that is not installed.
    """
    check_names(names)
    opened = [GuardedTracker(name, study) for name in dict.fromkeys(names)]
    try:
        yield list(opened)
    finally:
        for one in opened:
            one.close()


class GuardedTracker:
    """A tracker whose failure does not reach the sweep: it warns once and is not called again."""

    def __init__(self, name: str, study: StudyInfo) -> None:
        self.name = name
        self.inner: Tracker | None = None
        try:
            self.inner = TRACKERS[name].make(study)
        except Exception as failure:
            self._disable(failure)

    def started(self, trial: Trial) -> None:
        self._call(lambda inner: inner.started(trial))

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self._call(lambda inner: inner.epoch_ended(trial, epoch))

    def ended(self, trial: Trial, record: Record) -> None:
        self._call(lambda inner: inner.ended(trial, record))

    def close(self) -> None:
        self._call(lambda inner: inner.close())

    def _call(self, method: Callable[[Tracker], None]) -> None:
        if self.inner is None:
            return
        try:
            method(self.inner)
        except Exception as failure:  # whatever a foreign tool raises: no network, a full disk, a changed interface
            self._disable(failure)

    def _disable(self, failure: Exception) -> None:
        self.inner = None
        text = " ".join(f"{type(failure).__name__}: {failure}".split())
        warnings.warn(f"--track {self.name} stopped: {text}; the sweep continues without it", stacklevel=3)


def settings_of(trial: Trial) -> dict[str, bool | int | float | str]:
    """What distinguishes a trial in its study, flat: axes, arm, repetition, seed and, in a grid, its learning rate."""
    rate = {"learning_rate": trial.config.recipe.learning_rate} if trial.learning_rate_grid else {}
    return {**trial.cell, "arm": trial.arm, "repetition": trial.repetition, "seed": trial.config.seed, **rate}


def final_scores(record: Record) -> dict[str, float]:
    """Final scores and costs of a finished trial."""
    scores = record.scores.model_dump(exclude={"test_correct"}) if record.scores else {}
    costs = record.cost.model_dump() if record.cost else {}
    return {name: float(value) for name, value in {**scores, **costs}.items() if value is not None}


def curve_of(epoch: Epoch) -> dict[str, float]:
    """Losses, accuracy and learning rate of an epoch."""
    wanted = ("train_loss", "val_loss", "val_accuracy", "learning_rate")
    return {name: float(getattr(epoch, name)) for name in wanted}
