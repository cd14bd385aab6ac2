"""What a study trains on: three sets of images, their classes, and what makes sense to do to them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scaling.data.images import StreamedImages


@dataclass(frozen=True, eq=False)
class Split:
    """One set, decoded, in memory. Plain arrays, so that all workers of a machine share one copy.

    Pickled by protocol 5 the pixels stay where they are (out of band): Ray keeps them in its object store and every
    worker reads them there, without a copy. They are read-only; nothing here writes into them.
    """

    images: np.ndarray  # uint8 (N, H, W, C)
    labels: np.ndarray  # int64 (N,), counted from 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Every image once, in random order: indices int64 (N,)."""
        return rng.permutation(len(self))


@dataclass(frozen=True, eq=False)
class StreamSplit:
    """One set too large for memory: its images are read from their files in every epoch, while the network trains."""

    images: StreamedImages
    labels: np.ndarray  # int64 (N,), counted from 0
    shape: tuple[int, int, int]  # height, width and channels that images are brought to
    window_bytes: float  # of row groups that are shuffled together, where images lie in such
    most_unreadable: int  # images that may be unreadable, each with a warning, before it is an error

    def __len__(self) -> int:
        return len(self.labels)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Every image once, in random order: indices int64 (N,).

        Images that can only be read in blocks (row groups of Parquet) are shuffled within windows of whole blocks,
        drawn anew each time; all others freely. It follows from the files and `rng`, whatever the number of workers.
        """
        blocks = self.images.blocks()
        if blocks is None:
            return rng.permutation(len(self))
        places = rng.permutation(len(blocks.sizes))
        window = np.empty(len(places), np.int64)
        window[places] = (np.cumsum(blocks.sizes[places]) - blocks.sizes[places]) // self.window_bytes
        images = rng.permutation(len(self))
        return images[np.argsort(window[blocks.numbers[images]], kind="stable")]


AnySplit = Split | StreamSplit


@dataclass(frozen=True, eq=False)
class Dataset:
    """Train, validation and test images with their classes.

    Choose on validation, report on test.
    """

    train: AnySplit
    validation: AnySplit
    test: AnySplit
    class_names: tuple[str, ...]
    mean: tuple[float, ...]  # of the training pixels, per channel, in units of 0 to 255
    std: tuple[float, ...]
    flip: bool  # whether an image and its mirror image are of the same class
    crop_padding: int  # pixels by which random crops may shift an image

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def channels(self) -> int:
        return self.train.shape[2]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.train.shape[:2]

    def splits(self) -> Iterator[tuple[str, AnySplit]]:
        """Name and content of the three sets."""
        yield "train", self.train
        yield "validation", self.validation
        yield "test", self.test
