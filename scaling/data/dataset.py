"""What a study trains on: three sets of images, their classes, and what makes sense to do to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """One set, decoded, in memory. Plain arrays, so that Ray shares one copy among all workers of a machine."""

    images: np.ndarray  # uint8 (N, H, W, C)
    labels: np.ndarray  # int64 (N,), counted from 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels


@dataclass(frozen=True, eq=False)
class FileSplit:
    """One set too large for memory: its images are read from their files in every epoch, by worker processes."""

    root: Path
    paths: np.ndarray  # bytes (N,), relative to root; an array costs worker processes nothing, a list a copy each
    labels: np.ndarray  # int64 (N,), counted from 0
    shape: tuple[int, int, int]  # height, width and channels that images are brought to

    def __len__(self) -> int:
        return len(self.labels)


AnySplit = Split | FileSplit


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
