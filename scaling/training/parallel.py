"""Data parallelism: several processes train one network, each on its share of every batch.

Uses torch.distributed, gloo on CPUs and NCCL on GPUs, and does not depend on how the processes are started. Every
worker holds the same weights, draws the same random numbers for the whole batch and uses those of its own images, so
the result equals that of one worker up to the order of additions.

Gradients are summed after the backward pass, in large pieces. Summing them during it, as torch's
DistributedDataParallel does, would leave the other workers waiting for ever when one runs out of memory half-way.
"""

import contextlib
import datetime
import gc
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import Store, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from scaling.study.errors import TrainingError
from scaling.training.shared_layers import share_statistics

PIECE = 64 * 2**20  # bytes of gradient sent at once; larger pieces are no faster, and a copy of each is held
LEAVING = 30.0  # seconds in which a failed worker must have left the group
LOOK = 1.0  # seconds between two looks for the failure of another worker, with NCCL
SILENT = 3  # looks without an answer after which the first worker counts as gone
EXIT_CODE = 70  # of a worker that could not leave: EX_SOFTWARE in sysexits.h
PATIENCE = datetime.timedelta(seconds=60)  # that a failed worker waits for the first one to write the record


class WorkerLost(BaseException):  # not an error of the trial, which must resume: `run_trial` may not catch it
    """Another worker is gone, without a reason."""


class WorkerError(TrainingError):
    """Another worker failed, for this reason."""


