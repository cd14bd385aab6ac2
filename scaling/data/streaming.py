"""Images read from files while the network trains: decoded ahead, in order, by threads or by processes.

Which of the two was measured (docs/data.md): on a CPU threads decode 10 to 15 % more, start at once and share what they
have read; beside a GPU their Python would slow the thread that feeds it by nearly a third, so processes do it there.
"""

import contextlib
import itertools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from scaling.data.crops import middle_crop, random_crop
from scaling.data.dataset import StreamSplit
from scaling.data.decoding import trouble

AHEAD_BYTES = 256 * 2**20  # decoded in advance, at most, unless two batches take more
AHEAD_BATCHES = (2, 16)  # fewest and most batches decoded in advance
PIECE = 8  # images that are worth a message to a worker
NICENESS = 0  # of the threads: they decode while the network's threads wait, and give way when those work


@dataclass(frozen=True)
class BatchIndices:
    """The images of one batch, in their order."""

    indices: np.ndarray  # int64 (B,)
    seed: tuple[int, ...] | None = None  # of random crops from files; None: evaluation, which cuts the middle out
    places: np.ndarray | None = None  # int64 (B,), where this is a share of a batch: the place of each in the whole

    def part(self, share: slice) -> "BatchIndices":
        """These images alone, cropped as they are in the whole batch."""
        places = np.arange(len(self.indices)) if self.places is None else self.places
        return BatchIndices(self.indices[share], self.seed, places[share])


@dataclass(frozen=True)
class Piece:
    """What one worker does of a step."""

    indices: np.ndarray  # of images
    rows: np.ndarray  # of the step that they belong to
    places: np.ndarray  # of the whole batch, part of the seed: a repeated image is cropped anew
    seed: tuple[int, ...] | None


class Served(NamedTuple):
    """A step, decoded."""

    step: BatchIndices
    images: torch.Tensor  # uint8 (B, H, W, C); black where unreadable
    problems: list[tuple[int, str]]  # row of an unreadable image, and what is wrong with it


def pieces(step: BatchIndices, workers: int, split: StreamSplit) -> list[Piece]:
    """Divide a step among workers such that each has what lies together, the same one nearly the same row groups."""
    blocks = split.images.blocks()
    by_place = step.indices if blocks is None else blocks.numbers[step.indices] * len(split) + step.indices
    rows = np.argsort(by_place, kind="stable")
    places = np.arange(len(rows)) if step.places is None else step.places
    number = max(1, min(workers, len(rows) // PIECE))
    return [Piece(step.indices[r], r, places[r], step.seed) for r in np.array_split(rows, number)]


class Reader(Dataset):
    """Reads and crops images; runs in the workers."""

    def __init__(self, split: StreamSplit, workers: int = 1) -> None:
        self.images, self.shape = split.images.for_one_of(workers), split.shape

    def __getitem__(self, piece: Piece) -> tuple[torch.Tensor, list[tuple[int, str]]]:
        pixels = np.zeros((len(piece.indices), *self.shape), np.uint8)
        problems = self.fill(pixels, piece, np.arange(len(pixels)))
        return torch.from_numpy(pixels), [(int(piece.rows[row]), problem) for row, problem in problems]

    def fill(self, out: np.ndarray, piece: Piece, rows: Sequence[int] | np.ndarray) -> list[tuple[int, str]]:
        """Decode the images of a piece into these rows of `out`; return the rows that cannot be read, and why."""
        height, width, _ = self.shape
        problems = []
        for index, place, row in zip(piece.indices.tolist(), piece.places.tolist(), rows, strict=True):
            try:
                with self.images.open(index) as image:
                    if piece.seed is None:
                        out[row] = middle_crop(image, height, width)
                    else:
                        rng = np.random.default_rng((*piece.seed, place, index))
                        out[row] = random_crop(image, height, width, rng)
            except Exception as error:  # PIL raises whatever the bytes provoke
                out[row] = 0
                problems.append((int(row), trouble(self.images, index, error)))
        return problems


def in_threads(split: StreamSplit, plan: Iterable[BatchIndices], workers: int) -> Iterator[Served]:
    """Decode in threads of this process, straight into the batches."""
    reader = Reader(split)
    pool = ThreadPoolExecutor(workers, "decoder", _give_way)
    waiting: deque[tuple[BatchIndices, torch.Tensor, list[Future[list[tuple[int, str]]]]]] = deque()

    def served() -> Served:
        step, images, parts = waiting.popleft()
        return Served(step, images, [problem for part in parts for problem in part.result()])

    try:
        for step in plan:
            images = torch.empty((len(step.indices), *split.shape), dtype=torch.uint8)
            parts = [pool.submit(reader.fill, images.numpy(), p, p.rows) for p in pieces(step, workers, split)]
            waiting.append((step, images, parts))
            if len(waiting) > batches_ahead(split, len(step.indices)):
                yield served()
        while waiting:
            yield served()
    finally:
        pool.shutdown(cancel_futures=True)


def in_processes(split: StreamSplit, plan: Iterable[BatchIndices], workers: int, device: torch.device) -> Iterator[Served]:
    """Decode in processes; a CUDA device is given its images from pinned memory, while it works on earlier ones."""
    context = multiprocessing.get_context("forkserver")  # plain forks inherit the locks of CUDA's and Ray's threads
    context.set_forkserver_preload(["scaling.data.streaming"])
    begun: deque[tuple[BatchIndices, list[Piece]]] = deque()

    def work() -> Iterator[Piece]:
        for step in plan:
            begun.append((step, pieces(step, workers, split)))
            yield from begun[-1][1]

    plan = iter(plan)
    first = next(plan, None)
    if first is None:
        return
    plan = itertools.chain([first], plan)
    loader = DataLoader(
        Reader(split, workers),
        batch_size=None,
        sampler=work(),
        num_workers=workers,
        multiprocessing_context=context,
        prefetch_factor=batches_ahead(split, len(first.indices)),
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # or it would draw from torch's global one
    )
    answers = iter(loader)
    side = torch.cuda.Stream(device) if device.type == "cuda" else None
    while begun:
        step, parts = begun.popleft()
        done = [next(answers) for _ in parts]
        with torch.cuda.stream(side) if side else contextlib.nullcontext():
            pixels = torch.cat([pixels.to(device, non_blocking=True) for pixels, _ in done])
            rows = torch.from_numpy(np.argsort(np.concatenate([part.rows for part in parts])))
            images = pixels[rows.to(device, non_blocking=True)]
        if side:
            torch.cuda.current_stream(device).wait_stream(side)
            images.record_stream(torch.cuda.current_stream(device))
        yield Served(step, images, [problem for _, problems in done for problem in problems])


def batches_ahead(split: StreamSplit, batch: int) -> int:
    """How many batches are decoded in advance: as many as fit `AHEAD_BYTES`, between the fewest and the most."""
    fewest, most = AHEAD_BATCHES
    return int(np.clip(AHEAD_BYTES // (batch * np.prod(split.shape)), fewest, most))


def _give_way() -> None:
    with contextlib.suppress(OSError, AttributeError):  # where a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
