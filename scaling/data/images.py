"""Images as a source stores them: how many there are, how to open one, where it comes from."""

import contextlib
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from scaling.data.class_names import one_form


@dataclass(frozen=True, eq=False)
class Inventory:
    """What a fingerprint takes of the images of one set without reading them; None: unknown."""

    names: Sequence[str] | None = None  # of each image, relative to the set's place, parts separated by `/`
    sizes: np.ndarray | None = None  # int64: bytes of each image, or of each block of images that are read together
    state: bytes | None = None  # differs whenever the bytes may have changed, as the times and inodes of files do


class Images(ABC):
    """The images of one set, in the source's order.

    `inventory` and `stored` may be left out: a fingerprint then takes pixels, which depend on the decoder's version.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def open(self, index: int) -> Image.Image:
        """Open one image; its pixels may be read later."""

    @abstractmethod
    def place(self, index: int) -> str:
        """Return where the image comes from, for messages."""

    def inventory(self) -> Inventory:
        """Return names, sizes and state of all images as they are now, without reading one."""
        return Inventory()

    def stored(self, index: int) -> bytes:
        """Return the bytes of one image, as they are stored where that is possible."""
        with self.open(index) as image:
            return f"{image.mode} {image.size}".encode() + image.tobytes()


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which images can only be read together."""

    numbers: np.ndarray  # int64 (N,): block of each image
    sizes: np.ndarray  # float64 (blocks,): bytes of each block


class StreamedImages(Images):
    """Images that can stay in their files: pickling stores names and numbers, not pixels."""

    @abstractmethod
    def take(self, indices: np.ndarray) -> Self:
        """Return the images at `indices`, in that order."""

    def blocks(self) -> Blocks | None:
        """Return which images are read together, or None if each can be read on its own."""
        return None

    def for_one_of(self, workers: int) -> Self:
        """Return a copy for one of several worker processes, which together hold no more in memory than one would."""
        return self


@dataclass(frozen=True, eq=False)
class ArrayImages(Images):
    """Images that the source has already decoded: uint8 (N, H, W) or (N, H, W, C)."""

    array: np.ndarray
    name: str

    def __len__(self) -> int:
        return len(self.array)

    def open(self, index: int) -> Image.Image:
        return Image.fromarray(self.array[index])

    def place(self, index: int) -> str:
        return f"{self.name} image {index}"

    def inventory(self) -> Inventory:
        return Inventory(sizes=np.full(len(self), self.array[:1].nbytes))

    def stored(self, index: int) -> bytes:
        return f"{self.array.dtype} {self.array.shape[1:]}".encode() + self.array[index].tobytes()


def state_of(files: Iterable[str | bytes | Path]) -> tuple[np.ndarray, bytes]:
    """Return the size of each file, int64 (N,), −1 where it cannot be read; and what differs once any has changed."""
    files = list(files)
    found = np.full((len(files), 4), -1, np.int64)
    for row, file in enumerate(files):
        with contextlib.suppress(OSError):
            stat = os.stat(file)
            found[row] = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & 0x7FFF_FFFF_FFFF_FFFF
    return found[:, 0].copy(), hashlib.sha256(found.tobytes()).digest()


class FileImages(StreamedImages):
    """Images that are one file each.

    Args:
        paths: relative to root; stored as one array of bytes, which worker processes share. A list would be copied to
            each of them.
    """

    def __init__(self, root: Path, paths: Sequence[str] | np.ndarray) -> None:
        self.root = root
        self.paths = paths if isinstance(paths, np.ndarray) else np.array([os.fsencode(path) for path in paths])

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Image.Image:
        return Image.open(self.place(index))

    def place(self, index: int) -> str:
        return os.path.join(self.root, os.fsdecode(self.paths[index]))

    def take(self, indices: np.ndarray) -> "FileImages":
        return FileImages(self.root, self.paths[indices])

    def inventory(self) -> Inventory:
        root = os.fsencode(self.root)
        names = [os.path.relpath(path, root) if os.path.isabs(path) else path for path in self.paths.tolist()]
        sizes, state = state_of(os.path.join(root, path) for path in self.paths.tolist())
        return Inventory([one_form(os.fsdecode(name).replace(os.sep, "/")) for name in names], sizes, state)

    def stored(self, index: int) -> bytes:
        return Path(self.place(index)).read_bytes()
