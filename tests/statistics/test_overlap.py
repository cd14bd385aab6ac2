"""Overlap of mistakes: hand counts, the hypergeometric expectation, and simulated mistakes of known overlap."""

import base64
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scaling.statistics.bits import TestBits, read_bits
from scaling.statistics.overlap import NO_OVERLAP, count_pairs, expected_jaccard

FIRST_TWO = np.array([0]), np.array([1])


def bits_of(right: np.ndarray) -> TestBits:
    """Bits of trials from which images they got right: (trials, images) of booleans."""
    stored = [base64.b64encode(np.packbits(row).tobytes()).decode() for row in right]
    found = read_bits(stored, [right.shape[1]] * len(right))
    assert found is not None
    return found


def wrong_at(images: int, *places: list[int]) -> TestBits:
    right = np.ones((len(places), images), dtype=bool)
    for row, wrong in enumerate(places):
        right[row, wrong] = False
    return bits_of(right)


@pytest.mark.parametrize("images", [10, 16, 1001])
def test_mistakes_are_counted_by_hand(images: int) -> None:
    bits = wrong_at(images, [0, 1, 2, 9], [2, 3, 9])

    counts = count_pairs(bits, *FIRST_TWO)
    found = counts.mean()

    assert (counts.one.tolist(), counts.other.tolist(), counts.both.tolist()) == ([4], [3], [2])
    assert found.jaccard == 2 / 5
    share = 100 / counts.images
    assert (found.one_wrong, found.other_wrong, found.both_wrong) == pytest.approx((4 * share, 3 * share, 2 * share))


def test_a_model_overlaps_wholly_with_itself() -> None:
    bits = wrong_at(12, [1, 5, 11])

    assert count_pairs(bits, np.array([0]), np.array([0])).mean().jaccard == 1


def test_faultless_pairs_have_no_overlap_and_do_not_count() -> None:
    bits = wrong_at(20, [], [], [3])
    counts = count_pairs(bits, np.array([0, 0]), np.array([1, 2]))

    assert counts.mean(np.array([0])) == NO_OVERLAP
    assert counts.mean().pairs == 1
    assert counts.mean().jaccard == 0
    assert counts.mean(np.array([], dtype=int)) == NO_OVERLAP


def test_the_average_is_over_pairs() -> None:
    bits = wrong_at(20, [0, 1], [0, 1], [2, 3])
    found = count_pairs(bits, np.array([0, 0]), np.array([1, 2])).mean()

    assert (found.pairs, found.jaccard) == (2, 0.5)


def test_the_expectation_is_that_of_all_choices() -> None:
    """Every way to choose 3 wrong images of 7, against 2 given ones."""
    given_ones = {0, 1}
    of_each = [len(given_ones & set(c)) / len(given_ones | set(c)) for c in itertools.combinations(range(7), 3)]

    assert expected_jaccard([2, 3], [3, 2], 7) == pytest.approx([np.mean(of_each)] * 2)


@given(st.integers(1, 60), st.data())
def test_the_expectation_sums_over_the_hypergeometric(images: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, images)), data.draw(st.integers(0, images))
    (own,) = expected_jaccard([a], [b], images)

    k = np.arange(min(a, b) + 1)
    if a + b == 0:
        assert math.isnan(own)
    else:
        p = stats.hypergeom.pmf(k, images, a, b)
        assert own == pytest.approx(float((p * k / (a + b - k)).sum()), abs=1e-9)
        assert 0 <= own <= 1


def test_independent_mistakes_overlap_as_expected() -> None:
    rng, trials = np.random.default_rng(0), 60
    right = rng.random((trials, 400)) > 0.2
    one, other = np.triu_indices(trials, 1)

    found = count_pairs(bits_of(right), one, other).mean()

    assert found.pairs == 1770
    assert found.jaccard == pytest.approx(found.expected, abs=0.003)
    assert found.expected == pytest.approx(0.04 / 0.36, abs=0.01)


def test_shared_hard_images_overlap_as_known() -> None:
    """A tenth of the images is wrong for all, and each model errs on a tenth of the others by itself."""
    rng, trials, images = np.random.default_rng(1), 40, 2000
    right = rng.random((trials, images)) > 0.1
    right[:, : images // 10] = False
    one, other = np.triu_indices(trials, 1)

    found = count_pairs(bits_of(right), one, other).mean()

    both, either = 0.1 + 0.9 * 0.01, 0.1 + 0.9 * 0.19
    assert found.jaccard == pytest.approx(both / either, abs=0.01)
    assert found.jaccard > 3 * found.expected


def test_an_even_sample_of_the_images_gives_the_same_overlap() -> None:
    rng, images = np.random.default_rng(2), 50_000
    right = rng.random((2, images)) > 0.3
    right[1, : images // 2] = right[0, : images // 2]
    bits = bits_of(right)

    found = count_pairs(bits, *FIRST_TWO).mean()

    wrong = ~right
    assert bits.kept < images
    assert found.jaccard == pytest.approx((wrong[0] & wrong[1]).sum() / (wrong[0] | wrong[1]).sum(), abs=0.04)
