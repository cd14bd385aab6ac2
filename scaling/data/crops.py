"""Crops of images that are read from their files: random ones for training, the centre for evaluation."""

import numpy as np
from PIL import Image

from scaling.data.decoding import cut, fit_inside
from scaling.data.pixels import upright_size

# Random resized crops: Szegedy et al., "Going deeper with convolutions", arXiv 1409.4842, section 6
CROP_AREA = (0.08, 1.0)  # fraction of the image
CROP_RATIO = (3 / 4, 4 / 3)  # width over height
EVALUATION_CROP = 0.875  # fraction of each side that evaluation uses


Span = tuple[float, float]  # of grey values of more than 8 bits, as in `pixels.to_mode`


def random_crop(
    image: Image.Image, height: int, width: int, rng: np.random.Generator, span: Span | None = None
) -> Image.Image:
    """Cut out a rectangle of random area, aspect ratio and position, and resize it; return RGB."""
    whole_width, whole_height = upright_size(image)
    for _ in range(10):
        area = whole_width * whole_height * rng.uniform(*CROP_AREA)
        ratio = np.exp(rng.uniform(*np.log(CROP_RATIO)))
        across, down = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < across <= whole_width and 0 < down <= whole_height:
            left, top = int(rng.integers(whole_width - across + 1)), int(rng.integers(whole_height - down + 1))
            return cut(image, (left, top, left + across, top + down), height, width, "RGB", span)
    return fit_inside(image, height, width, "RGB", span)  # the image is too elongated for such a crop


def middle_crop(image: Image.Image, height: int, width: int, span: Span | None = None) -> Image.Image:
    """Resize the image to cover the target shape divided by `EVALUATION_CROP`, and cut out the centre; return RGB."""
    larger = fit_inside(image, round(height / EVALUATION_CROP), round(width / EVALUATION_CROP), "RGB", span)
    left, top = (larger.width - width) // 2, (larger.height - height) // 2
    return larger.crop((left, top, left + width, top + height))
