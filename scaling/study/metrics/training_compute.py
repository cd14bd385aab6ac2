"""Compute of a whole training run: what a trial spent on all the images that it was trained on."""

import numpy as np

from scaling.study.metrics.metric import Columns, Use, metric
from scaling.study.training_compute import FLOPS, PETA


@metric("training compute", label="Training compute (MACs)", unit="MACs", direction="lower", role="cost")
def training_compute(trials: Columns) -> np.ndarray:
    """Multiply-accumulates of all training steps: those of an image's forward and backward pass × images seen."""
    return trials["training_compute"]


@metric(
    "training compute in PFLOPs",
    label="Training compute (PFLOPs, two per MAC)",
    unit="PFLOPs",
    direction="lower",
    role="cost",
    fields="training_compute",
    use=Use.PAGE_TABLE,  # the same number in another unit
)
def training_pflops(trials: Columns) -> np.ndarray:
    """Floating-point operations of all training steps in 10¹⁵, two for each multiply-accumulate."""
    return trials["training_compute"] * FLOPS / PETA
