"""Costs that are counted from a model: of one image, batch size 1, forward pass unless the name differs."""

import numpy as np

from scaling.study.metrics.metric import Columns, Use, metric


@metric("parameters", label="Parameters", unit="parameters", direction="lower", role="cost")
def params(trials: Columns) -> np.ndarray:
    """Learnable numbers."""
    return trials["params"]


@metric("MACs", label="MACs per image", unit="MACs", direction="lower", role="cost", order=0)
def macs(trials: Columns) -> np.ndarray:
    """Multiply-accumulates of convolutions, linear layers and matrix products; half the FLOPs of many papers."""
    return trials["macs"]


@metric(
    "fvcore flops",
    label="fvcore “flops” per image (MACs plus norms and some poolings)",
    unit="fvcore flops",
    direction="lower",
    role="cost",
    use=Use.AXIS,  # nearly the MACs
)
def fvcore_flops(trials: Columns) -> np.ndarray:
    """fvcore's total, the unit that the PatchConvNet paper prints."""
    return trials["fvcore_flops"]


@metric("activations", label="Activations per image", unit="activations", direction="lower", role="cost")
def activations(trials: Columns) -> np.ndarray:
    """Output elements of convolutions, linear layers and matrix products."""
    return trials["activations"]


@metric(
    "training MACs",
    label="MACs per training image",
    unit="MACs",
    direction="lower",
    role="cost",
    use=Use.AXIS,  # nearly three times the MACs
)
def training_macs(trials: Columns) -> np.ndarray:
    """Multiply-accumulates of one image's forward and backward pass."""
    return trials["training_macs"]
