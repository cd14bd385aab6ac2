"""Augmentation moves pixels as defined, and equally for the same random numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scaling.data import Dataset, Split
from scaling.data.augment import Augmentation, Normalisation
from scaling.data.augment.geometry import ERASED_AREA, erase, flip_and_crop, flipped_and_shifted
from scaling.data.augment.mixing import mix, soft_targets
from scaling.data.augment.operations import OPERATIONS, rand_augment
from scaling.study.config import Recipe


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pixels(count: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, (count, height, width, channels), dtype=np.uint8))


@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    padding=st.integers(0, 3),
    moves=st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=4),
)
def test_a_batch_is_moved_like_its_single_images(
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

    assert flip_and_crop(images, rng(), flip=False, padding=0) is images


def test_normalisation_is_what_its_definition_says_to_the_bit() -> None:
    images = pixels(5, 6, 4)
    split = Split(images.numpy(), np.zeros(5, np.int64))
    data = Dataset(split, split, split, ("a",), (120.5, 110.25, 99.0), (50.0, 51.5, 0.3), flip=True, crop_padding=0)

    normalised = Normalisation(data, torch.device("cpu"))(images)

    expected = (images.float() - torch.tensor(data.mean)) / torch.tensor(data.std)
    assert torch.equal(normalised, expected.permute(0, 3, 1, 2))
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, pixels(5, 6, 4))  # bytes that trials share are not written to


def test_flips_alone_equal_flips_with_zero_shift() -> None:
    images, flips = pixels(7, 4, 6), torch.from_numpy(rng(3).random(7) < 0.5)

    alone = flip_and_crop(images, rng(3), flip=True, padding=0)

    assert torch.equal(alone, flipped_and_shifted(images, flips, torch.zeros(7, 2, dtype=torch.int64), 0))


def test_half_of_the_images_are_mirrored_and_all_shifts_occur() -> None:
    images = pixels(1, 8, 8).expand(4000, -1, -1, -1)

    mirrored = flip_and_crop(images, rng(), flip=True, padding=0)
    shifted = flip_and_crop(images, rng(), flip=False, padding=1)

    assert (mirrored == images).all(dim=(1, 2, 3)).float().mean() == pytest.approx(0.5, abs=0.04)
    assert len(torch.unique(shifted.flatten(1), dim=0)) == 9


def test_the_same_seed_augments_equally() -> None:
    images = pixels(9, 8, 8)

    first, second, other = (flip_and_crop(images, rng(seed), flip=True, padding=2) for seed in (1, 1, 2))

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def data(images: torch.Tensor, classes: int = 3) -> Dataset:
    flat = images.reshape(-1, images.shape[-1]).double()
    split = Split(images.numpy(), np.arange(len(images)) % classes)
    names = tuple(map(str, range(classes)))
    return Dataset(split, split, split, names, tuple(flat.mean(0).tolist()), tuple(flat.std(0).tolist()), True, 1)


def test_normalised_pixels_have_mean_0_and_deviation_1_channels_last() -> None:
    images = pixels(50, 8, 8)

    result = Normalisation(data(images), torch.device("cpu"))(images)

    assert result.shape == (50, 3, 8, 8)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


def test_erasing_puts_a_rectangle_of_noise_into_some_images() -> None:
    inputs = torch.full((400, 3, 20, 30), 7.0)

    erased = (erase(inputs, rng(), 0.25) != inputs).all(dim=1)

    touched = erased.flatten(1).any(dim=1)
    assert touched.float().mean() == pytest.approx(0.25, abs=0.07)
    for one in erased[touched]:
        rows, columns = one.any(dim=1), one.any(dim=0)
        assert torch.equal(one, rows[:, None] & columns[None, :])
        assert one.float().mean() <= ERASED_AREA[1] * 1.2
        assert int(rows.diff().sum()) <= 2  # in one piece


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_targets_are_mixed_as_much_as_pixels_are(mixup: float, cutmix: float) -> None:
    labels = torch.tensor([0, 1, 2, 3])
    inputs = labels[:, None, None, None].float().expand(4, 3, 16, 12).clone()
    generator = rng()

    for _ in range(20):
        mixed, targets = mix(inputs, soft_targets(labels, 4, 0.0), generator, mixup=mixup, cutmix=cutmix)

        torch.testing.assert_close(targets.sum(dim=1), torch.ones(4))
        mean_of_labels = (targets * torch.arange(4.0)).sum(dim=1)
        torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), mean_of_labels, atol=1e-5, rtol=1e-5)


def test_smoothed_targets_are_those_of_torch() -> None:
    logits, labels = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 3, 4, 0])

    ours = torch.nn.functional.cross_entropy(logits, soft_targets(labels, 5, 0.1))

    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_changes_a_batch_as_it_changes_each_image(name: str, channels: int) -> None:
    images = pixels(5, 12, 10, channels).permute(0, 3, 1, 2).contiguous()

    for strength in (-0.9, 0.9):
        together = OPERATIONS[name](images, strength)
        one_by_one = torch.cat([OPERATIONS[name](image[None], strength) for image in images])

        assert together.dtype == torch.uint8
        assert together.shape == images.shape
        assert torch.equal(together, one_by_one)


@pytest.mark.parametrize(("name", "matrix"), [("shear_x", (1, 0.15, 0, 0, 1, 0)), ("shear_y", (1, 0, 0, 0.15, 1, 0))])
def test_shears_are_those_of_pillow(name: str, matrix: tuple[float, ...]) -> None:
    """timm's operations are Pillow's, which shears about the corner."""
    ramp = np.add.outer(4 * np.arange(24), 5 * np.arange(32)).astype(np.uint8)
    pillow = Image.fromarray(ramp).transform(
        (32, 24), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, 1, 128
    )

    (ours,) = OPERATIONS[name](torch.from_numpy(ramp)[None, None], 0.5)

    inside = (slice(1, 20), slice(1, 27))  # the edges are mixed with the filling in ways of their own
    difference = ours[0].float().numpy()[inside] - np.asarray(pillow, np.float32)[inside]
    assert np.abs(difference).max() <= 2


def test_random_operations_leave_a_quarter_of_the_images_alone() -> None:
    images = pixels(300, 8, 8)

    changed = (rand_augment(images, rng(), 9) != images).flatten(1).any(dim=1)

    assert changed.float().mean() == pytest.approx(0.75, abs=0.08)


def test_all_augmentations_together_are_a_function_of_the_seed() -> None:
    images = pixels(8, 16, 16)
    recipe = Recipe(rand_augment=9, random_erasing=0.5, mixup=0.8, cutmix=1.0)
    augment = Augmentation.of(recipe, data(images), torch.device("cpu"))
    labels = torch.arange(8) % 3

    first, second, other = (augment(images, labels, rng(seed)) for seed in (1, 1, 2))

    assert first[0].shape == (8, 3, 16, 16)
    assert first[1].shape == (8, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])
