"""Images as a source stores them: how many there are, how to open one, where it comes from."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image


class Images(ABC):
    """The images of one set, in the source's order."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def open(self, index: int) -> Image.Image:
        """Open one image; its pixels may be read later."""

    @abstractmethod
    def place(self, index: int) -> str:
        """Return where the image comes from, for messages."""


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
