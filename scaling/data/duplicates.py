"""Images with equal bytes, within a set and across sets: what is in train and in test was seen before it is scored."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from scaling.data.decoding import in_chunks
from scaling.data.images import Images, Inventory
from scaling.data.registry import Examples, SourceContent
from scaling.data.splits import Chosen
from scaling.study.errors import DataError, StorageError
from scaling.study.storage import write_atomically
from scaling.wording import first_few, plural

GIB = 2**30
MOST_BYTES = 8 * GIB  # that are read to find equal images
SHOWN = 3  # images that a line names
Group = list[tuple[str, int]]  # set of the source and index there, of images with equal bytes


class TooLargeError(Exception):
    """Finding equal images would read more than `MOST_BYTES`."""


def equal_images(found: SourceContent, inventories: Mapping[str, Inventory], cached: Path | None) -> list[Group]:
    """Return the groups of images of a source that have equal bytes, each in the order of sets and images.

    Where sizes are known without reading, only images of equal size are read.

    Args:
        inventories: of each set.
        cached: file that holds the answer for these inventories, or will; None: it is not kept.

    Raises:
        TooLargeError: too much would have to be read.
    """
    if cached is not None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return [[(str(name), int(index)) for name, index in group] for group in json.loads(cached.read_bytes())]
    by_digest: dict[bytes, Group] = {}
    for name, indices in _candidates(found, inventories).items():
        for index, digest in _digests(found.sets[name].images, indices):
            by_digest.setdefault(digest, []).append((name, index))
    groups = [group for group in by_digest.values() if len(group) > 1]
    if cached is not None:
        with contextlib.suppress(StorageError):  # what cannot be kept is computed again
            write_atomically(cached, json.dumps(groups).encode())
    return groups


def _candidates(found: SourceContent, inventories: Mapping[str, Inventory]) -> dict[str, np.ndarray]:
    """Return the indices of the images of each set that may equal another one."""
    sizes = {name: _own_sizes(examples, inventories[name]) for name, examples in found.sets.items()}
    counted = np.concatenate([one for one in sizes.values() if one is not None] or [np.zeros(0, np.int64)])
    known, counts = np.unique(counted, return_counts=True)
    several = known[counts > 1] if all(one is not None for one in sizes.values()) else known
    chosen, whole = {}, 0.0
    for name, examples in found.sets.items():
        own = sizes[name]
        if own is None:
            chosen[name] = np.arange(len(examples.images))
            all_sizes = inventories[name].sizes
            whole += 0 if all_sizes is None else float(all_sizes.sum())
        else:
            chosen[name] = np.flatnonzero(np.isin(own, several) & (own > 0))
            whole += float(own[chosen[name]].sum())
    if whole > MOST_BYTES:
        raise TooLargeError(f"{whole / GIB:,.0f} GiB")
    return chosen


def _own_sizes(examples: Examples, inventory: Inventory) -> np.ndarray | None:
    """Return the bytes of each image; None where they are known of blocks of images alone, or not at all."""
    sizes = inventory.sizes
    return sizes if sizes is not None and len(sizes) == len(examples.images) else None


def _digests(images: Images, indices: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """Yield the digest of the bytes of each image that can be read; decoding names the others."""

    def work(start: int) -> list[tuple[int, bytes]]:
        read = []
        for index in indices[start : start + 256].tolist():
            with contextlib.suppress(Exception):  # a broken file makes Pillow and Arrow raise many types
                if content := images.stored(index):
                    read.append((index, hashlib.blake2b(content, digest_size=16).digest()))
        return read

    if len(indices):
        yield from in_chunks(images, indices, work)


class Repeats:
    """Equal images among the sets that trials use."""

    def __init__(self, groups: list[Group], parts: Mapping[str, Chosen], found: SourceContent) -> None:
        """Args: parts: the sets that trials use, as `splits.with_limit` returns them."""
        self.found = found
        names = {id(examples): name for name, examples in found.sets.items()}
        where: dict[tuple[str, int], str] = {}
        for part, (examples, rows) in parts.items():
            if part != "pool":  # holds train and validation
                where |= dict.fromkeys(((names[id(examples)], int(row)) for row in rows), part)
        # for each group, the images that are used, by set
        self._groups = [
            {part: [one for one in group if where[one] == part] for part in dict.fromkeys(where[one] for one in group)}
            for group in ([one for one in group if one in where] for group in groups)
            if len(group) > 1
        ]

    def within(self, part: str) -> tuple[int, int]:
        """Return how many images of a set equal an earlier one of it, and how many of those have another class."""
        groups = [group[part] for group in self._groups if part in group]
        repeated = sum(len(group) - 1 for group in groups)
        return repeated, sum(self._label(one) != self._label(group[0]) for group in groups for one in group[1:])

    def shared(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """Return for two sets the places of equal images: in the first set, in the second."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            for group in self._groups:
                if first in group and second in group:
                    original = self._place(group[first][0])
                    found.setdefault((first, second), []).extend((original, self._place(o)) for o in group[second])
        return found

    def _place(self, one: tuple[str, int]) -> str:
        return self.found.sets[one[0]].images.place(one[1])

    def _label(self, one: tuple[str, int]) -> int:
        return int(self.found.sets[one[0]].labels[one[1]])


def refuse_shared(repeats: Repeats, source: str) -> None:
    """Refuse images that are in two sets.

    Raises:
        DataError: one line for every two sets, with the first of the images.
    """
    problems = []
    for (first, second), pairs in repeats.shared().items():
        names = [f"{there} = {here}" for here, there in pairs]
        are = "is" if len(pairs) == 1 else "are"
        problems.append(
            f"{source}: {plural(len(pairs), 'image')} of {second} {are} in {first} too, so networks are scored"
            f" on what they were {'trained' if first == 'train' else 'chosen'} on"
            f" ({first_few(names, SHOWN)}); remove the copies, or set data.allow_duplicates: true to keep them"
        )
    if problems:
        raise DataError([*problems, *repeats.found.remarks])  # how the sets were read may explain it
