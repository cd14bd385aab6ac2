"""Overlap of mistakes: how many of the test images that two models get wrong are the same.

Networks err on the same hard images, so that the overlap expected of independent mistakes is a lower mark. How far two
runs of one network overlap is the upper one: what is missing to it is not the luck of training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from scaling.statistics.bits import CHUNK, TestBits


@dataclass(frozen=True)
class Overlap:
    """Overlap of the mistakes of pairs of models, each a mean over the pairs."""

    pairs: int  # that make a mistake between them
    jaccard: float  # |both wrong| / |either wrong|; NaN where no pair makes a mistake
    expected: float  # the same for independent mistakes
    one_wrong: float  # percent of the images that the first model of a pair gets wrong
    other_wrong: float
    both_wrong: float


NO_OVERLAP = Overlap(0, math.nan, math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class PairCounts:
    """Wrong images of pairs of models, by pair: (pairs,)."""

    one: np.ndarray  # by the first model
    other: np.ndarray
    both: np.ndarray
    images: int

    @cached_property
    def expected(self) -> np.ndarray:
        """Jaccard index of each pair if its mistakes were independent: (pairs,)."""
        return expected_jaccard(self.one, self.other, self.images)

    def mean(self, chosen: np.ndarray | None = None) -> Overlap:
        """Average some of the pairs, given by their places, or all."""
        places = np.arange(len(self.one)) if chosen is None else np.asarray(chosen, dtype=int)
        one, other, both = self.one[places], self.other[places], self.both[places]
        either = one + other - both
        known = either > 0
        if not known.any():
            return NO_OVERLAP
        one, other, both, either, places = (values[known] for values in (one, other, both, either, places))
        percent = 100 / self.images
        return Overlap(
            pairs=int(known.sum()),
            jaccard=float((both / either).mean()),
            expected=float(self.expected[places].mean()),
            one_wrong=percent * float(one.mean()),
            other_wrong=percent * float(other.mean()),
            both_wrong=percent * float(both.mean()),
        )


def count_pairs(bits: TestBits, one: np.ndarray, other: np.ndarray) -> PairCounts:
    """Count the wrong images of pairs of trials.

    Args:
        bits: of trials over the same test set, or over an even sample of it.
        one: rows of the first trials of the pairs, (pairs,).
        other: rows of the second ones.
    """
    wrong = ~bits.packed
    spare = 8 * wrong.shape[1] - bits.kept
    if spare:  # padding of the last byte is no image
        wrong = wrong.copy()
        wrong[:, -1] &= np.uint8((0xFF << spare) & 0xFF)
    of_row = np.bitwise_count(wrong).sum(axis=1, dtype=np.int64)
    both = np.zeros(len(one), dtype=np.int64)
    for start in range(0, len(one), CHUNK):
        part = slice(start, start + CHUNK)
        both[part] = np.bitwise_count(wrong[one[part]] & wrong[other[part]]).sum(axis=1, dtype=np.int64)
    return PairCounts(of_row[one], of_row[other], both, bits.kept)


def expected_jaccard(one: np.ndarray | Sequence[int], other: np.ndarray | Sequence[int], images: int) -> np.ndarray:
    """Jaccard index that independent mistakes of these numbers have on average: (pairs,), NaN where both are none.

    With a and b wrong images of n, chosen independently, the number K that both get wrong is hypergeometric:

        P(K = k) = C(a, k) C(n − a, b − k) / C(n, b)         E[J] = Σ_k P(K = k) · k / (a + b − k)

    over k from max(0, a + b − n) to min(a, b).
    """
    pairs = np.sort(np.stack([np.asarray(one, dtype=int), np.asarray(other, dtype=int)], axis=1), axis=1)
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    logs = special.gammaln(np.arange(images + 1) + 1.0)  # log n!
    return np.array([_expected(int(a), int(b), images, logs) for a, b in distinct])[place.reshape(-1)]


def _expected(a: int, b: int, n: int, logs: np.ndarray) -> float:
    if a + b == 0:
        return math.nan
    k = np.arange(max(0, a + b - n), min(a, b) + 1)
    constant = logs[a] + logs[n - a] + logs[b] + logs[n - b] - logs[n]
    log_p = constant - logs[k] - logs[a - k] - logs[b - k] - logs[n - a - b + k]
    return float((np.exp(log_p) * k / (a + b - k)).sum())
