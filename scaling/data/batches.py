"""Batches on the device: by index from memory, or decoded from files by worker processes.

Both give uint8 (B, H, W, C) and labels (B,) for a plan of indices, so training does not know the difference.
"""

import multiprocessing
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from scaling.data.dataset import AnySplit, FileSplit, Split
from scaling.data.images import fit_inside, to_mode
from scaling.errors import DataError

Batch = tuple[torch.Tensor, torch.Tensor]  # images uint8 (B, H, W, C), labels int64 (B,)
Item = tuple[int, tuple[int, ...] | None]  # index of an image, and the seed of its crop

MOST_UNREADABLE = 10  # images of a training set that are left out with a warning before it is an error
AHEAD = 4  # batches that each worker process decodes in advance

# Random resized crops: Szegedy et al., "Going deeper with convolutions", arXiv 1409.4842, section 6
CROP_AREA = (0.08, 1.0)  # part of the image
CROP_RATIO = (3 / 4, 4 / 3)  # width over height
EVALUATION_CROP = 0.875  # part of each side that is seen at evaluation


@dataclass(frozen=True)
class Step:
    """The images of one batch, in their order."""

    indices: np.ndarray  # int64 (B,)
    seed: tuple[int, ...] | None = None  # of random crops from files; None: evaluation, which cuts the middle out


class UnreadableImageWarning(UserWarning):
    """An image of a large folder that was left out because it cannot be read."""


def batches(split: AnySplit, plan: Iterable[Step], device: torch.device) -> Iterator[Batch]:
    """Serve the batches of `plan`, in order, on `device`.

    Raises:
        DataError: more images than `MOST_UNREADABLE` cannot be read from their files, or any at evaluation.
    """
    return from_memory(split, plan, device) if isinstance(split, Split) else from_files(split, plan, device)


def from_memory(split: Split, plan: Iterable[Step], device: torch.device) -> Iterator[Batch]:
    """Serve decoded images, which are put onto the device once, as bytes."""
    images, labels = _tensor(split.images).to(device), _tensor(split.labels).to(device)
    for step in plan:
        indices = torch.from_numpy(step.indices).to(device, non_blocking=True)
        yield images[indices], labels[indices]


def from_files(split: FileSplit, plan: Iterable[Step], device: torch.device) -> Iterator[Batch]:
    """Serve images that worker processes decode and crop in advance, one process for each core of the trial."""
    context = multiprocessing.get_context("forkserver")  # plain forks inherit the locks of CUDA's and Ray's threads
    context.set_forkserver_preload(["scaling.data.batches"])
    loader = DataLoader(
        Files(split),
        batch_sampler=_Items(plan),
        num_workers=torch.get_num_threads(),
        multiprocessing_context=context,
        prefetch_factor=AHEAD,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # or it would draw from torch's global one
    )
    unreadable: list[str] = []
    for images, labels, indices, readable in loader:
        if not readable.all():
            unreadable += [split_path(split, int(index)) for index in indices[~readable]]
            _tell(unreadable)
            images, labels = images[readable], labels[readable]
        yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


class Files(Dataset):
    """Reads and crops one image; runs in the worker processes."""

    def __init__(self, split: FileSplit) -> None:
        self.split = split

    def __getitem__(self, item: Item) -> tuple[torch.Tensor, int, int, bool]:
        index, seed = item
        height, width, channels = self.split.shape
        try:
            with Image.open(split_path(self.split, index)) as image:
                image = to_mode(image, "RGB")
                if seed is None:
                    cut = _middle(image, height, width)
                else:
                    cut = random_crop(image, height, width, np.random.default_rng((*seed, index)))
                pixels, readable = np.array(cut), True
        except Exception as error:  # PIL raises whatever the bytes provoke
            if seed is None:
                raise DataError(f"{split_path(self.split, index)}: cannot be read as an image ({error})") from None
            pixels, readable = np.zeros((height, width, channels), np.uint8), False
        return torch.from_numpy(pixels), int(self.split.labels[index]), index, readable


def random_crop(image: Image.Image, height: int, width: int, rng: np.random.Generator) -> Image.Image:
    """Cut out a rectangle of random area, shape and place, and resize it."""
    for _ in range(10):
        area = image.width * image.height * rng.uniform(*CROP_AREA)
        ratio = np.exp(rng.uniform(*np.log(CROP_RATIO)))
        across, down = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < across <= image.width and 0 < down <= image.height:
            left, top = rng.integers(image.width - across + 1), rng.integers(image.height - down + 1)
            box = (int(left), int(top), int(left) + across, int(top) + down)
            return image.resize((width, height), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    return fit_inside(image, height, width)  # a very long image


def split_path(split: FileSplit, index: int) -> str:
    """Path of an image."""
    return os.path.join(split.root, os.fsdecode(split.paths[index]))


class _Items:
    """A plan as the data loader wants it: lists of what `Files` takes."""

    def __init__(self, plan: Iterable[Step]) -> None:
        self.plan = plan

    def __iter__(self) -> Iterator[list[Item]]:
        for step in self.plan:
            # the place in the batch is part of the seed, so that a repeated image is cropped anew
            seeds = (None if step.seed is None else (*step.seed, place) for place in range(len(step.indices)))
            yield [(int(index), seed) for index, seed in zip(step.indices, seeds, strict=True)]


def _middle(image: Image.Image, height: int, width: int) -> Image.Image:
    larger = fit_inside(image, round(height / EVALUATION_CROP), round(width / EVALUATION_CROP))
    left, top = (larger.width - width) // 2, (larger.height - height) // 2
    return larger.crop((left, top, left + width, top + height))


def _tell(unreadable: list[str]) -> None:
    different = sorted(set(unreadable))
    if len(different) > MOST_UNREADABLE:
        raise DataError(f"{len(different)} training images cannot be read: {', '.join(different[:5])}, …")
    warnings.warn(f"left out, cannot be read as an image: {different[-1]}", UnreadableImageWarning, stacklevel=3)


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Tensor over the same memory."""
    with warnings.catch_warnings():
        # what Ray shares is read-only, about which torch warns; nothing here writes into it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
