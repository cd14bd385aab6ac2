"""Decoding of a source's images into one array of bytes."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from scaling.data.images import Images
from scaling.study.errors import DataError

MOST_PROBLEMS = 10  # problems of a data set that one error lists
CHUNK = 256  # images that a thread decodes at a time
LARGE = 96 * 96  # pixels from which decoding in threads pays

GREY = {"1", "L", "LA"}
DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}  # 16-bit grey, as from microscopes and scanners

# A JPEG file is decoded at 1/2, 1/4 or 1/8 of its size if that leaves this many pixels for each pixel of the result,
# and then resized with antialiasing as usual. For photographs of 480×360 and 640×480 pixels, resized to 32 to 80
# pixels, this took about half the time; the mean difference was 0.2 to 0.5 of 255 grey levels.
DRAFT_GAP = 2


@dataclass(frozen=True)
class Form:
    """Size and mode to which all images of a data set are converted."""

    height: int
    width: int
    mode: str  # "L" or "RGB"
    resize: bool  # whether images of other sizes are resized or refused

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, len(self.mode)  # one letter a channel


class NotGreyError(Exception):
    """An image is in colour although all before it were grey."""


class WrongImageError(Exception):
    """An image is readable but does not fit the others."""


def first_form(images: Images, indices: Iterable[int], size: int | None) -> Form:
    """Derive the form of all images from the first readable one; `size` is the side asked for, or None.

    Raises:
        DataError: none of the first images can be read.
    """
    problems = []
    for index in itertools.islice(indices, MOST_PROBLEMS):
        try:
            with images.open(int(index)) as image:
                mode = "L" if image.mode in GREY | DEEP else "RGB"
                width, height = (image.width, image.height) if size is None else (size, size)
                return Form(height, width, mode, resize=size is not None)
        except Exception as error:
            problems.append(describe_problem(images, int(index), error))
    raise DataError(problems)


def decode(images: Images, indices: np.ndarray, form: Form) -> np.ndarray:
    """Decode the images at `indices` into one array uint8 (N, H, W, C).

    Raises:
        DataError: some cannot be read or have another size; lists up to ten.
        NotGreyError: `form` is grey and an image is in colour.
    """
    out = np.empty((len(indices), *form.shape), np.uint8)

    def work(start: int) -> list[str]:
        problems = []
        for row in range(start, min(start + CHUNK, len(indices))):
            try:
                with images.open(int(indices[row])) as image:
                    out[row] = to_form(image, form).reshape(form.shape)
            except NotGreyError:
                raise
            except Exception as error:
                problems.append(describe_problem(images, int(indices[row]), error))
        return problems

    threads = _useful_threads(images, indices)
    problems = list(itertools.islice(_in_threads(threads, work, range(0, len(indices), CHUNK)), MOST_PROBLEMS + 1))
    if problems:
        raise data_error(problems)
    return out


def data_error(problems: list[str]) -> DataError:
    """Return an error that lists the first ten problems of a data set, and mentions whether there are more."""
    more = [f"and more; only the first {MOST_PROBLEMS} are listed"] if len(problems) > MOST_PROBLEMS else []
    return DataError([*problems[:MOST_PROBLEMS], *more])


def describe_problem(images: Images, index: int, error: Exception) -> str:
    """Return what is wrong with an image, in one line that names it.

    `error` may have any type: broken bytes make PIL raise OSError, SyntaxError, struct.error and others.
    """
    if isinstance(error, WrongImageError):
        return f"{images.place(index)}: {error}"
    text = " ".join(str(error).split())
    if "cannot identify image file" in text:  # PIL adds the name of the bytes object, which helps nobody
        text = "no known image format"
    return f"{images.place(index)}: cannot be read as an image ({text or type(error).__name__})"


def to_form(image: Image.Image, form: Form) -> np.ndarray:
    """Convert one image to the form of its data set: uint8 (H, W) or (H, W, 3)."""
    if (image.height, image.width) == (form.height, form.width):
        return np.asarray(to_mode(image, form.mode))
    if not form.resize:
        raise WrongImageError(
            f"has {image.width}×{image.height} pixels, the first image has {form.width}×{form.height};"
            " set data.image_size to resize all images"
        )
    return np.asarray(fit_inside(image, form.height, form.width, form.mode))


def fit_inside(image: Image.Image, height: int, width: int, mode: str) -> Image.Image:
    """Resize the image to cover height × width, antialiased, and cut out the centre; the aspect ratio is kept."""
    scale = max(height / image.height, width / image.width)
    across, down = min(width / scale, image.width), min(height / scale, image.height)  # rounding may exceed the image
    left, top = (image.width - across) / 2, (image.height - down) / 2
    return cut(image, (left, top, left + across, top + down), height, width, mode)


def cut(image: Image.Image, box: tuple[float, float, float, float], height: int, width: int, mode: str) -> Image.Image:
    """Cut out a box (left, top, right, bottom) in pixels; resize it to height × width, antialiased, and `mode`.

    A JPEG file that is not decoded yet is decoded at the smallest sufficient size.
    """
    left, top, right, bottom = box
    smaller = min((right - left) / width, (bottom - top) / height) / DRAFT_GAP
    if smaller >= 2:
        before = image.size
        image.draft(
            None, (image.width // int(smaller), image.height // int(smaller))
        )  # PIL picks the nearest size that is not smaller
        x, y = image.width / before[0], image.height / before[1]
        left, top, right, bottom = left * x, top * y, min(right * x, image.width), min(bottom * y, image.height)
    return to_mode(image, mode).resize(
        (width, height), Image.Resampling.BICUBIC, box=(left, top, right, bottom), reducing_gap=3.0
    )


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert to "L" or "RGB"; drop transparency and reduce 16 bits to 8."""
    if image.mode == mode:
        return image
    if image.mode in DEEP:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise WrongImageError(f"has 32-bit pixels (mode {image.mode}) of unknown range; store it with 8 or 16 bits")
    if mode == "L" and image.mode not in GREY:
        raise NotGreyError
    return image.convert(mode)


def _useful_threads(images: Images, indices: np.ndarray) -> int:
    """Return the number of cores for large images, 1 for small ones, which threads decode no faster (measured)."""
    try:
        with images.open(int(indices[0])) as image:
            is_large = image.width * image.height >= LARGE
    except Exception:
        is_large = True  # `decode` reports the error
    return len(os.sched_getaffinity(0)) if is_large and hasattr(os, "sched_getaffinity") else 1


def _in_threads(threads: int, work: Callable[[int], list[str]], starts: Iterable[int]) -> Iterator[str]:
    """Yield the problems that `work` finds in each chunk, in order."""
    if threads == 1:
        yield from itertools.chain.from_iterable(map(work, starts))
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from itertools.chain.from_iterable(pool.map(work, starts))
    finally:
        pool.shutdown(cancel_futures=True)
