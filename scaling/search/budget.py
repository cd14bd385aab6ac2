"""Budget: what a study has spent, and whether that is all it may."""

import time
from collections.abc import Iterable

from scaling.config import Resources
from scaling.records import Record
from scaling.search.settings import Budget


class Purse:
    """Watches a budget from now on.

    Args:
        resources: of a trial; its share of devices turns hours of trials into device-hours.
    """

    def __init__(self, budget: Budget, resources: Resources) -> None:
        self.budget = budget
        self.resources = resources
        self.since = time.monotonic()

    def spent(self, records: Iterable[Record], handed_out: int) -> str | None:
        """Say which part of the budget is spent; None while there is something left of all.

        Args:
            records: of the study, of earlier commands too.
            handed_out: trials started by this command.
        """
        budget = self.budget
        records = list(records)
        trials = max(len(records), handed_out)
        if budget.trials is not None and trials >= budget.trials:
            return f"its budget of {budget.trials} trials"
        hours = (time.monotonic() - self.since) / 3600
        if budget.hours is not None and hours >= budget.hours:
            return f"its budget of {budget.hours:g} hours"
        if budget.device_hours is not None and device_hours(records, self.resources) >= budget.device_hours:
            return f"its budget of {budget.device_hours:g} device-hours"
        return None


def device_hours(records: Iterable[Record], resources: Resources) -> float:
    """Hours that trials held devices: GPUs where they had them, else cores."""
    seconds = 0.0
    for record in records:
        on_gpu = "cuda" in str(record.environment.get("device", "")).lower()
        devices = (resources.gpus or float(resources.workers)) if on_gpu else resources.cpus
        seconds += (record.wall_seconds or 0.0) * devices
    return seconds / 3600
