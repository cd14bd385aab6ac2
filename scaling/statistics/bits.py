"""Bits: which test images each trial got right.

Trials share their test images: an image that favours one arm favours it in every cell. What follows for a difference
is in `other_images`, for fronts in `front_noise`.
"""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Images that variances are computed from; of more, evenly spread ones. A standard error from 512 is within 3 %.
FEWEST_KEPT, MOST_KEPT = 512, 2048
BUDGET = 40_000_000  # bits: fewer images are kept where there are many trials
CHUNK = 2048  # rows unpacked at once


@dataclass(frozen=True)
class TestBits:
    """Packed bits of some trials over the same test set."""

    __test__ = False  # no test, for pytest
    packed: np.ndarray  # (trials, bytes) uint8
    images: int  # in the test set
    kept: int  # bits of a row that count

    def gained(self, ahead: np.ndarray, behind: np.ndarray) -> np.ndarray:
        """For pairs of trials: 1 where the first alone was right on an image, −1 the second alone: (pairs, kept)."""
        found = np.empty((len(ahead), self.kept), dtype=np.int8)
        for start in range(0, len(ahead), CHUNK):
            part = slice(start, start + CHUNK)
            one, other = (np.unpackbits(self.packed[of[part]], axis=1)[:, : self.kept] for of in (ahead, behind))
            found[part] = one.astype(np.int8) - other.astype(np.int8)
        return found

    def count(self, groups: np.ndarray, size: int) -> np.ndarray:
        """How many trials of each group got an image right: groups (trials,) → (size, kept) uint16."""
        counts = np.zeros((size, self.kept), dtype=np.uint16)
        order = np.argsort(groups, kind="stable")
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            bits = np.unpackbits(self.packed[part], axis=1)[:, : self.kept].astype(np.uint16)
            names, firsts = np.unique(groups[part], return_index=True)
            counts[names] += np.add.reduceat(bits, firsts, axis=0, dtype=np.uint16)
        return counts


def read_bits(stored: Sequence[str | None], images: Sequence[int]) -> TestBits | None:
    """Unpack what trials stored (`Scores.test_correct`); None where one did not, or was tested on another number."""
    if not stored or len(set(images)) != 1 or images[0] < 2 or any(bits is None for bits in stored):
        return None
    size = math.ceil(images[0] / 8)
    whole = images[0] // 8
    places = np.arange(size)
    keep = min(MOST_KEPT, max(FEWEST_KEPT, BUDGET // len(stored)))
    if images[0] > keep:
        places = np.unique(np.linspace(0, whole - 1, keep // 8).round().astype(int))
    packed = np.empty((len(stored), len(places)), dtype=np.uint8)
    for row, bits in enumerate(stored):
        try:
            read = np.frombuffer(base64.b64decode(bits or ""), np.uint8)
        except ValueError:
            return None
        if len(read) != size:
            return None
        packed[row] = read[places]
    kept = images[0] if len(places) == size else 8 * len(places)
    return TestBits(packed, images[0], kept)


@dataclass(frozen=True)
class CellBits:
    """The share of trials that got each image right, by cell and arm."""

    shares: np.ndarray  # (cells, arms, kept) float32: part of the trials that got an image right
    images: int

    @classmethod
    def of(cls, bits: TestBits, cell: np.ndarray, arm: np.ndarray, cells: int, arms: int) -> "CellBits":
        """Collect trials by their `cell` and `arm`, places (trials,); where there is no trial all are zero."""
        group = cell * arms + arm
        counts = bits.count(group, cells * arms)
        trials = np.bincount(group, minlength=cells * arms)
        shares = counts.astype(np.float32) / np.maximum(trials, 1)[:, None].astype(np.float32)
        return cls(shares.reshape(cells, arms, bits.kept), bits.images)
