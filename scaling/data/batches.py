"""Batches on the device: by index from memory, or decoded from files while the network trains.

Both give uint8 (B, H, W, C) and labels (B,) for a plan of indices, so training does not know the difference.
"""

import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from scaling.data.dataset import AnySplit, Split, StreamSplit
from scaling.data.streaming import BatchIndices as BatchIndices
from scaling.data.streaming import in_processes, in_threads
from scaling.study.errors import DataError
from scaling.study.notes import Notes

Batch = tuple[torch.Tensor, torch.Tensor]  # images uint8 (B, H, W, C), labels int64 (B,)

LEFT_OUT, BLACK = "left out: ", "served black: "  # of notes on images that cannot be read

SHARE_OF_GPU = 0.25  # of its free memory that a set may take; a larger one stays in the machine's memory


class UnreadableImageWarning(UserWarning):
    """An image of a large data set that was left out because it cannot be read."""


def batches(split: AnySplit, plan: Iterable[BatchIndices], device: torch.device, notes: Notes | None = None) -> Iterator[Batch]:
    """Serve the batches of `plan`, in order, on `device`.

    Unreadable images of a stream are left out of training, with a warning and a line in `notes` each; at evaluation,
    where every image must have its place, they are served black.

    Raises:
        DataError: more different images cannot be read than the split's `most_unreadable`.
    """
    if isinstance(split, Split):
        return from_memory(split, plan, device)
    return from_files(split, plan, device, notes or Notes())


def from_memory(split: Split, plan: Iterable[BatchIndices], device: torch.device) -> Iterator[Batch]:
    """Serve decoded images, which are put onto the device once, as bytes; batch by batch, where they are too many."""
    images, labels = _tensor(split.images), _tensor(split.labels).to(device)
    resident = fits(split.images.nbytes, device)
    if resident:
        images = images.to(device)
    for step in plan:
        indices = torch.from_numpy(step.indices)
        there = indices.to(device, non_blocking=True)
        chosen = images[there] if resident else images[indices].pin_memory().to(device, non_blocking=True)
        yield chosen, labels[there]


def from_files(split: StreamSplit, plan: Iterable[BatchIndices], device: torch.device, notes: Notes) -> Iterator[Batch]:
    """Serve images that as many workers as the trial has cores decode and crop in advance."""
    workers = torch.get_num_threads()
    labels = _tensor(split.labels)
    served = in_processes(split, plan, workers, device) if device.type == "cuda" else in_threads(split, plan, workers)
    black: set[str] = set()  # in this evaluation; what training left out is known from the notes, to the next run too
    for step, images, problems in served:
        indices = torch.from_numpy(step.indices)
        for _, problem in problems:
            if step.seed is None:
                black.add(problem)
                refuse_too_many(black, split)
            else:
                refuse_too_many(left_out(notes) | {problem}, split)
            line = (BLACK if step.seed is None else LEFT_OUT) + problem
            if line not in notes.lines:
                notes.add(line)
                warnings.warn(line, UnreadableImageWarning, stacklevel=2)
        if problems and step.seed is not None:
            rows = torch.from_numpy(np.setdiff1d(np.arange(len(indices)), [row for row, _ in problems]))
            indices, images = indices[rows], images[rows.to(device)]
        yield images, labels[indices].to(device, non_blocking=True)


def fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes may stay on the device for as long as a network trains on it."""
    return device.type != "cuda" or size <= SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0]


def left_out(notes: Notes) -> set[str]:
    """What is wrong with each image that training has left out, in this run and those that it continues."""
    return {line.removeprefix(LEFT_OUT) for line in notes.lines if line.startswith(LEFT_OUT)}


def unreadable_lines(notes: Notes) -> list[str]:
    """Lines about images that cannot be read."""
    return [line for line in notes.lines if line.startswith((LEFT_OUT, BLACK))]


def refuse_too_many(unreadable: set[str], split: AnySplit) -> None:
    """Raise `DataError` where more images than the split's `most_unreadable` cannot be read."""
    if isinstance(split, StreamSplit) and len(unreadable) > split.most_unreadable:
        named = "; ".join(sorted(unreadable)[:5]) + ("; …" if len(unreadable) > 5 else "")
        most = f"more than data.most_unreadable = {split.most_unreadable}"
        raise DataError(f"{len(unreadable)} images cannot be read, {most}: {named}")


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Tensor over the same memory."""
    with warnings.catch_warnings():
        # what Ray shares is read-only, about which torch warns; nothing here writes into it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
