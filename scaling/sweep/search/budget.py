"""Budget: what a study has spent, and whether that is all it may."""

import time
from collections.abc import Iterable

from scaling.space.search_settings import Budget
from scaling.study.config import Resources
from scaling.study.records import Record


class Purse:
    """Watches a budget from now on.

    Args:
        resources: of a trial; its share of devices turns hours of trials into device-hours.
    """

    def __init__(self, budget: Budget, resources: Resources) -> None:
        self.budget = budget
        self.resources = resources
        self.since = time.monotonic()

    def spent(self, records: Iterable[Record], started: int | None, seconds: float = 0.0) -> str | None:
        """Say which part of the budget is spent; None while there is something left of all.

        Args:
            records: of the study, of earlier commands too.
            started: trials of the study that were started so far; None where none is to be, but some are to go on.
            seconds: that trials took which have no record yet.
        """
        budget = self.budget
        if budget.trials is not None and started is not None and started >= budget.trials:
            return f"its budget of {budget.trials} trials"
        hours = (time.monotonic() - self.since) / 3600
        if budget.hours is not None and hours >= budget.hours:
            return f"its budget of {budget.hours:g} hours"
        if budget.device_hours is None:
            return None
        if device_hours(records, self.resources, seconds) >= budget.device_hours:
            return f"its budget of {budget.device_hours:g} device-hours"
        return None


def device_hours(records: Iterable[Record], resources: Resources, seconds: float = 0.0) -> float:
    """Hours that trials held devices: GPUs where they had them, else cores.

    Args:
        seconds: of further trials. They, and records that do not name their device, are taken to be on that of others.
    """
    held = [("", seconds)]
    held += [(str(record.environment.get("device") or "").lower(), record.wall_seconds or 0.0) for record in records]
    usual = next((device for device, _ in held if device), "cuda" if resources.gpus else "")
    on_gpu = sum(seconds for device, seconds in held if "cuda" in (device or usual))
    on_cpu = sum(seconds for device, seconds in held if "cuda" not in (device or usual))
    return (on_gpu * (resources.gpus or float(resources.workers)) + on_cpu * resources.cpus) / 3600
