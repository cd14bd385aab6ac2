"""Micro-batches: a batch that does not fit into memory passes through the network in parts."""

import gc
import itertools

import torch

from scaling import devices

# Messages of allocators and libraries that have no exception of their own.
SIGNS = (
    *("out of memory", "can't allocate memory", "not enough memory", "_ALLOC_FAILED"),
    "unable to find an engine",  # of cuDNN, whose engines all need more workspace than there is
    "could not create a primitive",  # of oneDNN, whose primitives allocate on a CPU
)


class MicroBatches:
    """How a batch is split into parts; the parts get smaller when memory runs out.

    Args:
        size: most images that pass through the network at once; None means all of them.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def parts(self, images: int, most: int | None = None) -> list[slice]:
        """Split a batch into as few parts as possible, whose sizes differ by one image at most.

        Args:
            most: images of the largest share, so that all workers split theirs into equally many parts; a part may then
                be empty.
        """
        most = most or images
        count = -(-most // min(self.size or most, most))
        bounds = [images * i // count for i in range(count + 1)]
        return [slice(low, high) for low, high in itertools.pairwise(bounds)]

    def halve(self, images: int) -> bool:
        """Halve the parts of a batch; return False if they are single images already."""
        size = min(self.size or images, images)
        self.size = (size + 1) // 2
        return size > 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or a CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def release_memory() -> None:
    """Free unreferenced memory; call it after the `except` block, because the error's frames hold tensors."""
    gc.collect()
    devices.release_cached()
