"""The table of trackers, and what all of them are told."""

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from scaling.space.schema import Space
from scaling.study.config import Trial
from scaling.study.errors import ScalingError, unknown
from scaling.study.records import Epoch, Record
from scaling.study.storage import Where

LOCAL = {"optuna", "tensorboard", "wandb"}  # write files of their own, which only a folder of this machine takes
USUAL = ("optuna", "tensorboard")  # what a sweep writes unless told otherwise


class Callback(Protocol):
    """Told of what happens to trials, after their records are safe."""

    def started(self, trial: Trial) -> None: ...
    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None: ...
    def ended(self, trial: Trial, record: Record) -> None: ...


class Tracker(Callback, Protocol):
    """An onlooker that has something to put away at the end."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class StudyInfo:
    """A study as a tracker is told of it at the start."""

    name: str
    folder: Where
    space: Space
    settled: Mapping[str, Record]  # what earlier commands have done, by key


TRACKERS: dict[str, Callable[[StudyInfo], Tracker]] = {}


NEEDED: dict[str, tuple[str, str]] = {}  # of trackers: the module of a tool, and what pip calls it


def tracker(
    name: str, *, needs: tuple[str, str] | None = None
) -> Callable[[Callable[[StudyInfo], Tracker]], Callable[[StudyInfo], Tracker]]:
    """Register what makes a tracker under `name`.

    Args:
        needs: module of a tool that may not be installed, and what pip calls it.
    """

    def register(make: Callable[[StudyInfo], Tracker]) -> Callable[[StudyInfo], Tracker]:
        TRACKERS[name] = make
        if needs:
            NEEDED[name] = needs
        return make

    return register


def check_names(names: Sequence[str]) -> None:
    """Raise `ScalingError` for a name that is no tracker's, or whose tool is not installed."""
    problems = [unknown("tracker", name, TRACKERS) for name in names if name not in TRACKERS]
    for name, (module, package) in NEEDED.items():
        if name in names and importlib.util.find_spec(module) is None:
            problems.append(f"--track {name}: {module} is not installed; `pip install {package}`")
    if problems:
        raise ScalingError(problems)


@contextmanager
def open_trackers(names: Sequence[str], told: StudyInfo) -> Iterator[list[Callback]]:
    """Start trackers; put away what they hold at the end.

    Raises:
        ScalingError: a name that is no tracker's, or a tool that is not installed.
    """
    check_names(names)
    opened = [Guarded(name, told) for name in dict.fromkeys(names)]
    try:
        yield list(opened)
    finally:
        for one in opened:
            one.close()


class Guarded:
    """A tracker whose trouble does not reach the sweep: it is told as a warning, once, and the tracker falls silent."""

    def __init__(self, name: str, told: StudyInfo) -> None:
        self.name = name
        self.inner: Tracker | None = None
        try:
            self.inner = TRACKERS[name](told)
        except Exception as trouble:
            self._fall_silent(trouble)

    def started(self, trial: Trial) -> None:
        self._tell(lambda inner: inner.started(trial))

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self._tell(lambda inner: inner.epoch_ended(trial, epoch))

    def ended(self, trial: Trial, record: Record) -> None:
        self._tell(lambda inner: inner.ended(trial, record))

    def close(self) -> None:
        self._tell(lambda inner: inner.close())

    def _tell(self, call: Callable[[Tracker], None]) -> None:
        if self.inner is None:
            return
        try:
            call(self.inner)
        except Exception as trouble:  # whatever a foreign tool raises: no network, a full disk, a changed interface
            self._fall_silent(trouble)

    def _fall_silent(self, trouble: Exception) -> None:
        self.inner = None
        text = " ".join(f"{type(trouble).__name__}: {trouble}".split())
        warnings.warn(f"--track {self.name} stopped: {text}; the sweep goes on without it", stacklevel=3)


def settings_of(trial: Trial) -> dict[str, bool | int | float | str]:
    """What tells a trial from the others of its study, flat: axes, arm, seed and, in a bracket, its learning rate."""
    rate = {"learning_rate": trial.config.recipe.learning_rate} if trial.learning_rate_grid else {}
    return {**trial.cell, "arm": trial.arm, "seed": trial.config.seed, **rate}


def final_scores(record: Record) -> dict[str, float]:
    """Numbers that a finished trial ended with."""
    scores = record.scores.model_dump(exclude={"test_correct"}) if record.scores else {}
    costs = record.cost.model_dump() if record.cost else {}
    return {name: float(value) for name, value in {**scores, **costs}.items() if value is not None}


def curve_of(epoch: Epoch) -> dict[str, float]:
    """Numbers of an epoch."""
    wanted = ("train_loss", "val_loss", "val_accuracy", "learning_rate")
    return {name: float(getattr(epoch, name)) for name in wanted}
