"""A picture of training images, a row for each class, as a network gets them before augmentation."""

import io

import numpy as np
from PIL import Image

from scaling.data.dataset import AnySplit, Dataset, Split
from scaling.data.decoding import Form, decode
from scaling.study.errors import DataError

MOST_CLASSES, A_CLASS = 20, 8  # rows, and images in one
SIDE = 56  # pixels of a larger image's side in the picture
GAP = 2  # pixels between images
PAPER = 255


def pictured_classes(data: Dataset) -> list[int]:
    """Return the labels of the classes in the picture, from the top: all, or a seeded choice of twenty."""
    known = np.unique(data.train.labels)
    few = known if len(known) <= MOST_CLASSES else np.sort(np.random.default_rng(0).permutation(known)[:MOST_CLASSES])
    return few.tolist()


def sample_picture(data: Dataset) -> bytes:
    """Draw up to eight training images of each class of `pictured_classes`, chosen by a seed, as PNG.

    Images that cannot be read are left white.
    """
    classes = pictured_classes(data)
    height, width = _shown_size(*data.image_size)
    size = A_CLASS * (width + GAP) - GAP, len(classes) * (height + GAP) - GAP
    picture = Image.new("RGB", size, (PAPER, PAPER, PAPER))
    for row, label in enumerate(classes):
        mine = np.flatnonzero(data.train.labels == label)
        chosen = np.sort(np.random.default_rng(label).permutation(mine)[:A_CLASS])
        for column, index in enumerate(chosen.tolist()):
            if (pixels := _pixels(data.train, index)) is not None:
                image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
                grows = height > pixels.shape[0]
                image = image.resize((width, height), Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS)
                picture.paste(image, (column * (width + GAP), row * (height + GAP)))
    written = io.BytesIO()
    few_colours = picture.convert("L") if data.channels == 1 else picture.quantize(256)
    few_colours.save(written, "PNG", optimize=True)
    return written.getvalue()


def _shown_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width in the picture: small images by whole factors, so that pixels stay square."""
    if max(height, width) * 2 <= SIDE:
        factor = SIDE // max(height, width)
        return height * factor, width * factor
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _pixels(train: AnySplit, index: int) -> np.ndarray | None:
    """Return one training image, uint8 (H, W, C); None if it cannot be read."""
    if isinstance(train, Split):
        return train.images[index if train.rows is None else train.rows[index]]
    height, width, _ = train.shape
    form = Form(height, width, "RGB", resize=True, reading=train.reading)
    try:
        return decode(train.images, np.array([index]), form)[0]
    except DataError:
        return None
