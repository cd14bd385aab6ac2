"""Pixels as a viewer shows them: upright, without transparency, of a known range, within a limit of size."""

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from scaling.data.images import Images
from scaling.study.config import DataConfig
from scaling.wording import first_few, plural

GREY = {"1", "L", "LA"}
SHORT = {"I;16", "I;16L", "I;16B", "I;16N"}  # 16-bit grey, as from microscopes and scanners
DEEP = SHORT | {"I", "F"}  # grey of more than 8 bits: the range that the values use must be known
MEGA = 1_000_000
SHOWN = 3  # images that a line names

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what shows an image of each EXIF orientation upright
_EXIF_KEYS = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")


class WrongImageError(Exception):
    """An image is readable but does not fit the others or a setting."""


class NotGreyError(Exception):
    """An image is in colour although all before it were grey."""


class DeepImageError(WrongImageError):
    """An image has more than 8 bits a pixel, and the range of the set's values is not known."""


@dataclass(frozen=True)
class Reading:
    """How stored pixels become bytes: the same for all images of a data set."""

    most_megapixels: float = DataConfig().most_megapixels
    span: tuple[float, float] | None = None  # of grey values of more than 8 bits: what becomes black, what white


PLAIN = Reading()


def quiet() -> None:
    """Let Pillow neither print warnings nor refuse large images.

    Both are settings of the whole process; Pillow has no others. Its warnings name no file and nothing to do; what a
    user must know is said in the notes of a data set. Its limit of pixels cannot be told from a broken file, and half
    of it only warns; `most_megapixels` is the limit here.
    """
    Image.MAX_IMAGE_PIXELS = None
    warnings.filterwarnings("ignore", category=Warning, module=r"PIL\.")
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


quiet()  # also in the processes that only decode


@contextlib.contextmanager
def opened(images: Images, index: int, reading: Reading) -> Iterator[Image.Image]:
    """Open an image unless it is too large.

    Raises:
        WrongImageError: it has more than `most_megapixels`. Any error of Pillow if it cannot be read.
    """
    with images.open(index) as image:
        size = image.width * image.height / MEGA
        if size > reading.most_megapixels:
            raise WrongImageError(
                f"has {image.width}×{image.height} pixels, {size:,.1f} megapixels, more than data.most_megapixels ="
                f" {reading.most_megapixels:g}; raise it to read the image, which takes"
                f" {3 * size / 1000:.1f} GB when decoded, or store a smaller copy"
            )
        yield image


