"""A data set as a study trains on it: three sets of images, their classes, and which augmentations make sense."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from scaling.data.images import StreamedImages
from scaling.data.pixels import PLAIN, Reading
from scaling.study.data_fingerprint import DataContent


@dataclass(frozen=True, eq=False)
class Split:
    """One set, decoded in memory as plain arrays, so that all workers of a machine share one copy.

    Pickle protocol 5 keeps the pixels out of band: Ray holds them in its object store and every worker reads them
    there without a copy. They are read-only; nothing here writes to them.
    """

    images: np.ndarray  # uint8 (N, H, W, C), or more where `rows` says which
    labels: np.ndarray  # int64 (N,), counted from 0
    rows: np.ndarray | None = None  # int64 (N,): place of each image of this set in `images`; None: all, in order

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def pixels(self) -> np.ndarray:
        """The images of this set alone, uint8 (N, H, W, C)."""
        return self.images if self.rows is None else self.images[self.rows]

    def take(self, indices: np.ndarray) -> "Split":
        """Return a part of this set, which shares its images."""
        return Split(self.images, self.labels[indices], indices if self.rows is None else self.rows[indices])

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the indices of all images in random order, int64 (N,)."""
        return rng.permutation(len(self))


@dataclass(frozen=True, eq=False)
class StreamSplit:
    """One set too large for memory: every epoch reads its images from their files while the network trains."""

    images: StreamedImages
    labels: np.ndarray  # int64 (N,), counted from 0
    shape: tuple[int, int, int]  # height, width and channels to which images are resized
    window_bytes: float  # of row groups that are shuffled together, if images are stored in row groups
    most_unreadable: int  # unreadable images that give a warning each; one more is an error
    reading: Reading = PLAIN

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "StreamSplit":
        """Return a part of this set."""
        return replace(self, images=self.images.take(indices), labels=self.labels[indices])

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the indices of all images in random order, int64 (N,).

        Images that can only be read in blocks (row groups of Parquet) are shuffled within windows of whole blocks,
        drawn anew each time; others are shuffled freely. The order depends on the files and `rng` only, not on the
        number of workers.
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
    """Training, validation and test images with their classes.

    Choose on validation, report on test.
    """

    train: AnySplit
    validation: AnySplit
    test: AnySplit
    class_names: tuple[str, ...]
    mean: tuple[float, ...]  # of the training pixels, per channel, in units of 0 to 255
    std: tuple[float, ...]
    flip: bool  # whether an image and its mirror image belong to the same class
    crop_padding: int  # pixels by which random crops may shift an image
    pool: AnySplit | None = None  # with `split: per_repetition`, what a trial draws train and validation from
    content: DataContent | None = None  # fingerprint and summary of the source and of these sets
    notes: tuple[str, ...] = ()  # one line each: what was left out, taken for something else, or changed in reading

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
        """Yield the name and content of each of the three sets."""
        yield "train", self.train
        yield "validation", self.validation
        yield "test", self.test
