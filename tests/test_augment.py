"""Augmentation moves pixels and invents none; the same numbers move them alike."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scaling.augment import flip_and_crop, flipped_and_shifted, normalised


def pixels(count: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, (count, height, width, channels), dtype=np.uint8))


@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    padding=st.integers(0, 3),
    moves=st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=4),
)
def test_a_batch_is_moved_as_one_image_after_another_would_be(
    height: int, width: int, padding: int, moves: list[tuple[bool, int, int]]
) -> None:
    images = pixels(len(moves), height, width)
    shifts = [(down % (2 * padding + 1), right % (2 * padding + 1)) for _, down, right in moves]

    moved = flipped_and_shifted(images, torch.tensor([flip for flip, *_ in moves]), torch.tensor(shifts), padding)

    for image, (flip, *_), (down, right), result in zip(images, moves, shifts, moved, strict=True):
        edged = np.pad(image.numpy(), ((padding, padding), (padding, padding), (0, 0)))
        cut = edged[down : down + height, right : right + width]
        assert np.array_equal(result, cut[:, ::-1] if flip else cut)


def test_nothing_to_do_changes_nothing() -> None:
    images = pixels(5, 4, 6)

    assert flip_and_crop(images, torch.Generator(), flip=False, padding=0) is images


def test_half_of_the_images_are_mirrored_and_all_shifts_occur() -> None:
    images = pixels(1, 8, 8).expand(4000, -1, -1, -1)

    mirrored = flip_and_crop(images, torch.Generator().manual_seed(0), flip=True, padding=0)
    shifted = flip_and_crop(images, torch.Generator().manual_seed(0), flip=False, padding=1)

    assert (mirrored == images).all(dim=(1, 2, 3)).float().mean() == pytest.approx(0.5, abs=0.04)
    assert len(torch.unique(shifted.flatten(1), dim=0)) == 9


def test_the_same_seed_augments_alike() -> None:
    images = pixels(9, 8, 8)

    first, second, other = (
        flip_and_crop(images, torch.Generator().manual_seed(seed), flip=True, padding=2) for seed in (1, 1, 2)
    )

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_normalised_pixels_have_mean_zero_and_deviation_one_and_lie_channels_last() -> None:
    images = pixels(50, 8, 8)
    flat = images.reshape(-1, 3).double()

    result = normalised(images, flat.mean(0).tolist(), flat.std(0).tolist())

    assert result.shape == (50, 3, 8, 8)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
