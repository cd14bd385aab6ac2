"""Images as a source keeps them: how many there are, how one is opened, where it comes from."""

import io
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
        """Where the image comes from, for messages."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which images can only be read together."""

    numbers: np.ndarray  # int64 (N,): block of each image
    sizes: np.ndarray  # float64 (blocks,): bytes of each


class StreamedImages(Images):
    """Images that need not all be in memory: they stay in files, and are pickled as names and numbers."""

    @abstractmethod
    def take(self, indices: np.ndarray) -> Self:
        """These images alone, in this order."""

    def blocks(self) -> Blocks | None:
        """Which images are read together; None where each can be read by itself."""
        return None

    def for_one_of(self, workers: int) -> Self:
        """What one of several worker processes needs, which keep together no more in memory than one would."""
        return self


@dataclass(frozen=True, eq=False)
class ArrayImages(Images):
    """Images that the source has decoded already: uint8 (N, H, W) or (N, H, W, C)."""

    array: np.ndarray
    name: str

    def __len__(self) -> int:
        return len(self.array)

    def open(self, index: int) -> Image.Image:
        return Image.fromarray(self.array[index])

    def place(self, index: int) -> str:
        return f"{self.name} image {index}"


@dataclass(frozen=True, eq=False)
class EncodedImages(Images):
    """Images as JPEG, PNG or other bytes, in memory."""

    contents: Sequence[bytes]
    name: str

    def __len__(self) -> int:
        return len(self.contents)

    def open(self, index: int) -> Image.Image:
        return Image.open(io.BytesIO(self.contents[index]))

    def place(self, index: int) -> str:
        return f"{self.name} row {index}"


class FileImages(StreamedImages):
    """Images in files of their own.

    Args:
        paths: relative to root; kept as one array of bytes, which costs worker processes nothing, where a list would
            cost a copy each.
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
