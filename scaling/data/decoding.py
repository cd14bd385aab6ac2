"""How the images of a source become one array of bytes."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from scaling.data.images import Images
from scaling.study.errors import DataError

MOST_PROBLEMS = 10  # of a data set that are told at once
CHUNK = 256  # images per piece of work
LARGE = 96 * 96  # pixels of an image that is worth a thread

GREY = {"1", "L", "LA"}
DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}  # 16-bit grey, as microscopes and scanners write it

# A JPEG file is decoded at 1/2, 1/4 or 1/8 of its size where that leaves this many pixels for each one that is wanted:
# the rest of the way is antialiased as usual. On photographs of 480×360 and 640×480 pixels, brought to 32 to 80 pixels,
# the mean difference was 0.2 to 0.5 of 255 grey levels, in about half the time.
DRAFT_GAP = 2


@dataclass(frozen=True)
class Form:
    """What all images of a data set are brought to."""

    height: int
    width: int
    mode: str  # "L" or "RGB"
    resize: bool  # whether other sizes are resized, or are a mistake

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, len(self.mode)  # one letter a channel


class NotGreyError(Exception):
    """Met an image in colour where all before it were grey."""


class WrongImageError(Exception):
    """A readable image that does not fit the others."""


def first_form(images: Images, indices: Iterable[int], size: int | None) -> Form:
    """Guess from the first readable image what all are like; `size` is the side asked for, or None.

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
            problems.append(trouble(images, int(index), error))
    raise DataError(problems)


def decode(images: Images, indices: np.ndarray, form: Form) -> np.ndarray:
    """Decode the images at `indices` into one array uint8 (N, H, W, C).

    Raises:
        DataError: some cannot be read or have another size; up to ten are named.
        NotGreyError: `form` is grey and an image is not.
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
                problems.append(trouble(images, int(indices[row]), error))
        return problems

    threads = _useful_threads(images, indices)
    problems = list(itertools.islice(_in_threads(threads, work, range(0, len(indices), CHUNK)), MOST_PROBLEMS + 1))
    if problems:
        raise told(problems)
    return out


def told(problems: list[str]) -> DataError:
    """Error that tells the first ten problems of a data set, and whether there are more."""
    more = [f"and more; the first {MOST_PROBLEMS} are named"] if len(problems) > MOST_PROBLEMS else []
    return DataError([*problems[:MOST_PROBLEMS], *more])


def trouble(images: Images, index: int, error: Exception) -> str:
    """What is wrong with an image, in one line that names it.

    `error` may be of any kind: PIL raises whatever the bytes provoke (OSError, SyntaxError, struct.error, …).
    """
    if isinstance(error, WrongImageError):
        return f"{images.place(index)}: {error}"
    text = " ".join(str(error).split())
    if "cannot identify image file" in text:  # PIL goes on to name the bytes object, which says nothing
        text = "no known image format"
    return f"{images.place(index)}: cannot be read as an image ({text or type(error).__name__})"


def to_form(image: Image.Image, form: Form) -> np.ndarray:
    """Bring one image to the form of its data set: uint8 (H, W) or (H, W, 3)."""
    if (image.height, image.width) == (form.height, form.width):
        return np.asarray(to_mode(image, form.mode))
    if not form.resize:
        raise WrongImageError(
            f"is {image.width}×{image.height} pixels, the first image {form.width}×{form.height};"
            " set data.image_size to bring all to one size"
        )
    return np.asarray(fit_inside(image, form.height, form.width, form.mode))


def fit_inside(image: Image.Image, height: int, width: int, mode: str) -> Image.Image:
    """Resize so that the image covers height × width, antialiased, and cut the middle out: nothing is stretched."""
    scale = max(height / image.height, width / image.width)
    across, down = min(width / scale, image.width), min(height / scale, image.height)  # rounding may exceed by a hair
    left, top = (image.width - across) / 2, (image.height - down) / 2
    return cut(image, (left, top, left + across, top + down), height, width, mode)


def cut(image: Image.Image, box: tuple[float, float, float, float], height: int, width: int, mode: str) -> Image.Image:
    """Cut out a box (left, top, right, bottom), in pixels, and bring it to height × width and `mode`, antialiased.

    A JPEG file that is not decoded yet is decoded no larger than is needed.
    """
    left, top, right, bottom = box
    smaller = min((right - left) / width, (bottom - top) / height) / DRAFT_GAP
    if smaller >= 2:
        before = image.size
        image.draft(None, (image.width // int(smaller), image.height // int(smaller)))  # the nearest that is no smaller
        x, y = image.width / before[0], image.height / before[1]
        left, top, right, bottom = left * x, top * y, min(right * x, image.width), min(bottom * y, image.height)
    return to_mode(image, mode).resize(
        (width, height), Image.Resampling.BICUBIC, box=(left, top, right, bottom), reducing_gap=3.0
    )


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert to "L" or "RGB"; transparency is dropped, 16 bits become 8."""
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
    """Cores, for large images; 1 for small ones, whose threads would wait for each other's Python (measured)."""
    try:
        with images.open(int(indices[0])) as image:
            is_large = image.width * image.height >= LARGE
    except Exception:
        is_large = True  # it is named when its turn comes
    return len(os.sched_getaffinity(0)) if is_large and hasattr(os, "sched_getaffinity") else 1


def _in_threads(threads: int, work: Callable[[int], list[str]], starts: Iterable[int]) -> Iterator[str]:
    """Problems found by `work` on each chunk, in order."""
    if threads == 1:
        yield from itertools.chain.from_iterable(map(work, starts))
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from itertools.chain.from_iterable(pool.map(work, starts))
    finally:
        pool.shutdown(cancel_futures=True)
