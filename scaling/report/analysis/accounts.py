"""Accounts: what the trials took, computed: memory as it was predicted and as it was measured, and where time went."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.report.analysis.analysis import Analysis
from scaling.study.metrics import METRICS
from scaling.study.records import Record
from scaling.wording import plural, points

USEFUL = "training"  # the heading that trials are for
MEANINGS = {  # headings of `Record.seconds`
    "setup": "building the network, counting its costs, reading a checkpoint",
    "data": "waiting for batches of images",
    "training": "forward and backward passes, steps of the optimiser",
    "evaluation": "validation after each epoch, and the final scores",
    "checkpointing": "writing checkpoints",
    "artifacts": "keeping weights, drawing galleries",
    "waiting": "handing each epoch to the sweep",
    "failure": "from the last of these until the trial failed",
}


PREDICTIONS = (("training_memory", "measured_memory"),)  # metrics: what was predicted, and what came of it


@dataclass(frozen=True)
class MemoryCheck:
    """Memory of a training step in bytes, one entry a cell and arm that has both numbers (means over seeds)."""

    cells: list[str]
    arms: list[str]
    predicted: np.ndarray  # (models,)
    measured: np.ndarray  # (models,)

    @property
    def errors(self) -> np.ndarray:
        """What was predicted too much, in percent of what was measured: (models,)."""
        return 100 * (self.predicted / self.measured - 1)


def check_memory(analysis: Analysis) -> MemoryCheck | None:
    """Hold predicted against measured memory; None where no finished trial has both."""
    cells = analysis.cells
    predicted, measured = (cells[name].to_numpy(dtype=float) for name in ("training_memory", "measured_memory"))
    known = (predicted > 0) & (measured > 0)
    if not known.any():
        return None
    named = cells.take(np.flatnonzero(known))
    return MemoryCheck(named["cell"].tolist(), named["arm"].tolist(), predicted[known], measured[known])


def memory_note(analysis: Analysis) -> str | None:
    """How far predicted memory was from measured, one sentence."""
    check = check_memory(analysis)
    if check is None:
        return None
    errors, count = check.errors, plural(len(check.cells), "model")
    median = points(float(np.median(np.abs(errors))), decimals=1)
    worst = int(np.argmax(np.abs(errors)))
    largest = points(errors[worst], signed=True, decimals=1)
    if abs(errors[worst]) >= 0.05:
        largest += f" % ({check.arms[worst]}, {check.cells[worst]})"
    else:
        largest = "0.0 %"
    return (
        f"The memory of a training step was predicted with a relative error of {median} % in the median and"
        f" {largest} at most; n = {count} (cells and arms)."
    )


@dataclass(frozen=True)
class TimeSpent:
    """Seconds over all trials that booked theirs, whatever became of them."""

    seconds: dict[str, float]  # by heading, the most first
    trials: int
    wasted: float  # seconds of training in trials that failed

    @property
    def paid(self) -> float:
        return sum(self.seconds.values())

    @property
    def useful(self) -> float:
        return self.seconds.get(USEFUL, 0.0) - self.wasted


def time_spent(records: Sequence[Record]) -> TimeSpent | None:
    """Add up the seconds of all trials; None where no trial booked any."""
    booked = [(record.status, record.seconds) for record in records if record.seconds]
    total: dict[str, float] = {}
    for _, seconds in booked:
        for heading, value in seconds.items():
            total[heading] = total.get(heading, 0.0) + value
    if not sum(total.values()):
        return None
    wasted = sum(seconds.get(USEFUL, 0.0) for status, seconds in booked if status == "failed")
    ordered = dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
    return TimeSpent(ordered, len(booked), wasted)


def time_note(analysis: Analysis) -> str | None:
    """Useful over paid seconds, one sentence."""
    spent = time_spent(analysis.records)
    if spent is None:
        return None
    useful, paid, wasted = (METRICS["wall_seconds"].text(s) for s in (spent.useful, spent.paid, spent.wasted))
    lost = f"; {wasted} more trained trials that then failed" if spent.wasted else ""
    return (
        f"Useful over paid seconds: of {paid} that the trials took, {useful} ({100 * spent.useful / spent.paid:.0f} %)"
        f" went into training, n = {plural(spent.trials, 'trial')}{lost}."
    )
