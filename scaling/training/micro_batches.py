"""Micro-batches: a batch that is too large for the memory goes through the network in parts."""

import gc
import itertools

import torch

# How allocators and libraries say it who have no exception of their own for it.
SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "_ALLOC_FAILED")


class MicroBatches:
    """Into what parts a batch is split; the parts get smaller when memory runs out.

    Args:
        size: images that go through the network at once, at most; None: all of them.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def parts(self, images: int, most: int | None = None) -> list[slice]:
        """Split a batch into as few parts as possible, whose sizes differ by one image at most.

        Args:
            most: images of the worker who has most, where several are to split their shares into equally many parts; a
                part may be empty then.
        """
        most = most or images
        count = -(-most // min(self.size or most, most))
        bounds = [images * i // count for i in range(count + 1)]
        return [slice(low, high) for low, high in itertools.pairwise(bounds)]

    def halve(self, images: int) -> bool:
        """Halve the parts of a batch; return False where they are single images already."""
        size = min(self.size or images, images)
        self.size = (size + 1) // 2
        return size > 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or a CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def release_memory() -> None:
    """Give back what nothing refers to any more; to be called behind the `except` that holds the error's frames."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
