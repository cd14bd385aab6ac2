"""Test images: how far the choice of the test images alone could have moved a difference."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scaling.statistics.intervals import MeanInterval


@dataclass(frozen=True)
class ImageNoise:
    """What other test images of the same kind would do to a difference between arms."""

    half_width: float  # points; half of the interval over images alone
    both: MeanInterval  # over cells, seeds and images together
    images: int


def image_noise(gained: np.ndarray | None, images: int, difference: MeanInterval) -> ImageNoise | None:
    """Widen the interval of a difference by the sampling of the test images.

    The difference is a mean over images of what the arm gained on each: a mean over cells, of the mean over seeds, of
    (arm right − baseline right). Its variance over images is var(gained) / images. Cells and images are crossed, and
    each variance contains their interaction, so that the sum of the two is on the safe side (Cameron, Gelbach and
    Miller 2011).

    Args:
        gained: points by image, of all images or of an even sample of them, (kept,); None if trials do not record it.
        images: in the test set.

    Returns:
        None where `gained` or the interval is not known.
    """
    if gained is None or len(gained) < 2 or images < 2 or not difference.is_known:
        return None
    half = float(stats.norm.ppf((1 + difference.level) / 2)) * float(gained.std(ddof=1)) / math.sqrt(images)
    reach = math.hypot(half, (difference.high - difference.low) / 2)
    both = MeanInterval(
        difference.estimate, difference.estimate - reach, difference.estimate + reach, difference.level, difference.n
    )
    return ImageNoise(half, both, images)
