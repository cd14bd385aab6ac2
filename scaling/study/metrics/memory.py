"""Memory of a model: predicted before training, and measured."""

import numpy as np

from scaling.study.metrics.metric import Columns, Use, metric


@metric(
    "training memory",
    label="Training memory (B, predicted)",
    unit="B",
    direction="lower",
    role="memory",
    fields="training_memory_bytes",
    use=Use.ANALYSIS,
)
def training_memory(trials: Columns) -> np.ndarray:
    """Predicted peak of a training step at the recipe's batch size."""
    return trials["training_memory_bytes"]


@metric(
    "inference memory",
    label="Inference memory (B, predicted)",
    unit="B",
    direction="lower",
    role="memory",
    fields="inference_memory_bytes",
    use=Use.ANALYSIS,
)
def inference_memory(trials: Columns) -> np.ndarray:
    """Predicted peak of an evaluation, batch size 1."""
    return trials["inference_memory_bytes"]


@metric(
    "measured training memory",
    label="Training memory (B, measured)",
    unit="B",
    direction="lower",
    role="memory",
    fields="measured_memory_bytes",
    use=Use.AXIS,
)
def measured_memory(trials: Columns) -> np.ndarray:
    """Measured peak of a training step."""
    return trials["measured_memory_bytes"]
