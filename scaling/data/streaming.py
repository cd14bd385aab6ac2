"""Decoding of images from files while the network trains: ahead of time, in order, in threads or processes.

The choice rests on measurements (docs/data.md). On a CPU, threads decode 10 to 15 % more, start at once and share what
they have read. Beside a GPU, their Python code would slow the thread that feeds it by nearly a third, so processes
decode there.
"""

import contextlib
import itertools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from scaling import devices
from scaling.data.crops import middle_crop, random_crop
from scaling.data.dataset import StreamSplit
from scaling.data.decoding import describe_problem
from scaling.data.pixels import opened, quiet
from scaling.devices import kind_of
from scaling.study.plugins import Shipment

AHEAD_BYTES = 256 * 2**20  # most bytes decoded ahead, unless two batches take more
AHEAD_BATCHES = (2, 16)  # fewest and most batches decoded ahead
PIECE = 8  # fewest images worth a message to a worker
NICENESS = 0  # of the decoding threads, which run while the network's threads wait


@dataclass(frozen=True)
class BatchIndices:
    """The images of one batch, in order."""

    indices: np.ndarray  # int64 (B,)
    seed: tuple[int, ...] | None = None  # of random crops from files; None: centre crops, for evaluation
    places: np.ndarray | None = None  # int64 (B,), if this is a share of a batch: positions in the whole batch

    def part(self, share: slice) -> "BatchIndices":
        """Return a share of the batch, whose images are cropped as in the whole batch."""
        places = np.arange(len(self.indices)) if self.places is None else self.places
        return BatchIndices(self.indices[share], self.seed, places[share])


@dataclass(frozen=True)
class Piece:
    """The share of a batch that one worker decodes."""

    indices: np.ndarray  # of images
    rows: np.ndarray  # of the images in the batch
    places: np.ndarray  # in the whole batch; part of the seed, so that a repeated image gets another crop
    seed: tuple[int, ...] | None


class Served(NamedTuple):
    """A decoded batch."""

    batch: BatchIndices
    images: torch.Tensor  # uint8 (B, H, W, C); black where unreadable
    problems: list[tuple[int, str]]  # row of each unreadable image, and its problem


