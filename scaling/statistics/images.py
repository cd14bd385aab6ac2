"""Test images: how far the choice of the test images alone could have moved a difference."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scaling.statistics.intervals import Interval

Pair = tuple[str, np.ndarray, np.ndarray]  # cell; which images the baseline got right, and the arm: bool (images,)


@dataclass(frozen=True)
class ImageNoise:
    """What other test images of the same kind would do to a difference between arms."""

    half_width: float  # points; half of the interval over images alone
    both: Interval  # over cells, seeds and images together
    images: int


def image_noise(pairs: Iterable[Pair], difference: Interval) -> ImageNoise | None:
    """Widen the interval of a difference by the sampling of the test images.

    The difference is a mean over images of u(image) = the mean over cells, of the mean over seeds, of (arm right −
    baseline right); its variance over images is var(u) / images. Cells and images are crossed, and each variance
    contains their interaction, so that the sum of the two is on the safe side (Cameron, Gelbach and Miller 2011).

    Returns:
        None where the trials do not tell which images they got right, or were not tested on the same number of them.
    """
    by_cell: dict[str, list[np.ndarray]] = {}
    for cell, baseline, arm in pairs:
        by_cell.setdefault(cell, []).append(arm.astype(np.int8) - baseline.astype(np.int8))
    counts = {len(gained) for seeds in by_cell.values() for gained in seeds}
    if len(counts) != 1 or not difference.is_known:
        return None
    images = counts.pop()
    if images < 2:
        return None
    gained = _mean([_mean(seeds) for seeds in by_cell.values()])
    half = float(stats.norm.ppf((1 + difference.level) / 2)) * 100 * float(gained.std(ddof=1)) / math.sqrt(images)
    reach = math.hypot(half, (difference.high - difference.low) / 2)
    both = Interval(
        difference.estimate, difference.estimate - reach, difference.estimate + reach, difference.level, difference.n
    )
    return ImageNoise(half, both, images)


def _mean(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean(np.stack(arrays), axis=0)
