"""Training compute: the multiply-accumulates of all training steps of a trial, and what earlier records say of it.

One multiply-accumulate (MAC) is two FLOPs. Records hold what a trial really spent; where those of earlier
versions do not, it is derived if their settings say how many images were trained on.
"""

from collections.abc import Iterable, Mapping
from typing import Any

TRAINING_COMPUTE = "training_compute"  # name of the metric
EPOCHS = "epochs"  # setting of the recipe by which arms get equal training compute
FLOPS = 2  # of a multiply-accumulate
PETA = 1e15


def images_per_epoch(images: int, batch_size: int) -> int:
    """Images that pass through the training steps of one epoch: whole batches of the training set.

    Repeats of an image (`recipe.repeats`) count each and do not change the number, as epochs keep their length.

    Args:
        images: in the training set.
    """
    return max(1, images // batch_size) * min(batch_size, images)


def total(amounts: Iterable[int | None]) -> int | None:
    """Sum of amounts; None where one of them is unknown."""
    known = list(amounts)
    return None if None in known else sum(amount for amount in known if amount is not None)


def petaflops(macs: float) -> float:
    """Multiply-accumulates in PFLOPs, 10¹⁵ floating-point operations, two each."""
    return macs * FLOPS / PETA


def derived_images(config: Mapping[str, Any], epochs: int) -> int | None:
    """Images that a trial saw in `epochs` whole epochs, from settings that state the size of the training set.

    Only `data.train_limit` does; elsewhere the size follows from files that a record does not hold.
    """
    limit = (config.get("data") or {}).get("train_limit")
    batch_size = (config.get("recipe") or {}).get("batch_size")
    if not isinstance(limit, int) or not isinstance(batch_size, int) or limit < 1 or batch_size < 1:
        return None
    return epochs * images_per_epoch(limit, batch_size)


def derived_compute(config: Mapping[str, Any], images: int | None, training_macs: int | None) -> int | None:
    """Training compute from images seen and the MACs of one of them, in MACs.

    Unknown where the training images had other sizes than those whose MACs were counted.
    """
    if images is None or training_macs is None or (config.get("recipe") or {}).get("train_resolution") is not None:
        return None
    return images * training_macs
