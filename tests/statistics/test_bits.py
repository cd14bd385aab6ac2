"""Which test images trials got right: read, sampled and counted as they were stored."""

import base64

import numpy as np
import pytest

from scaling.statistics.bits import MOST_KEPT, CellBits, TestBits, read_bits

RIGHT = np.random.default_rng(0).random((5, 601)) < 0.7  # 601: the last byte is not full


def stored(right: np.ndarray) -> list[str | None]:
    return [base64.b64encode(np.packbits(row).tobytes()).decode() for row in right]


def bits_of(right: np.ndarray) -> TestBits:
    found = read_bits(stored(right), [right.shape[1]] * len(right))
    assert found is not None
    return found


def test_every_image_of_a_small_test_set_is_kept() -> None:
    bits = bits_of(RIGHT)

    assert (bits.images, bits.kept) == (601, 601)
    assert (bits.count(np.arange(5), 5) == RIGHT).all()


def test_of_many_images_an_even_sample_is_kept() -> None:
    images = 20_000
    first_half = np.arange(images) < images / 2
    every_byte = np.arange(images) // 8 % 2 == 0  # of two neighbouring bytes one
    bits = bits_of(np.stack([first_half, every_byte]))

    assert bits.images == images
    assert bits.kept == MOST_KEPT
    shares = bits.count(np.arange(2), 2).mean(axis=1)
    assert shares == pytest.approx([0.5, 0.5], abs=0.02)


def test_a_pair_gains_where_one_trial_alone_is_right() -> None:
    bits = bits_of(RIGHT)

    gained = bits.gained(np.array([0, 3, 2]), np.array([1, 0, 2]))

    expected = [RIGHT[a].astype(int) - RIGHT[b].astype(int) for a, b in ((0, 1), (3, 0), (2, 2))]
    assert (gained == np.array(expected)).all()


def test_trials_are_counted_by_group_in_any_order() -> None:
    counts = bits_of(RIGHT).count(np.array([2, 0, 2, 0, 2]), 4)

    assert (counts[0] == RIGHT[[1, 3]].sum(axis=0)).all()
    assert (counts[2] == RIGHT[[0, 2, 4]].sum(axis=0)).all()
    assert not counts[[1, 3]].any()


def test_shares_of_a_cell_and_arm_are_over_their_trials() -> None:
    cell, arm = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 0, 0])

    found = CellBits.of(bits_of(RIGHT), cell, arm, 2, 2)

    assert found.images == 601
    assert found.shares[0, 0] == pytest.approx(RIGHT[:2].mean(axis=0))
    assert (found.shares[0, 1] == RIGHT[2]).all()
    assert found.shares[1, 0] == pytest.approx(RIGHT[3:].mean(axis=0))
    assert not found.shares[1, 1].any()


@pytest.mark.parametrize(
    ("last", "images"),
    [(None, 601), ("AAAA", 601), ("no base64", 601), ("é", 601), ("", 601), (stored(RIGHT)[0], 700)],
)
def test_torn_bits_or_those_of_another_test_set_are_ignored(last: str | None, images: int) -> None:
    assert read_bits([*stored(RIGHT[:3]), last], [601, 601, 601, images]) is None


def test_no_trials_and_one_image_have_no_bits() -> None:
    assert read_bits([], []) is None
    assert read_bits(["gA=="], [1]) is None
