"""Resources of the trials: memory predicted and measured, and how their time was spent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.report.analysis.analysis import Analysis
from scaling.study.metrics import METRICS
from scaling.study.records import Record
from scaling.wording import plural, points

USEFUL = "training"  # the category that trials run for
MEANINGS = {  # categories of `Record.seconds`
    "setup": "building the network, counting its costs, reading a checkpoint",
    "data": "waiting for batches of images",
    "training": "forward and backward passes, steps of the optimiser",
    "evaluation": "validation after each epoch, and the final scores",
    "checkpointing": "writing checkpoints",
    "artifacts": "saving weights, drawing galleries",
    "waiting": "reporting each epoch to the sweep",
    "failure": "from the last of these until the trial failed",
}

# pairs of metrics: predicted, measured
PREDICTIONS = (("training_memory", "measured_memory"),)


@dataclass(frozen=True)
class MemoryCheck:
    """Memory of a training step in bytes: one entry per cell and arm that has both numbers (means over repetitions)."""

    cells: list[str]
    arms: list[str]
    predicted: np.ndarray  # (models,)
    measured: np.ndarray  # (models,)

    @property
    def errors(self) -> np.ndarray:
        """Predicted minus measured, in percent of measured: (models,)."""
        return 100 * (self.predicted / self.measured - 1)


def check_memory(analysis: Analysis) -> MemoryCheck | None:
    """Compare predicted with measured memory; None if no finished trial has both."""
    cells = analysis.cells
    predicted, measured = (cells[name].to_numpy(dtype=float) for name in ("training_memory", "measured_memory"))
    known = (predicted > 0) & (measured > 0)
    if not known.any():
        return None
    named = cells.take(np.flatnonzero(known))
    return MemoryCheck(named["cell"].tolist(), named["arm"].tolist(), predicted[known], measured[known])


def memory_note(analysis: Analysis) -> str | None:
    """The error of predicted memory, one sentence."""
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
        f"The memory of a training step was predicted with a median relative error of {median} % and at most {largest};"
        f" n = {count} (a model is a cell and arm)."
    )


@dataclass(frozen=True)
class TimeSpent:
    """Seconds of all trials that recorded them, whatever their status."""

    seconds: dict[str, float]  # by category, largest first
    trials: int
    wasted: float  # seconds of training in trials that failed

    @property
    def paid(self) -> float:
        """All seconds of the trials."""
        return sum(self.seconds.values())

    @property
    def useful(self) -> float:
        """Seconds of training in trials that did not fail."""
        return self.seconds.get(USEFUL, 0.0) - self.wasted


def time_spent(records: Sequence[Record]) -> TimeSpent | None:
    """Add up the seconds of all trials; None if no trial recorded any."""
    recorded = [(record.status, record.seconds) for record in records if record.seconds]
    total: dict[str, float] = {}
    for _, seconds in recorded:
        for category, value in seconds.items():
            total[category] = total.get(category, 0.0) + value
    if not sum(total.values()):
        return None
    wasted = sum(seconds.get(USEFUL, 0.0) for status, seconds in recorded if status == "failed")
    ordered = dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
    return TimeSpent(ordered, len(recorded), wasted)


def time_note(analysis: Analysis) -> str | None:
    """Share of the seconds that went into training, one sentence."""
    spent = time_spent(analysis.records)
    if spent is None:
        return None
    useful, paid, wasted = (METRICS["wall_seconds"].text(s) for s in (spent.useful, spent.paid, spent.wasted))
    lost = f"; another {wasted} trained trials that then failed" if spent.wasted else ""
    return (
        f"{useful} of {paid} ({100 * spent.useful / spent.paid:.0f} %) went into training, n ="
        f" {plural(spent.trials, 'trial')}{lost}."
    )
