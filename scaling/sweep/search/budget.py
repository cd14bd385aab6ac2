"""The budget of a study: what it has spent, and whether a trial may still start."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from scaling.devices import KINDS
from scaling.space.search_settings import Budget
from scaling.study.config import Resources, Trial
from scaling.study.records import Record
from scaling.sweep.search.outcomes import Outcomes


class BudgetGuard:
    """Decides whether trials may start, from what the study has spent. Its clock starts now.

    Args:
        resources: of a trial; its share of devices turns hours of trials into device-hours.

    Attributes:
        held: devices that a trial of this sweep holds; None until the sweep knows its machines.
    """

    def __init__(self, budget: Budget, resources: Resources) -> None:
        self.budget = budget
        self.resources = resources
        self.held: float | None = None
        self.spent: str | None = None  # which part of the budget is spent, in words
        self.is_frozen = False  # even trials that have started may not continue
        self._since = time.monotonic()
        self._started: set[str] = set()  # keys

    def starts(self, trial: Trial) -> None:
        """Count a trial that starts, or that an earlier command has run."""
        self._started.add(trial.key)

    def allows(self, trial: Trial, outcomes: Outcomes) -> bool:
        """Whether the budget lets a trial start or continue; sets `spent` if it does not."""
        is_new = trial.key not in self._started
        if self.is_frozen or (self.spent and is_new):
            return False
        time_spent = self._time_spent(outcomes)
        spent = (self._trials_spent() if is_new else None) or time_spent
        if spent is None:
            return True
        self.spent = spent
        self.is_frozen = time_spent is not None
        return False

    def _trials_spent(self) -> str | None:
        most = self.budget.trials
        return f"its budget of {most} trials" if most is not None and len(self._started) >= most else None

    def _time_spent(self, outcomes: Outcomes) -> str | None:
        hours, most = self.budget.hours, self.budget.device_hours
        if hours is not None and (time.monotonic() - self._since) / 3600 >= hours:
            return f"its budget of {hours:g} hours"
        if most is None:
            return None
        used = device_hours(outcomes.records(), self.resources, outcomes.unrecorded_seconds, self.held)
        return f"its budget of {most:g} device-hours" if used >= most else None


def device_hours(
    records: Iterable[Record], resources: Resources, seconds: float = 0.0, held: float | None = None
) -> float:
    """Hours for which trials held devices: their share of a GPU if they had one, else their cores.

    Args:
        seconds: of trials without a record, which hold as many devices as `held` says, or else as the others on
            average.
        held: devices that one of them holds.
    """
    hours = on = 0.0
    for record in records:
        hours += (record.wall_seconds or 0.0) * _held(record.environment, resources)
        on += record.wall_seconds or 0.0
    if held is None:
        held = hours / on if on else resources.gpus or resources.cpus
    return (hours + seconds * held) / 3600


def _held(environment: Mapping[str, Any], resources: Resources) -> float:
    """Devices that a trial held: what its record says, or what the space asks for in records of earlier versions."""
    kind = KINDS.get(str(environment.get("device_type")))
    gpus = environment.get("gpus")
    has_gpu = kind.is_accelerator if kind else bool(resources.gpus)
    if not has_gpu:
        return resources.cpus
    # without a number: earlier versions gave a whole GPU to each worker where the space asks for none
    return float(gpus) if gpus else resources.gpus or float(resources.workers)