def pieces(batch: BatchIndices, workers: int, split: StreamSplit) -> list[Piece]:
    """Divide a batch among workers by file position, so that each worker needs few row groups."""
    blocks = split.images.blocks()
    by_place = batch.indices if blocks is None else blocks.numbers[batch.indices] * len(split) + batch.indices
    rows = np.argsort(by_place, kind="stable")
    places = np.arange(len(rows)) if batch.places is None else batch.places
    number = max(1, min(workers, len(rows) // PIECE))
    return [Piece(batch.indices[r], r, places[r], batch.seed) for r in np.array_split(rows, number)]


class Reader(Dataset):
    """Read and crop images; runs in the workers."""

    def __init__(self, split: StreamSplit, workers: int = 1) -> None:
        self.plugins = Shipment()  # first: it is unpickled, and so loaded, before images of a plugin's own class
        self.images, self.shape = split.images.for_one_of(workers), split.shape
        self.reading = split.reading
        quiet()

    def __getitem__(self, piece: Piece) -> tuple[torch.Tensor, list[tuple[int, str]]]:
        pixels = np.zeros((len(piece.indices), *self.shape), np.uint8)
        problems = self.fill(pixels, piece, np.arange(len(pixels)))
        return torch.from_numpy(pixels), [(int(piece.rows[row]), problem) for row, problem in problems]

    def fill(self, out: np.ndarray, piece: Piece, rows: Sequence[int] | np.ndarray) -> list[tuple[int, str]]:
        """Decode the images of a piece into `rows` of `out`; return the unreadable rows and their problems."""
        height, width, _ = self.shape
        problems = []
        for index, place, row in zip(piece.indices.tolist(), piece.places.tolist(), rows, strict=True):
            try:
                with opened(self.images, index, self.reading) as image:
                    if piece.seed is None:
                        out[row] = middle_crop(image, height, width, self.reading.span)
                    else:
                        rng = np.random.default_rng((*piece.seed, place, index))
                        out[row] = random_crop(image, height, width, rng, self.reading.span)
            except Exception as error:  # broken bytes make PIL raise many types
                out[row] = 0
                problems.append((int(row), describe_problem(self.images, index, error)))
        return problems


def in_threads(split: StreamSplit, plan: Iterable[BatchIndices], workers: int) -> Iterator[Served]:
    """Decode in threads of this process, straight into the batches."""
    reader = Reader(split)
    pool = ThreadPoolExecutor(workers, "decoder", _give_way)
    waiting: deque[tuple[BatchIndices, torch.Tensor, list[Future[list[tuple[int, str]]]]]] = deque()

    def served() -> Served:
        batch, images, parts = waiting.popleft()
        return Served(batch, images, [problem for part in parts for problem in part.result()])

    try:
        for batch in plan:
            images = torch.empty((len(batch.indices), *split.shape), dtype=torch.uint8)
            parts = [pool.submit(reader.fill, images.numpy(), p, p.rows) for p in pieces(batch, workers, split)]
            waiting.append((batch, images, parts))
            if len(waiting) > batches_ahead(split, len(batch.indices)):
                yield served()
        while waiting:
            yield served()
    finally:
        pool.shutdown(cancel_futures=True)


class Decoders:
    """Processes that decode the images of one set, for one plan after another: starting them takes seconds."""

    def __init__(self, split: StreamSplit, workers: int, device: torch.device) -> None:
        """Start nothing yet.

        Args:
            device: where the batches go; copies leave pinned memory, while it works on earlier batches, where it can.
        """
        self.split, self.workers, self.device = split, workers, device
        self.plan = _Pieces()
        self._loader: DataLoader | None = None

    def serve(self, plan: Iterable[BatchIndices]) -> Iterator[Served]:
        """Decode the batches of a plan, in order; one plan at a time."""
        plan = iter(plan)
        first = next(plan, None)
        if first is None:
            return
        begun: deque[tuple[BatchIndices, list[Piece]]] = deque()

        def work() -> Iterator[Piece]:
            for batch in itertools.chain([first], plan):
                begun.append((batch, pieces(batch, self.workers, self.split)))
                yield from begun[-1][1]

        self.plan.current = work()
        if self._loader is None:
            self._loader = self._start(batches_ahead(self.split, len(first.indices)))
        answers = iter(self._loader)
        side = devices.side_stream(self.device)
        while begun:
            batch, parts = begun.popleft()
            done = [next(answers) for _ in parts]
            with devices.on_stream(side):
                pixels = torch.cat([pixels.to(self.device, non_blocking=True) for pixels, _ in done])
                rows = np.argsort(np.concatenate([part.rows for part in parts]))
                images = pixels[devices.copied(rows, self.device)]
            devices.join_stream(side, images)
            yield Served(batch, images, [problem for _, problems in done for problem in problems])

    def _start(self, ahead: int) -> DataLoader:
        context = multiprocessing.get_context("forkserver")  # a plain fork inherits locks of CUDA's and Ray's threads
        context.set_forkserver_preload(["scaling.data.streaming"])
        return DataLoader(
            Reader(self.split, self.workers),
            batch_size=None,
            sampler=self.plan,
            num_workers=self.workers,
            multiprocessing_context=context,
            prefetch_factor=ahead,
            persistent_workers=True,
            pin_memory=kind_of(self.device).has_streams,
            generator=torch.Generator(),  # the loader would otherwise draw from torch's global generator
        )


@dataclass
class _Pieces:
    """The pieces of the plan that is served, for a loader that asks for them anew with every plan."""

    current: Iterator[Piece] = field(default_factory=lambda: iter(()))

    def __iter__(self) -> Iterator[Piece]:
        return self.current


class KeptDecoders:
    """The decoders of a trial's sets, one for each, so that no evaluation starts processes anew."""

    def __init__(self) -> None:
        self._of: dict[int, Decoders] = {}

    def of(self, split: StreamSplit, workers: int, device: torch.device) -> Decoders:
        """Return those of `split`."""
        return self._of.setdefault(id(split), Decoders(split, workers, device))


def in_processes(
    split: StreamSplit, plan: Iterable[BatchIndices], workers: int, device: torch.device
) -> Iterator[Served]:
    """Decode in processes that end with the plan."""
    return Decoders(split, workers, device).serve(plan)


def batches_ahead(split: StreamSplit, batch_size: int) -> int:
    """Return how many batches to decode ahead: as many as fit `AHEAD_BYTES`, within `AHEAD_BATCHES`."""
    fewest, most = AHEAD_BATCHES
    return int(np.clip(AHEAD_BYTES // (batch_size * np.prod(split.shape)), fewest, most))


def _give_way() -> None:
    with contextlib.suppress(OSError, AttributeError):  # on systems without a priority per thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
