"""Data parallelism: several processes train one network, each on its share of every batch, as one would.

It works over torch.distributed, gloo on CPUs and NCCL on GPUs, and knows nothing of who starts the processes. Every
worker holds the same weights, draws the same random numbers for the whole batch and uses those of its own images, so
that the result is that of one worker up to the order of additions.

Gradients are added up when the backward pass is over, in large pieces. Adding them during it, as torch's
DistributedDataParallel does, would leave the others waiting for ever where one of them runs out of memory half-way.
"""

import contextlib
import datetime
import gc
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import Store, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from scaling.study.errors import TrainingError
from scaling.training.shared_layers import share_statistics

PIECE = 64 * 2**20  # bytes of gradient that travel at once; larger ones gain nothing, and a copy of them is held
PATIENCE = datetime.timedelta(seconds=60)  # that a worker who fails waits for the first one to write it down


class WorkerLost(BaseException):  # no error of the trial, which is to resume: no record may catch it
    """Another worker is gone, and it did not say why."""


class WorkerError(TrainingError):
    """Another worker failed, and this is why."""


class Group:
    """The processes of `torch.distributed`'s default group, seen from one of them; implements `Workers`."""

    def __init__(self, device: torch.device) -> None:
        """Join the group, which exists already; all of its processes do so.

        Args:
            device: of this worker's network. NCCL carries what lies on a GPU, gloo the rest.
        """
        self.rank = dist.get_rank()
        self.count = dist.get_world_size()
        self.device = device
        self.control: Any = dist.new_group(backend="gloo")
        self.board = self._board()

    @property
    def is_first(self) -> bool:
        """Whether this worker writes checkpoints and reports."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Which of so many things are this worker's; there may be none."""
        return slice(count * self.rank // self.count, count * (self.rank + 1) // self.count)

    def share(self, images: int) -> slice:
        """Which images of a batch of so many are this worker's.

        Raises:
            TrainingError: there is none for some worker.
        """
        if images < self.count:
            raise TrainingError(
                f"a batch of {images} cannot be shared by {self.count} workers; lower resources.workers"
            )
        return self.part(images)

    def prepare(self, model: nn.Module) -> None:
        """Give all workers the first one's weights, and let layers that look at the whole batch see all of it."""
        with self._told():
            for tensor in [*model.parameters(), *model.buffers()]:
                dist.broadcast(tensor.detach(), src=0)
        share_statistics(model, self.device, self.sum)

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        """Add tensors up over all workers, in place: shares of a gradient become the whole batch's."""
        with self._told(), torch.no_grad():
            sent = [_Piece(piece) for piece in _pieces(tensors)]
            for piece in sent:
                piece.arrive()

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum of a tensor over all workers."""
        total = tensor.clone(memory_format=torch.contiguous_format)
        with self._told():
            dist.all_reduce(total)
        return total

    def anyone(self, here: bool) -> bool:
        """Whether something is so for any worker; all of them learn it."""
        answer = torch.tensor(int(here))
        with self._told():
            dist.all_reduce(answer, dist.ReduceOp.MAX, group=self.control)
        return bool(answer)

    def joined(self, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Put columns (N,) of all workers one after another, for all of them."""
        return [np.concatenate(parts) for parts in zip(*self._everyones(list(columns)), strict=True)]

    def told(self, lines: Sequence[str]) -> list[str]:
        """Lines of all workers, in their order, for all of them."""
        return [line for theirs in self._everyones(list(lines)) for line in theirs]

    def whole(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the images (b, H, W, C) and labels (b,) that each worker has read together, in the workers' order."""
        sizes = self.joined([np.array([len(images)])])[0]
        most = int(sizes.max())
        return self._gathered(images, sizes, most), self._gathered(labels, sizes, most)

    def agree(self, here: Any, what: str) -> None:
        """Make sure that all workers begin from the same.

        Raises:
            TrainingError: they do not.
        """
        everyone = self._everyones(here)
        if any(other != here for other in everyone):
            raise TrainingError(f"workers differ in {what}: {everyone}; do all see the same folder and data?")

    def failed(self, reason: str) -> None:
        """Tell the others why this worker ends; they stop waiting for it. The first one writes it down."""
        with contextlib.suppress(Exception):  # the others may be gone themselves
            if not self.board.check(["failure"]):
                self.board.set("failure", f"worker {self.rank}: {reason}")
        self.control = None
        dist.destroy_process_group()
        gc.collect()  # connections are closed, and others stop waiting, when nothing refers to the group any more
        if not self.is_first:
            with contextlib.suppress(Exception):
                self.board.wait(["ended"], PATIENCE)

    def ended(self) -> None:
        """Let the others go who wait for what the first worker writes down."""
        with contextlib.suppress(Exception):
            self.board.set("ended", "")

    def _everyones(self, here: Any) -> list[Any]:
        """What every worker has to say, in their order."""
        everyone: list[Any] = [None] * self.count
        with self._told():
            dist.all_gather_object(everyone, here, group=self.control)
        return everyone

    def _gathered(self, tensor: torch.Tensor, sizes: np.ndarray, most: int) -> torch.Tensor:
        padded = tensor.new_zeros((most, *tensor.shape[1:]))
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in sizes]
        with self._told():
            dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say in our own words that another worker is gone, and why, where it has left a reason.

        Raises:
            WorkerError: another worker failed, and said why.
            WorkerLost: it died.
        """
        try:
            yield
        except RuntimeError as error:
            if torch.OutOfMemoryError in type(error).__mro__:
                raise
            reason = None
            with contextlib.suppress(Exception):  # the first worker's process may be gone, and the board with it
                if self.board.check(["failure"]):
                    reason = self.board.get("failure").decode()
            if reason is not None:
                raise WorkerError(reason) from None
            raise WorkerLost(f"worker {self.rank} lost another one: {' '.join(str(error).split())[:200]}") from None

    def _board(self) -> Store:
        """A place beside the group where reasons are left, which outlives it; the first worker's process holds it."""
        address: list[Any] = [None]
        board = None
        if self.is_first:
            host = socket.gethostbyname(socket.gethostname())
            board = TCPStore(host, 0, is_master=True, wait_for_workers=False)
            address = [(host, board.port)]
        dist.broadcast_object_list(address, src=0, group=self.control)
        host, port = address[0]
        return board or TCPStore(host, port, is_master=False)


class _Piece:
    """Tensors of one number format on their way to all workers as one."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self.tensors = tensors
        self.flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self.work = dist.all_reduce(self.flat, async_op=True)

    def arrive(self) -> None:
        assert self.work is not None
        self.work.wait()
        parts = self.flat.split([tensor.numel() for tensor in self.tensors])
        for tensor, part in zip(self.tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def _pieces(tensors: Iterable[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Group tensors of one number format until a piece is full."""
    open_pieces: dict[torch.dtype, list[torch.Tensor]] = {}
    for tensor in tensors:
        piece = open_pieces.setdefault(tensor.dtype, [])
        piece.append(tensor)
        if sum(part.numel() * part.element_size() for part in piece) >= PIECE:
            yield open_pieces.pop(tensor.dtype)
    yield from open_pieces.values()
