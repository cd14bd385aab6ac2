"""The budget of a study: what it has spent, and whether a trial may still start."""

import time
from collections.abc import Iterable

from scaling.space.search_settings import Budget
from scaling.study.config import Resources, Trial
from scaling.study.records import Record
from scaling.sweep.search.outcomes import Outcomes


class BudgetGuard:
    """Decides whether trials may start, from what the study has spent. Its clock starts now.

    Args:
        resources: of a trial; its share of devices turns hours of trials into device-hours.
    """

    def __init__(self, budget: Budget, resources: Resources) -> None:
        self.budget = budget
        self.resources = resources
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
        used = device_hours(outcomes.records(), self.resources, outcomes.unrecorded_seconds)
        return f"its budget of {most:g} device-hours" if used >= most else None


def device_hours(records: Iterable[Record], resources: Resources, seconds: float = 0.0) -> float:
    """Hours for which trials held devices: GPUs if they had them, else cores.

    Args:
        seconds: of further trials. These, and records that do not name their device, count as on that of the others.
    """
    held = [("", seconds)]
    held += [(str(record.environment.get("device") or "").lower(), record.wall_seconds or 0.0) for record in records]
    usual = next((device for device, _ in held if device), "cuda" if resources.gpus else "")
    on_gpu = sum(seconds for device, seconds in held if "cuda" in (device or usual))
    on_cpu = sum(seconds for device, seconds in held if "cuda" not in (device or usual))
    return (on_gpu * (resources.gpus or float(resources.workers)) + on_cpu * resources.cpus) / 3600