class Group:
    """The processes of `torch.distributed`'s default group, from the view of one of them; implements `Workers`."""

    def __init__(self, device: torch.device) -> None:
        """Join the group, which must exist; all of its processes do so.

        Args:
            device: of this worker's network. NCCL sends tensors on a GPU, gloo all others.
        """
        self.rank = dist.get_rank()
        self.count = dist.get_world_size()
        self.device = device
        self.uses_nccl = dist.get_backend() == "nccl"
        self.control: Any = dist.new_group(backend="gloo")
        self.store = self._open_store()
        self.left = threading.Event()
        if self.uses_nccl:
            threading.Thread(target=self.abort_after_others, daemon=True, name="workers").start()

    @property
    def is_first(self) -> bool:
        """Whether this worker writes checkpoints and reports."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Return this worker's part of `count` things; it may be empty."""
        return slice(count * self.rank // self.count, count * (self.rank + 1) // self.count)

    def share(self, images: int) -> slice:
        """Return this worker's share of a batch of `images`.

        Raises:
            TrainingError: there are fewer images than workers.
        """
        if images < self.count:
            raise TrainingError(
                f"a batch of {images} cannot be shared by {self.count} workers; lower resources.workers"
            )
        return self.part(images)

    def prepare(self, model: nn.Module) -> None:
        """Give all workers the first one's weights, and let batch norm see the images of all workers."""
        with self._explained():
            for tensor in [*model.parameters(), *model.buffers()]:
                dist.broadcast(tensor.detach(), src=0)
        share_statistics(model, self.device, self.sum)

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        """Sum tensors over all workers, in place, so that shares of a gradient become the whole batch's."""
        with self._explained(), torch.no_grad():
            sent = [_Piece(piece) for piece in _pieces(tensors)]
            for piece in sent:
                piece.arrive()

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all workers."""
        total = tensor.clone(memory_format=torch.contiguous_format)
        with self._explained():
            dist.all_reduce(total)
        return total

    def anyone(self, here: bool) -> bool:
        """Whether `here` is true for any worker."""
        answer = torch.tensor(int(here))
        with self._explained():
            dist.all_reduce(answer, dist.ReduceOp.MAX, group=self.control)
        return bool(answer)

    def concatenated(self, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Concatenate the columns (N,) of all workers, for all of them."""
        return [np.concatenate(parts) for parts in zip(*self._all_gathered(list(columns)), strict=True)]

    def gathered_lines(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of all workers, in the workers' order."""
        return [line for theirs in self._all_gathered(list(lines)) for line in theirs]

    def whole_batch(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Concatenate the images (b, H, W, C) and labels (b,) that each worker has read, in the workers' order."""
        sizes = self.concatenated([np.array([len(images)])])[0]
        most = int(sizes.max())
        return self._gathered(images, sizes, most), self._gathered(labels, sizes, most)

    def agree(self, here: Any, what: str) -> None:
        """Make sure that all workers begin from the same.

        Raises:
            TrainingError: they do not.
        """
        everyone = self._all_gathered(here)
        if any(other != here for other in everyone):
            raise TrainingError(f"workers differ in {what}: {everyone}; do all see the same folder and data?")

    def report_failure(self, reason: str) -> None:
        """Leave the group, with a reason for the others, which then stop waiting; the first one records it.

        Ends the process if leaving takes more than `LEAVING` seconds.
        """
        with contextlib.suppress(Exception):  # the others may be gone too
            if not self.store.check(["failure"]):
                self.store.set("failure", f"worker {self.rank}: {reason}")
        self.left.set()
        limit = threading.Timer(LEAVING, os._exit, (EXIT_CODE,))
        limit.daemon = True
        limit.start()
        control, self.control = self.control, None
        if self.uses_nccl:
            with contextlib.suppress(Exception):
                dist.destroy_process_group(control)  # closes its connections alone; waits for nobody
            self._abort()
        else:
            dist.destroy_process_group()
        del control
        gc.collect()  # connections close, and others stop waiting, once nothing refers to the group
        limit.cancel()
        if not self.is_first:
            with contextlib.suppress(Exception):
                self.store.wait(["ended"], PATIENCE)

    def abort_after_others(self) -> None:
        """Abort the group once another worker has left a reason, or the first one's process is gone.

        A GPU that waits for a worker in NCCL waits for ever otherwise, and its process with it.
        """
        silent = 0
        while not self.left.wait(LOOK):
            try:
                has_failed, silent = self.store.check(["failure"]), 0
            except Exception:  # the first worker's process, which holds the store, is gone
                silent += 1
                has_failed = silent >= SILENT
            if has_failed:
                self._abort()
                return

    def _abort(self) -> None:
        """End NCCL's operations here. `destroy_process_group` would wait for the other workers to call it too."""
        with contextlib.suppress(Exception):  # it may be aborted already
            dist.distributed_c10d._abort_process_group()  # torch has no public name for it yet

    def release(self) -> None:
        """Stop the others from waiting for the first worker to write its record."""
        with contextlib.suppress(Exception):
            self.store.set("ended", "")

    def _all_gathered(self, here: Any) -> list[Any]:
        """Return every worker's `here`, in the workers' order."""
        everyone: list[Any] = [None] * self.count
        with self._explained():
            dist.all_gather_object(everyone, here, group=self.control)
        return everyone

    def _gathered(self, tensor: torch.Tensor, sizes: np.ndarray, most: int) -> torch.Tensor:
        padded = tensor.new_zeros((most, *tensor.shape[1:]))
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in sizes]
        with self._explained():
            dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Translate torch's errors about lost workers, with the reason if one was left.

        Raises:
            WorkerError: another worker failed and left a reason.
            WorkerLost: another worker died.
        """
        try:
            yield
        except RuntimeError as error:
            if torch.OutOfMemoryError in type(error).__mro__:
                raise
            reason = None
            with contextlib.suppress(Exception):  # the first worker's process may be gone, and the store with it
                if self.store.check(["failure"]):
                    reason = self.store.get("failure").decode()
            if reason is not None:
                raise WorkerError(reason) from None
            raise WorkerLost(f"worker {self.rank} lost another one: {' '.join(str(error).split())[:200]}") from None

    def _open_store(self) -> Store:
        """Open a store for reasons, which outlives the group; the first worker's process holds it."""
        address: list[Any] = [None]
        store = None
        if self.is_first:
            host = socket.gethostbyname(socket.gethostname())
            store = TCPStore(host, 0, is_master=True, wait_for_workers=False)
            address = [(host, store.port)]
        dist.broadcast_object_list(address, src=0, group=self.control)
        host, port = address[0]
        return store or TCPStore(host, port, is_master=False)


class _Piece:
    """Tensors of one number format that are sent to all workers as one."""

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
    sizes: dict[torch.dtype, int] = {}
    for tensor in tensors:
        kind = tensor.dtype
        open_pieces.setdefault(kind, []).append(tensor)
        sizes[kind] = sizes.get(kind, 0) + tensor.numel() * tensor.element_size()
        if sizes[kind] >= PIECE:
            yield open_pieces.pop(kind)
            del sizes[kind]
    yield from open_pieces.values()
