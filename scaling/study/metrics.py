"""Metrics: every number that can be an axis, with its label, unit and direction.

A metric is a decorated function from the columns of the table of trials (`scaling.study.records.frame`) to
one number a trial; what a trial did not reach is missing (NaN). Costs are of one image, batch size 1, forward pass.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from scaling.study.errors import ScalingError, unknown

Columns = Mapping[str, np.ndarray]  # numeric columns by name, each (trials,)
Values = Callable[[Columns], np.ndarray]
UNPREFIXED = {"s", "ms"}  # nobody says kiloseconds
PREFIXED = {"B"}  # the prefix belongs to the unit: MB
PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Metric:
    """A number of a trial and how it is shown."""

    name: str
    title: str  # in a sentence
    label: str  # for an axis, with its unit
    unit: str  # as it stands behind a number
    direction: Literal["lower", "higher"]  # which end is better
    scale: Literal["linear", "log"]
    values: Values

    def __call__(self, table: pd.DataFrame) -> np.ndarray:
        """One number a row of `table`: (rows,)."""
        return self.values({name: table[name].to_numpy(dtype=float) for name in table.select_dtypes("number")})

    def number(self, value: float) -> str:
        """`value` without its unit, under a heading that has it: `5.12 M`, `81.30`, `1,234`."""
        if self.scale == "linear":
            return f"{value:.2f}"
        return f"{value:,.0f}" if self.unit in UNPREFIXED and value >= 100 else si(value)

    def text(self, value: float) -> str:
        """`value` as a reader wants it, with its unit: `5.12 M MACs`, `81.30 %`, `2.4 MB`."""
        if not math.isfinite(value):
            return "unknown"
        number = self.number(value)
        is_prefixed = self.unit in PREFIXED and number[-1:].isalpha()
        return f"{number}{self.unit}" if is_prefixed else f"{number} {self.unit}"


METRICS: dict[str, Metric] = {}


def metric(
    title: str, *, label: str, unit: str, direction: Literal["lower", "higher"], scale: Literal["linear", "log"]
) -> Callable[[Values], Values]:
    """Register a function as a metric under its own name; to be used as a decorator."""

    def register(values: Values) -> Values:
        name = values.__name__
        if name in METRICS:
            raise ValueError(f"a metric named '{name}' is registered already")
        METRICS[name] = Metric(name, title, label, unit, direction, scale, values)
        return values

    return register


def get_metric(name: str) -> Metric:
    """Look a metric up by name; raise `ScalingError` where there is none."""
    if name not in METRICS:
        raise ScalingError(unknown("metric", name, METRICS))
    return METRICS[name]


def si(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits and an SI prefix: 5120000 is `5.12 M`; never `1e+03`."""
    rounded = float(f"{value:.{digits}g}")
    for factor, prefix in PREFIXES:
        if abs(rounded) >= factor:
            return f"{_plain(rounded / factor, digits)} {prefix}"
    return _plain(rounded, digits)


