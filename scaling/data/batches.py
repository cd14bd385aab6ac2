"""Batches on the device, by index from memory or decoded from files while the network trains.

Both sources serve uint8 images (B, H, W, C) and labels (B,) for a plan of indices, so training handles them alike.
"""

import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from scaling.data.dataset import AnySplit, Split, StreamSplit
from scaling.data.streaming import BatchIndices as BatchIndices
from scaling.data.streaming import KeptDecoders, in_threads
from scaling.devices import copied, kind_of, room_bytes
from scaling.study.errors import DataError
from scaling.study.notes import Notes

Batch = tuple[torch.Tensor, torch.Tensor]  # images uint8 (B, H, W, C), labels int64 (B,)

LEFT_OUT, BLACK = "left out: ", "served black: "  # beginnings of notes on unreadable images

SHARE_OF_GPU = 0.25  # of its free memory that a set may take; a larger set stays in the machine's memory


class UnreadableImageWarning(UserWarning):
    """An image of a large data set was skipped because it cannot be read."""


def batches(
    split: AnySplit,
    plan: Iterable[BatchIndices],
    device: torch.device,
    notes: Notes | None = None,
    kept: KeptDecoders | None = None,
) -> Iterator[Batch]:
    """Serve the batches of `plan`, in order, on `device`.

    Args:
        kept: the decoders of earlier plans of the same sets, which serve this one too; None starts new ones.

    Each unreadable image of a stream gives a warning and a line in `notes`. Training leaves it out; evaluation, in
    which every image must keep its place, replaces it with a black image.

    Raises:
        DataError: more distinct images are unreadable than the split's `most_unreadable`.
    """
    if isinstance(split, Split):
        return from_memory(split, plan, device)
    return from_files(split, plan, device, notes or Notes(), kept or KeptDecoders())


def from_memory(split: Split, plan: Iterable[BatchIndices], device: torch.device) -> Iterator[Batch]:
    """Serve decoded images: copy all bytes to the device once if they fit, else copy one batch at a time."""
    images, rows, labels = _tensor(split.images), split.rows, _tensor(split.labels).to(device)
    resident = fits(len(split) * images[:1].nbytes, device)
    if resident and kind_of(device).is_accelerator:
        images, rows = _tensor(split.pixels).to(device), None
    for batch in plan:
        places = torch.from_numpy(batch.indices if rows is None else rows[batch.indices])
        there = copied(batch.indices, device)
        chosen = images[copied(places, device)] if resident else copied(images[places], device)
        yield chosen, labels[there]


def from_files(
    split: StreamSplit, plan: Iterable[BatchIndices], device: torch.device, notes: Notes, kept: KeptDecoders
) -> Iterator[Batch]:
    """Serve images decoded and cropped ahead of time, by one worker for each core of the trial."""
    workers = torch.get_num_threads()
    labels = _tensor(split.labels)
    served = (
        kept.of(split, workers, device).serve(plan)
        if kind_of(device).is_accelerator
        else in_threads(split, plan, workers)
    )
    black: set[str] = set()  # in this evaluation; the notes hold what training left out, in earlier runs too
    for batch, images, problems in served:
        indices = torch.from_numpy(batch.indices)
        for _, problem in problems:
            if batch.seed is None:
                black.add(problem)
                refuse_too_many(black, split)
            else:
                refuse_too_many(left_out(notes) | {problem}, split)
            line = (BLACK if batch.seed is None else LEFT_OUT) + problem
            if line not in notes.lines:
                notes.add(line)
                warnings.warn(line, UnreadableImageWarning, stacklevel=2)
        if problems and batch.seed is not None:
            rows = torch.from_numpy(np.setdiff1d(np.arange(len(indices)), [row for row, _ in problems]))
            indices, images = indices[rows], images[copied(rows, device)]
        yield images, copied(labels[indices], device)


def fits(size: int, device: torch.device) -> bool:
    """Return whether `size` bytes may stay on the device while a network trains there."""
    return not kind_of(device).is_accelerator or size <= SHARE_OF_GPU * room_bytes(device)


def left_out(notes: Notes) -> set[str]:
    """Return the problem of each image that training left out, in this run and in the runs that it continues."""
    return {line.removeprefix(LEFT_OUT) for line in notes.lines if line.startswith(LEFT_OUT)}


def unreadable_lines(notes: Notes) -> list[str]:
    """Return the notes on unreadable images."""
    return [line for line in notes.lines if line.startswith((LEFT_OUT, BLACK))]


def refuse_too_many(unreadable: set[str], split: AnySplit) -> None:
    """Raise `DataError` if more images are unreadable than the split's `most_unreadable`."""
    if isinstance(split, StreamSplit) and len(unreadable) > split.most_unreadable:
        named = "; ".join(sorted(unreadable)[:5]) + ("; …" if len(unreadable) > 5 else "")
        most = f"more than data.most_unreadable = {split.most_unreadable}"
        raise DataError(f"{len(unreadable)} images cannot be read, {most}: {named}")


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Return a tensor that shares the array's memory."""
    with warnings.catch_warnings():
        # Ray shares read-only arrays, about which torch warns; nothing here writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
