"""Scores: how well a model does after its last epoch, never at its best test epoch."""

import numpy as np

from scaling.study.metrics.metric import Columns, Use, metric


@metric("test accuracy", label="Test accuracy (%)", unit="%", direction="higher", role="score")
def test_accuracy(trials: Columns) -> np.ndarray:
    """Top-1 on the test set after the last epoch. Results are reported with it."""
    return trials["test_accuracy"]


@metric("validation accuracy", label="Validation accuracy (%)", unit="%", direction="higher", role="score")
def val_accuracy(trials: Columns) -> np.ndarray:
    """Top-1 on the validation set after the last epoch. Choices are made with it."""
    return trials["val_accuracy"]


@metric(
    "test error",
    label="Test error (%)",
    unit="%",
    direction="lower",
    role="score",
    fields="test_accuracy",
    use=Use.AXIS,
)
def test_error(trials: Columns) -> np.ndarray:
    """100 minus the test accuracy."""
    return 100 - trials["test_accuracy"]


@metric(
    "validation error",
    label="Validation error (%)",
    unit="%",
    direction="lower",
    role="score",
    fields="val_accuracy",
    use=Use.AXIS,
)
def val_error(trials: Columns) -> np.ndarray:
    """100 minus the validation accuracy."""
    return 100 - trials["val_accuracy"]


@metric("test loss", label="Test loss (nats)", unit="nats", direction="lower", role="score", use=Use.AXIS)
def test_loss(trials: Columns) -> np.ndarray:
    """Mean cross-entropy on the test set after the last epoch, without label smoothing."""
    return trials["test_loss"]


@metric("validation loss", label="Validation loss (nats)", unit="nats", direction="lower", role="score", use=Use.AXIS)
def val_loss(trials: Columns) -> np.ndarray:
    """Mean cross-entropy on the validation set after the last epoch, without label smoothing."""
    return trials["val_loss"]


@metric(
    "test top-5 accuracy", label="Test top-5 accuracy (%)", unit="%", direction="higher", role="score", use=Use.AXIS
)
def test_top5(trials: Columns) -> np.ndarray:
    """Share of images whose class is among the five likeliest; missing where there are five classes or fewer."""
    return trials["test_top5"]


@metric(
    "test calibration error",
    label="Test calibration error (%)",
    unit="%",
    direction="lower",
    role="score",
    use=Use.AXIS,
)
def test_calibration_error(trials: Columns) -> np.ndarray:
    """Expected calibration error: how far confidence is from accuracy."""
    return trials["test_calibration_error"]
