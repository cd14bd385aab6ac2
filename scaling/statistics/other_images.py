"""Other test images: how far the choice of the test images could have moved a difference, beside the luck of training.

Trials share their test images, so that an image that suits one arm suits it everywhere. The variance over images holds
the interaction of images with training, which the variance over repetitions holds as well; it is taken out once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.statistics.contrast import ImageVariance
from scaling.statistics.estimates import Interval, Mean


@dataclass(frozen=True)
class OtherImages:
    """The mean difference for other test images of the same kind."""

    both: Interval  # luck of training and of the test images together
    images: int


def image_variance(gains: Sequence[np.ndarray], images: int) -> ImageVariance | None:
    """Variance of a mean difference over the choice of the test images.

        var(u) / n         u_m: mean over cells of the mean over repetitions of (arm right − baseline right) on image m
        MS_int / (n ΣS)    MS_int: variance of the residual of (arm right − baseline right) about the cell's mean over
                           repetitions on that image and the repetition's mean over images, on Σν (n − 1) df

    in points². Two-way clustering, Cameron, Gelbach and Miller (2011).

    Args:
        gains: for each cell (repetitions, images): 1 where the arm alone was right, −1 where the baseline alone was.
            An even sample of the images will do.
        images: n, in the test set.
    """
    kept = gains[0].shape[1] if gains else 0
    if kept < 2 or images < 2:
        return None
    by_image = np.mean([100.0 * cell.mean(axis=0) for cell in gains], axis=0)
    of_images = float(by_image.var(ddof=1)) / images
    repetitions = sum(len(cell) for cell in gains)
    freedom = (repetitions - len(gains)) * (kept - 1)
    squares = sum(_interaction(100.0 * cell) for cell in gains if len(cell) > 1)
    mean_square = squares / freedom if freedom > 0 else 0.0
    return ImageVariance(of_images, mean_square / (images * repetitions), images)


def _interaction(gain: np.ndarray) -> float:
    """Sum of squares about the means over repetitions and over images: (repetitions, images) → a number."""
    residual = gain - gain.mean(axis=0) - gain.mean(axis=1, keepdims=True) + gain.mean()
    return float((residual**2).sum())


def over_other_images(here: Mean, variance: ImageVariance, level: float) -> OtherImages | None:
    """Widen the interval by the test images: V_both = V + var(u)/n − MS_int/(n ΣS), not below either of the first two.

    Its degrees of freedom are df (V_both / V)², as only V is estimated from few values (Satterthwaite 1946).
    """
    if not here.is_known:
        return None
    both = max(here.variance + variance.of_images - variance.interaction, here.variance, variance.of_images)
    mean = Mean(here.estimate, both, here.df * (both / here.variance) ** 2)
    return OtherImages(mean.interval(level), variance.images)
