"""Images as a source keeps them, and how they become one array of bytes."""

import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from scaling.errors import DataError

MOST_PROBLEMS = 10  # of a data set that are told at once
CHUNK = 256  # images per piece of work
LARGE = 96 * 96  # pixels of an image that is worth a thread

GREY = {"1", "L", "LA"}
DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}  # 16-bit grey, as microscopes and scanners write it


class Images(Protocol):
    """The images of one set, in the source's order."""

    def __len__(self) -> int: ...

    def open(self, index: int) -> Image.Image:
        """Open one image; its pixels may be read later."""
        ...

    def place(self, index: int) -> str:
        """Where the image comes from, for messages."""
        ...


@dataclass(frozen=True)
class ArrayImages:
    """Images that the source has decoded already: uint8 (N, H, W) or (N, H, W, C)."""

    array: np.ndarray
    name: str

    def __len__(self) -> int:
        return len(self.array)

    def open(self, index: int) -> Image.Image:
        return Image.fromarray(self.array[index])

    def place(self, index: int) -> str:
        return f"{self.name} image {index}"


@dataclass(frozen=True)
class FileImages:
    """Images in files of their own."""

    root: Path
    paths: Sequence[str]  # relative to root

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Image.Image:
        return Image.open(self.root / self.paths[index])

    def place(self, index: int) -> str:
        return str(self.root / self.paths[index])


@dataclass(frozen=True)
class EncodedImages:
    """Images as JPEG, PNG or other bytes, from the rows of some files."""

    contents: Sequence[bytes]
    files: Sequence[tuple[str, int]]  # name of each file and the number of its rows

    def __len__(self) -> int:
        return len(self.contents)

    def open(self, index: int) -> Image.Image:
        return Image.open(io.BytesIO(self.contents[index]))

    def place(self, index: int) -> str:
        for name, rows in self.files:
            if index < rows:
                return f"{name} row {index}"
            index -= rows
        raise IndexError(index)


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


def first_form(images: Images, indices: Iterable[int], size: int | None) -> Form:
    """Guess from the first readable image what all are like; `size` is the side asked for, or None.

    Raises:
        DataError: none of the first images can be read.
    """
    problems = []
    for index in itertools.islice(indices, MOST_PROBLEMS):
        try:
            with images.open(index) as image:
                mode = "L" if image.mode in GREY | DEEP else "RGB"
                width, height = (image.width, image.height) if size is None else (size, size)
                return Form(height, width, mode, resize=size is not None)
        except Exception as error:
            problems.append(f"{images.place(index)}: cannot be read as an image ({_reason(error)})")
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
            except _WrongImageError as error:
                problems.append(f"{images.place(int(indices[row]))}: {error}")
            except Exception as error:  # PIL raises whatever the bytes provoke: OSError, SyntaxError, struct.error, …
                problems.append(f"{images.place(int(indices[row]))}: cannot be read as an image ({_reason(error)})")
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


def to_form(image: Image.Image, form: Form) -> np.ndarray:
    """Bring one image to the form of its data set: uint8 (H, W) or (H, W, 3)."""
    if (image.height, image.width) != (form.height, form.width):
        if not form.resize:
            raise _WrongImageError(
                f"is {image.width}×{image.height} pixels, the first image {form.width}×{form.height};"
                " set data.image_size to bring all to one size"
            )
        return np.asarray(fit_inside(to_mode(image, form.mode), form.height, form.width))
    return np.asarray(to_mode(image, form.mode))


def fit_inside(image: Image.Image, height: int, width: int) -> Image.Image:
    """Resize so that the image covers height × width, antialiased, and cut the middle out: nothing is stretched."""
    scale = max(height / image.height, width / image.width)
    across, down = min(width / scale, image.width), min(height / scale, image.height)  # rounding may exceed by a hair
    left, top = (image.width - across) / 2, (image.height - down) / 2
    return image.resize(
        (width, height), Image.Resampling.BICUBIC, box=(left, top, left + across, top + down), reducing_gap=3.0
    )


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert to "L" or "RGB"; transparency is dropped, 16 bits become 8."""
    if image.mode == mode:
        return image
    if image.mode in DEEP:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise _WrongImageError(f"has 32-bit pixels (mode {image.mode}) of unknown range; store it with 8 or 16 bits")
    if mode == "L" and image.mode not in GREY:
        raise NotGreyError
    return image.convert(mode)


class _WrongImageError(Exception):
    """A readable image that does not fit the others."""


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


def _reason(error: Exception) -> str:
    """What went wrong in few words; PIL names the bytes object, which says nothing."""
    text = " ".join(str(error).split())
    return "no known image format" if "cannot identify image file" in text else text or type(error).__name__
