"""Optuna's journal: `optuna-dashboard results/STUDY/optuna.journal` shows the study while it runs.

Each trial of the study becomes an Optuna trial with its learning curve as intermediate values. Finished trials are
COMPLETE, stopped ones PRUNED, failed and diverged ones FAIL. No sampler reads the journal.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from scaling.space.schema import Range, Space
from scaling.study.config import Trial, TrialConfig
from scaling.study.records import Epoch, Record
from scaling.sweep.tracking import StudyInfo, settings_of, tracker

FILE = "optuna.journal"
MOST_REPETITIONS = 2**31 - 1
STATES = {
    "finished": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "diverged": TrialState.FAIL,
}


@tracker("optuna", writes_files=True, usual=True)
class OptunaJournal:
    """Mirrors a study into `optuna.journal` in its folder."""

    def __init__(self, info: StudyInfo) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.distributions = distributions(info.space, [{**r.cell, "arm": r.arm} for r in info.settled.values()])
        # absolute: Optuna's lock is a symbolic link, which would not follow a relative path
        path = (Path(str(info.folder)) / FILE).resolve()
        layout = json.dumps({name: repr(d) for name, d in self.distributions.items()}, sort_keys=True)
        mend(path)
        study = opened(path, info.name)
        if study is None or study.user_attrs.get("layout", layout) != layout:
            path.unlink()  # damaged, or its axes or arms differ, which a journal cannot: the records hold everything
            study = created(path, info.name)
        self.study = study
        self.study.set_user_attr("layout", layout)
        self.running: dict[str, optuna.Trial] = {}
        self.reported: dict[str, int] = {}  # key → last epoch that was reported
        self._end_abandoned()
        states = {trial.user_attrs.get("key"): trial.state for trial in self.study.get_trials(deepcopy=False)}
        for key, record in info.settled.items():
            known = states.get(key)
            if known is None or (known == TrialState.FAIL and STATES[record.status] != TrialState.FAIL):
                self._add(record)

    def _end_abandoned(self) -> None:
        """Mark the trials that a killed sweep was running, or was about to start, as failed."""
        while self.study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
            self.study.ask()  # a waiting trial must start before it can be reported
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            self.study.tell(trial.number, state=TrialState.FAIL)

    def started(self, trial: Trial) -> None:
        if trial.key in self.running:
            return
        params = as_params(settings_of(trial), self.distributions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.enqueue_trial(params, user_attrs=names_of(trial))
            self.running[trial.key] = self.study.ask(fixed_distributions=self.distributions)
        self.reported[trial.key] = 0

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        if epoch.epoch > self.reported.get(trial.key, 0):
            self.running[trial.key].report(epoch.val_accuracy, epoch.epoch)
            self.reported[trial.key] = epoch.epoch

    def ended(self, trial: Trial, record: Record) -> None:
        if trial.key not in self.running:
            self._add(record)
            return
        ours = self.running.pop(trial.key)
        for name, value in attributes(record).items():
            ours.set_user_attr(name, value)
        self.study.tell(ours, *([record.scores.val_accuracy] if record.scores else []), state=STATES[record.status])

    def close(self) -> None:
        """Mark the trials that have started and not ended, which includes those that rest at a rung."""
        for ours in self.running.values():
            ours.set_user_attr("status", "interrupted")
        self._end_abandoned()

    def _add(self, record: Record) -> None:
        """Add a trial that ran without this tracker."""
        config = TrialConfig.model_validate(record.config)
        trial = Trial(
            study=record.study,
            cell=record.cell,
            arm=record.arm,
            config=config,
            repetition=record.repetition,
            learning_rate_grid=record.learning_rate_grid,
        )
        state = STATES[record.status]
        self.study.add_trial(
            create_trial(
                state=state,
                value=record.scores.val_accuracy if record.scores and state == TrialState.COMPLETE else None,
                params=as_params(settings_of(trial), self.distributions),
                distributions=self.distributions,
                intermediate_values={epoch.epoch: epoch.val_accuracy for epoch in record.curve},
                user_attrs={**names_of(trial), **attributes(record)},
            )
        )


def mend(path: Path) -> None:
    """Remove what a writer that was killed while writing left behind: its lock and half a line.

    The calling sweep holds the study's lease, so no other writer is alive.
    """
    Path(f"{path}.lock").unlink(missing_ok=True)
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def opened(path: Path, name: str) -> optuna.Study | None:
    """Load or create the study in a journal; None if the journal cannot be read."""
    try:
        return created(path, name)
    except OSError:
        raise
    except Exception:  # Optuna has no error class for a line that is no JSON, no entry, or refers to a missing one
        return None


def created(path: Path, name: str) -> optuna.Study:
    """Load or create the study in a journal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = JournalStorage(JournalFileBackend(str(path)))
        return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def names_of(trial: Trial) -> dict[str, Any]:
    """Attributes by which a trial is found in the study's own files."""
    return {"key": trial.key, "label": trial.label, "seed": trial.config.seed}


def attributes(record: Record) -> dict[str, Any]:
    """What is worth seeing beside the score."""
    found: dict[str, Any] = {"status": record.status}
    if record.reason:
        found["reason"] = record.reason
    if record.cost:
        found |= {"params": record.cost.params, "macs": record.cost.macs}
    if record.scores:
        found["test_accuracy"] = record.scores.test_accuracy
    return found


def distributions(space: Space, seen: Sequence[Mapping[str, Any]]) -> dict[str, BaseDistribution]:
    """Optuna's distribution of every setting that distinguishes trials.

    Args:
        seen: axes and arms of trials that have run, which a smaller space may no longer have.
    """

    def values_of(name: str, now: Sequence[Any]) -> list[Any]:
        return list(dict.fromkeys([*now, *(settings[name] for settings in seen if name in settings)]))

    found: dict[str, BaseDistribution] = {}
    for name, values in space.axes.items():
        ends = [values.low, values.high] if isinstance(values, Range) else values
        found[name] = distribution(values_of(name, ends))
    found["arm"] = CategoricalDistribution(values_of("arm", [str(arm) for arm in space.arm_values]))
    found["repetition"] = IntDistribution(0, MOST_REPETITIONS)
    if space.tune is not None:
        found["learning_rate"] = FloatDistribution(0.0, 1e6)
    return found


def distribution(values: Sequence[Any]) -> BaseDistribution:
    """A range for numbers, so that plots have an axis for them; categories for words."""
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        return IntDistribution(int(min(values)), int(max(values)))
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return FloatDistribution(float(min(values)), float(max(values)))
    return CategoricalDistribution(list(dict.fromkeys(str(v) for v in values)))


def as_params(settings: dict[str, Any], known: dict[str, BaseDistribution]) -> dict[str, Any]:
    """Convert settings to what the distributions hold: strings for categories."""
    return {
        name: str(settings[name]) if isinstance(distribution, CategoricalDistribution) else settings[name]
        for name, distribution in known.items()
    }