def orientation(image: Image.Image) -> int:
    """Return how the pixels are stored, 1 (upright) to 8, as in EXIF 2.3, tag 274."""
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    if image.format == "PNG":
        image.load()  # the data may follow the pixels
    if not any(key in image.info for key in _EXIF_KEYS):
        return 1
    try:
        stored = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken data, of which viewers make nothing either; Pillow raises many types
        return 1
    return stored if isinstance(stored, int) and stored in _TURNS else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height as a viewer shows the image."""
    turn = orientation(image)
    return (image.width, image.height) if turn < 5 else (image.height, image.width)


def upright(image: Image.Image, turn: int) -> Image.Image:
    """Return the image of a stored orientation as a viewer shows it."""
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image


def stored_box(
    box: tuple[float, float, float, float], size: tuple[int, int], turn: int
) -> tuple[float, float, float, float]:
    """Return where a box of the upright image lies in the stored one.

    Args:
        box: left, top, right, bottom in pixels.
        size: width and height of the stored image.
    """
    width, height = size
    left, top, right, bottom = box
    if turn >= 5:  # rows are stored as columns
        left, top, right, bottom = top, left, bottom, right
    if turn in (2, 3, 7, 8):
        left, right = width - right, width - left
    if turn in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom


def to_mode(image: Image.Image, mode: str, span: tuple[float, float] | None = None) -> Image.Image:
    """Convert to "L" or "RGB"; drop transparency and bring more than 8 bits to 8.

    Args:
        span: grey values of more than 8 bits that become black and white.

    Raises:
        NotGreyError: `mode` is grey and the image is not.
        DeepImageError: the image needs a span and has none.
    """
    if image.mode == mode:
        return image
    if image.mode in DEEP:
        image = eight_bits(image, span)
    if mode == "L" and image.mode not in GREY:
        raise NotGreyError
    image.info.pop("transparency", None)  # dropped anyway; Pillow warns of some kinds
    return image.convert(mode)


def eight_bits(image: Image.Image, span: tuple[float, float] | None) -> Image.Image:
    """Divide the span of values into 256 equal steps; what lies beyond becomes black or white.

    Whole numbers from 0 to 255 stay as they are, and those from 0 to 65,535 keep their upper byte.
    """
    if span is None:
        raise DeepImageError(
            f"has more than 8 bits a pixel (mode {image.mode}), other images of the set have not; set"
            " data.pixel_range to the values of black and white"
        )
    values = np.asarray(image)
    is_whole = values.dtype.kind in "iu"
    if not is_whole and not np.isfinite(values).all():
        raise WrongImageError("has pixels that are no numbers (NaN or infinite)")
    low, high = span
    steps = np.floor((values.astype(np.float64) - low) * (256 / (high - low + is_whole)))
    return Image.fromarray(np.clip(steps, 0, 255).astype(np.uint8))


_WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}

# Kinds of what is noticed while decoding, in the words of the notes
FRAMES = "with several frames or pages, of which the first is read"
TRANSPARENT = "with an alpha channel or a transparent colour, which is dropped"
TURNED = "turned upright as their EXIF data say"
UPPER_BYTE = "in colour with 16 bits, of which the upper 8 are read"
ONE_COLOUR = "of one colour all over"
VANISHED = "of one colour only because of the range of the set's values"


class Survey:
    """What is noticed of one set's images while they are decoded, by several threads."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self.found: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, indices: Iterable[int]) -> None:
        """Note that images are of some kind."""
        with self._lock:
            self.found.setdefault(kind, []).extend(indices)

    def count(self, kind: str) -> int:
        return len(self.found.get(kind, []))

    def see(self, image: Image.Image, index: int) -> None:
        """Note what an image's header says; to be called before its pixels are read."""
        if image.mode in _WITH_ALPHA or "transparency" in image.info:
            self.add(TRANSPARENT, [index])
        if image.mode not in DEEP and any(";16" in raw for raw in _stored_modes(image)):
            self.add(UPPER_BYTE, [index])

    def see_decoded(self, image: Image.Image, index: int) -> None:
        """Note what is known of an image once its pixels are read."""
        if orientation(image) != 1:
            self.add(TURNED, [index])
        with contextlib.suppress(Exception):  # a later frame may be broken, which nobody reads
            if image.format != "MPO" and getattr(image, "is_animated", False):  # MPO: a photograph and its previews
                self.add(FRAMES, [index])


def _stored_modes(image: Image.Image) -> Iterator[str]:
    """Yield how Pillow names the stored pixels, such as `RGB;16B`, before it reads them."""
    for tile in getattr(image, "tile", []):
        arguments = tile[3]
        yield str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def survey_lines(surveys: Iterable[Survey]) -> list[str]:
    """Return one line for each kind with the number of images of all sets, and the first of them."""
    surveys = list(surveys)
    lines = []
    for kind in (FRAMES, TRANSPARENT, TURNED, UPPER_BYTE, ONE_COLOUR):
        count = sum(survey.count(kind) for survey in surveys)
        if count:
            places = [s.images.place(i) for s in surveys for i in sorted(s.found.get(kind, []))[:SHOWN]]
            names = [*places[:SHOWN], *[""] * (count - min(SHOWN, len(places)))]
            lines.append(f"{plural(count, 'image')} {kind} ({first_few(names, SHOWN)})")
    return lines
