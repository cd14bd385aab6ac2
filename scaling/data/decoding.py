"""Decoding of a source's images into one array of bytes."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from scaling.data.images import Images
from scaling.data.pixels import (
    DEEP,
    GREY,
    ONE_COLOUR,
    PLAIN,
    VANISHED,
    DeepImageError,
    NotGreyError,
    Reading,
    Survey,
    WrongImageError,
    opened,
    orientation,
    stored_box,
    to_mode,
    upright,
    upright_size,
)
from scaling.study.errors import DataError

MOST_PROBLEMS = 10  # problems of a data set that one error lists
T = TypeVar("T")
CHUNK = 256  # images that a thread decodes at a time
LFS = b"version https://git-lfs"  # beginning of the files that stand for others
LARGE = 96 * 96  # pixels from which decoding in threads pays

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
    reading: Reading = PLAIN

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, len(self.mode)  # one letter a channel


def first_form(images: Images, indices: Iterable[int], size: int | None, reading: Reading = PLAIN) -> Form:
    """Derive the form of all images from the first readable one; `size` is the side asked for, or None.

    Raises:
        DataError: none of the first images can be read.
    """
    problems = []
    for index in itertools.islice(indices, MOST_PROBLEMS):
        try:
            with opened(images, int(index), reading) as image:
                mode = "L" if image.mode in GREY | DEEP else "RGB"
                width, height = upright_size(image) if size is None else (size, size)
                return Form(height, width, mode, resize=size is not None, reading=reading)
        except Exception as error:
            problems.append(describe_problem(images, int(index), error))
    raise DataError(problems)


def decode(images: Images, indices: np.ndarray, form: Form, survey: Survey | None = None) -> np.ndarray:
    """Decode the images at `indices` into one array uint8 (N, H, W, C).

    Args:
        survey: gets what is noticed of the images; None: nobody asks.

    Raises:
        DataError: some cannot be read or have another size; lists up to ten.
        NotGreyError: `form` is grey and an image is in colour.
        DeepImageError: an image has more than 8 bits a pixel and the form has no span of values.
    """
    out = np.empty((len(indices), *form.shape), np.uint8)

    def work(start: int) -> list[str]:
        problems = []
        rows = range(start, min(start + CHUNK, len(indices)))
        deep: list[int] = []  # rows whose values differ
        for row in rows:
            index = int(indices[row])
            try:
                with opened(images, index, form.reading) as image:
                    if survey is not None:
                        survey.see(image, index)
                    out[row] = to_form(image, form).reshape(form.shape)
                    if survey is not None:
                        survey.see_decoded(image, index)
                        deep += [row] if image.mode in DEEP and np.ptp(np.asarray(image)) else []
            except (NotGreyError, DeepImageError):
                raise
            except Exception as error:
                problems.append(describe_problem(images, index, error))
        if survey is not None and not problems:
            part = out[rows.start : rows.stop]
            flat = rows.start + np.flatnonzero((part == part[:, :1, :1]).all(axis=(1, 2, 3)))
            varied = np.isin(flat, np.array(deep, np.int64))
            survey.add(VANISHED, indices[flat[varied]].tolist())
            survey.add(ONE_COLOUR, indices[flat[~varied]].tolist())
        return problems

    problems = list(itertools.islice(in_chunks(images, indices, work), MOST_PROBLEMS + 1))
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
        text = _no_image(images.place(index))
    return f"{images.place(index)}: cannot be read as an image ({text or type(error).__name__})"


def _no_image(place: str) -> str:
    """Return what a file holds that is no image."""
    try:
        with open(place, "rb") as file:
            start = file.read(len(LFS))
    except (OSError, ValueError):  # a row of a table, a member of an archive
        return "no known image format"
    if not start:
        return "the file is empty"
    return "a pointer of Git LFS, run: git lfs pull" if start == LFS else "no known image format"


def to_form(image: Image.Image, form: Form) -> np.ndarray:
    """Convert one image to the form of its data set: uint8 (H, W) or (H, W, 3)."""
    width, height = upright_size(image)
    span = form.reading.span
    if (height, width) == (form.height, form.width):
        turn = orientation(image)
        return np.asarray(upright(to_mode(image, form.mode, span), turn))
    if not form.resize:
        raise WrongImageError(
            f"has {width}×{height} pixels, the first image has {form.width}×{form.height};"
            " set data.image_size to resize all images"
        )
    return np.asarray(fit_inside(image, form.height, form.width, form.mode, span))


def fit_inside(
    image: Image.Image, height: int, width: int, mode: str, span: tuple[float, float] | None = None
) -> Image.Image:
    """Resize the image to cover height × width, antialiased, and cut out the centre; the aspect ratio is kept."""
    whole_width, whole_height = upright_size(image)
    scale = max(height / whole_height, width / whole_width)
    across, down = min(width / scale, whole_width), min(height / scale, whole_height)  # rounding may exceed the image
    left, top = (whole_width - across) / 2, (whole_height - down) / 2
    return cut(image, (left, top, left + across, top + down), height, width, mode, span)


def cut(
    image: Image.Image,
    box: tuple[float, float, float, float],
    height: int,
    width: int,
    mode: str,
    span: tuple[float, float] | None = None,
) -> Image.Image:
    """Cut out a box (left, top, right, bottom) in pixels; resize it to height × width, antialiased, and `mode`.

    A JPEG file that is not decoded yet is decoded at the smallest sufficient size. The box and the size are those of
    the upright image; it is cut and resized as it is stored, and then turned.
    """
    turn = orientation(image)
    left, top, right, bottom = stored_box(box, image.size, turn)
    target = (width, height) if turn < 5 else (height, width)
    smaller = min((right - left) / target[0], (bottom - top) / target[1]) / DRAFT_GAP
    if smaller >= 2:
        before = image.size
        image.draft(
            None, (image.width // int(smaller), image.height // int(smaller))
        )  # PIL picks the nearest size that is not smaller
        x, y = image.width / before[0], image.height / before[1]
        left, top, right, bottom = left * x, top * y, min(right * x, image.width), min(bottom * y, image.height)
    resized = to_mode(image, mode, span).resize(
        target, Image.Resampling.BICUBIC, box=(left, top, right, bottom), reducing_gap=3.0
    )
    return upright(resized, turn)


def _useful_threads(images: Images, indices: np.ndarray) -> int:
    """Return the number of cores for large images, 1 for small ones, which threads decode no faster (measured)."""
    try:
        with images.open(int(indices[0])) as image:
            is_large = image.width * image.height >= LARGE
    except Exception:
        is_large = True  # `decode` reports the error
    return len(os.sched_getaffinity(0)) if is_large and hasattr(os, "sched_getaffinity") else 1


def in_chunks(images: Images, indices: np.ndarray, work: Callable[[int], list[T]]) -> Iterator[T]:
    """Yield what `work` finds in each chunk of `CHUNK` indices, given its start; in order, in threads if that pays."""
    threads, starts = _useful_threads(images, indices), range(0, len(indices), CHUNK)
    if threads == 1:
        yield from itertools.chain.from_iterable(map(work, starts))
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from itertools.chain.from_iterable(pool.map(work, starts))
    finally:
        pool.shutdown(cancel_futures=True)
