"""Time: of inference, of training, and of the whole trial."""

import numpy as np

from scaling.study.metrics.metric import Columns, Use, metric


@metric(
    "latency",
    label="Latency per image (ms)",
    unit="ms",
    direction="lower",
    role="time",
    fields="latency_ms",
    use=Use.ANALYSIS,
)
def latency(trials: Columns) -> np.ndarray:
    """Median of one image's forward pass, on the device of the trial."""
    return trials["latency_ms"]


@metric(
    "throughput",
    label="Throughput (images/s)",
    unit="images/s",
    direction="higher",
    role="time",
    fields="images_per_second",
    use=Use.PAGE_TABLE,
)
def throughput(trials: Columns) -> np.ndarray:
    """Images evaluated per second, at the largest batch that fits the device of the trial."""
    return trials["images_per_second"]


@metric("training time", label="Training time (s)", unit="s", direction="lower", role="time")
def train_seconds(trials: Columns) -> np.ndarray:
    """Forward, backward and optimiser over all epochs. Not a benchmark where trials share a device."""
    return trials["train_seconds"]


@metric("wall time", label="Wall time of the trial (s)", unit="s", direction="lower", role="time", use=Use.AXIS)
def wall_seconds(trials: Columns) -> np.ndarray:
    """From building to scoring."""
    return trials["wall_seconds"]
