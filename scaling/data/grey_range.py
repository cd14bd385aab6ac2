"""The range of grey values of more than 8 bits: one for all images of a data set."""

import contextlib
import functools
from dataclasses import dataclass

import numpy as np

from scaling.data.decoding import CHUNK, in_chunks
from scaling.data.images import Images
from scaling.data.pixels import DEEP, VANISHED, Reading, Survey, opened
from scaling.study.errors import DataError
from scaling.wording import plural


@dataclass(frozen=True)
class DeepValues:
    """Extremes of the values of images with more than 8 bits a pixel."""

    low: float = np.inf
    high: float = -np.inf
    count: int = 0
    others: int = 0  # images of 8 bits or fewer
    whole: bool = True  # whether all values are whole numbers

    def joined(self, other: "DeepValues") -> "DeepValues":
        return DeepValues(
            min(self.low, other.low),
            max(self.high, other.high),
            self.count + other.count,
            self.others + other.others,
            self.whole and other.whole,
        )


def deep_values(images: Images, indices: np.ndarray, reading: Reading) -> DeepValues:
    """Read all images that have more than 8 bits a pixel; return the extremes of their values.

    Unreadable images are left to `decode`, which names them.
    """

    def work(start: int) -> list[DeepValues]:
        found = DeepValues()
        for index in indices[start : start + CHUNK].tolist():
            with contextlib.suppress(Exception), opened(images, index, reading) as image:
                if image.mode not in DEEP:
                    found = found.joined(DeepValues(others=1))
                    continue
                values = np.asarray(image)
                if np.isfinite(values).all():
                    whole = values.dtype.kind in "iu"
                    found = found.joined(DeepValues(float(values.min()), float(values.max()), 1, whole=whole))
        return [found]

    parts = in_chunks(images, indices, work)
    return functools.reduce(DeepValues.joined, parts, DeepValues())


def span_of(values: DeepValues, source: str) -> tuple[tuple[float, float], str]:
    """Return the values that become black and white, and a note that states them.

    They are the extremes of the set. If the set has 8-bit images too, whose range is fixed, they are 0 and the largest
    value of as many bits as the values need.

    Raises:
        DataError: there is no range: all values are equal, or mixed with 8-bit images in another scale.
    """
    low, high = values.low, values.high
    if not values.count:
        return (0.0, 65535.0), f"{source}: no image of more than 8 bits a pixel can be read"
    if values.others:
        if not values.whole or low < 0:
            raise DataError(
                f"{source}: {plural(values.count, 'image')} with values {low:g} to {high:g} and"
                f" {values.others} of 8 bits cannot be brought to one scale; set data.pixel_range to the values of"
                " black and white"
            )
        low, high = 0.0, float(2 ** max(8, int(high).bit_length()) - 1)
    if low == high:
        raise DataError(
            f"{source}: all {values.count} images of more than 8 bits a pixel have the value {low:g} everywhere; they"
            " are blank, or their range must be given by data.pixel_range"
        )
    what = f"{plural(values.count, 'image')} of more than 8 bits a pixel"
    return (low, high), (
        f"{what}: values {low:g} (black) to {high:g} (white) become 8 bits, the same in all sets; data.pixel_range sets"
        " another range"
    )


def refuse_blank(train: np.ndarray, survey: Survey, reading: Reading, source: str) -> None:
    """Raise `DataError` if there is nothing to see in the training images uint8 (N, H, W, C).

    They are blank if all have one colour, or if the range of grey values made most images blank.
    """
    span = ""
    if reading.span:
        low, high = reading.span
        span = f"; values {low:g} to {high:g} became 8 bits, set data.pixel_range to others"
    if all((train[start : start + CHUNK] == train[:1, :1, :1]).all() for start in range(0, len(train), CHUNK)):
        colour = ", ".join(map(str, train[0, 0, 0]))
        raise DataError(f"{source}: all {len(train)} training images are one colour ({colour}){span}")
    vanished = survey.count(VANISHED)
    if 2 * vanished > len(train):
        raise DataError(f"{source}: {vanished} images are one colour in 8 bits, though their values differ{span}")