def _plain(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"


@metric("parameters", label="Parameters", unit="parameters", direction="lower", scale="log")
def params(trials: Columns) -> np.ndarray:
    """Learnable numbers."""
    return trials["params"]


@metric("MACs", label="MACs per image", unit="MACs", direction="lower", scale="log")
def macs(trials: Columns) -> np.ndarray:
    """Multiply-accumulates of convolutions, linear layers and matrix products; half the FLOPs of many papers."""
    return trials["macs"]


@metric(
    "fvcore flops",
    label="fvcore “flops” per image (MACs plus norms and some poolings)",
    unit="fvcore flops",
    direction="lower",
    scale="log",
)
def fvcore_flops(trials: Columns) -> np.ndarray:
    """fvcore's total, the unit that the PatchConvNet paper prints."""
    return trials["fvcore_flops"]


@metric("activations", label="Activations per image", unit="activations", direction="lower", scale="log")
def activations(trials: Columns) -> np.ndarray:
    """Output elements of convolutions, linear layers and matrix products."""
    return trials["activations"]


@metric("training MACs", label="MACs per training image", unit="MACs", direction="lower", scale="log")
def training_macs(trials: Columns) -> np.ndarray:
    """Multiply-accumulates of one image's forward and backward pass."""
    return trials["training_macs"]


@metric("training memory", label="Training memory (B, predicted)", unit="B", direction="lower", scale="log")
def training_memory(trials: Columns) -> np.ndarray:
    """Predicted peak of a training step at the recipe's batch size."""
    return trials["training_memory_bytes"]


@metric("inference memory", label="Inference memory (B, predicted)", unit="B", direction="lower", scale="log")
def inference_memory(trials: Columns) -> np.ndarray:
    """Predicted peak of an evaluation, batch size 1."""
    return trials["inference_memory_bytes"]


@metric("measured training memory", label="Training memory (B, measured)", unit="B", direction="lower", scale="log")
def measured_memory(trials: Columns) -> np.ndarray:
    """Measured peak of a training step."""
    return trials["measured_memory_bytes"]


@metric("latency", label="Latency per image (ms)", unit="ms", direction="lower", scale="log")
def latency(trials: Columns) -> np.ndarray:
    """Median of one image's forward pass, on the device of the trial."""
    return trials["latency_ms"]


@metric("throughput", label="Throughput (images/s)", unit="images/s", direction="higher", scale="log")
def throughput(trials: Columns) -> np.ndarray:
    """Images evaluated in a second, at the largest batch that fits the device of the trial."""
    return trials["images_per_second"]


@metric("training time", label="Training time (s)", unit="s", direction="lower", scale="log")
def train_seconds(trials: Columns) -> np.ndarray:
    """Forward, backward and optimiser over all epochs. Bookkeeping, no measurement, where trials share a device."""
    return trials["train_seconds"]


@metric("wall time", label="Wall time of the trial (s)", unit="s", direction="lower", scale="log")
def wall_seconds(trials: Columns) -> np.ndarray:
    """From building to scoring."""
    return trials["wall_seconds"]


@metric("test accuracy", label="Test accuracy (%)", unit="%", direction="higher", scale="linear")
def test_accuracy(trials: Columns) -> np.ndarray:
    """Top-1 on the test set after the last epoch. What is reported."""
    return trials["test_accuracy"]


@metric("validation accuracy", label="Validation accuracy (%)", unit="%", direction="higher", scale="linear")
def val_accuracy(trials: Columns) -> np.ndarray:
    """Top-1 on the validation set after the last epoch. What choices are made on."""
    return trials["val_accuracy"]


@metric("test error", label="Test error (%)", unit="%", direction="lower", scale="linear")
def test_error(trials: Columns) -> np.ndarray:
    """100 minus the test accuracy."""
    return 100 - trials["test_accuracy"]


@metric("validation error", label="Validation error (%)", unit="%", direction="lower", scale="linear")
def val_error(trials: Columns) -> np.ndarray:
    """100 minus the validation accuracy."""
    return 100 - trials["val_accuracy"]


@metric("test loss", label="Test loss (nats)", unit="nats", direction="lower", scale="linear")
def test_loss(trials: Columns) -> np.ndarray:
    """Mean cross-entropy on the test set after the last epoch, without label smoothing."""
    return trials["test_loss"]


@metric("validation loss", label="Validation loss (nats)", unit="nats", direction="lower", scale="linear")
def val_loss(trials: Columns) -> np.ndarray:
    """Mean cross-entropy on the validation set after the last epoch, without label smoothing."""
    return trials["val_loss"]


@metric("test top-5 accuracy", label="Test top-5 accuracy (%)", unit="%", direction="higher", scale="linear")
def test_top5(trials: Columns) -> np.ndarray:
    """Whether one of the five likeliest classes is right; missing where there are five classes or fewer."""
    return trials["test_top5"]


@metric("test calibration error", label="Test calibration error (%)", unit="%", direction="lower", scale="linear")
def test_calibration_error(trials: Columns) -> np.ndarray:
    """Expected calibration error: how far confidence is from accuracy."""
    return trials["test_calibration_error"]
