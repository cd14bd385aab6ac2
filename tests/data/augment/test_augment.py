"""Augmentation moves pixels as defined, and equally for the same random numbers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from scaling.data import Dataset, Split
from scaling.data.augment import Augmentation, Normalisation
from scaling.data.augment.geometry import ERASED_AREA, erase, flip_and_crop, flipped_and_shifted
from scaling.data.augment.mixing import mix, soft_targets
from scaling.data.augment.operations import OPERATIONS, WARPS, RandAugment, rand_augment
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


def torchvisions(name: str, images: torch.Tensor, strength: float) -> torch.Tensor:
    """Apply an operation by torchvision's own functions, as earlier versions did."""
    height, width = images.shape[2:]
    slant = math.degrees(math.atan(0.3 * strength))
    moves: dict[str, dict[str, Any]] = {
        "rotate": {"angle": 30 * strength},
        "shear_x": {"shear": [slant, 0.0], "center": [0, 0]},
        "shear_y": {"shear": [0.0, slant], "center": [0, 0]},
        "translate_x": {"translate": [0.45 * strength * width, 0.0]},
        "translate_y": {"translate": [0.0, 0.45 * strength * height]},
    }
    if name in moves:
        still: dict[str, Any] = {"angle": 0.0, "translate": [0.0, 0.0], "scale": 1.0, "shear": [0.0, 0.0]}
        how = InterpolationMode.BILINEAR
        return TF.affine(images, **{**still, **moves[name]}, interpolation=how, fill=[128.0] * images.shape[1])
    if name == "autocontrast":
        return TF.autocontrast(images)
    return TF.adjust_sharpness(images, max(0.1, 1 + 0.9 * strength))


@pytest.mark.parametrize("name", [*WARPS, "autocontrast", "sharpness"])
@pytest.mark.parametrize(("height", "width", "channels"), [(32, 32, 3), (17, 31, 1), (8, 8, 3), (2, 5, 1), (96, 64, 3)])
def test_pixels_are_torchvisions_to_the_bit(name: str, height: int, width: int, channels: int) -> None:
    images = pixels(4, height, width, channels).permute(0, 3, 1, 2).contiguous()
    images[0] = 7  # without contrast

    for strength in (-1.0, -0.9, -0.3, 0.5, 0.9):
        assert torch.equal(OPERATIONS[name](images, strength), torchvisions(name, images, strength)), strength


def test_all_moved_images_of_a_round_move_as_each_alone() -> None:
    images, magnitude = pixels(64, 16, 12), 9.0

    together = rand_augment(images, rng(5), magnitude)

    generator, names = rng(5), list(OPERATIONS)
    alone = images.permute(0, 3, 1, 2).contiguous()
    for _ in range(2):
        drawn = generator.integers(0, len(names), len(images))
        signs = generator.choice([-1, 1], len(images))
        done = generator.random(len(images)) < 0.5
        for row in np.flatnonzero(done):
            alone[row : row + 1] = OPERATIONS[names[drawn[row]]](
                alone[row : row + 1], float(signs[row]) * magnitude / 10
            )
    assert torch.equal(together, alone.permute(0, 2, 3, 1))


class Waits(TorchFunctionMode):
    """Counts what a GPU must finish before the processor goes on: tensors of lists, copies without a queue, values."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name in ("tensor", "as_tensor", "item", "tolist", "nonzero", "cpu", "numpy", "__bool__", "__float__"):
            self.seen.append(name)
        moved = name == "to" and any(isinstance(arg, torch.device) for arg in args)
        if moved and not kwargs.get("non_blocking"):
            self.seen.append("to")
        return func(*args, **kwargs)


def test_augmentation_never_waits_for_a_gpu() -> None:
    """On pretended CUDA tensors; torchvision's functions made 60 tensors of lists in a step.

    Erasing needs a generator on the device, which cannot be pretended.
    """
    recipe = Recipe(rand_augment=9, mixup=0.8, cutmix=1.0)
    known = data(pixels(8, 16, 16))
    with FakeTensorMode(allow_non_fake_inputs=True):
        device = torch.device("cuda")
        augment = Augmentation.of(recipe, known, device)
        images = torch.empty(64, 16, 16, 3, dtype=torch.uint8, device=device)
        labels = torch.empty(64, dtype=torch.long, device=device)
        augment.rand_augment.grids.pick(images.permute(0, 3, 1, 2), labels)  # made once, in the first step

        with Waits() as waits:
            inputs, _ = augment(images, labels, rng())

    assert inputs.device.type == "cuda"
    assert inputs.shape == (64, 3, 16, 16)
    assert waits.seen == []


def test_a_wait_would_be_noticed() -> None:
    with Waits() as waits:
        torchvisions("rotate", torch.zeros(2, 3, 8, 8, dtype=torch.uint8), 0.5)
        torch.ones(1).to(torch.device("cpu"))

    assert waits.seen.count("tensor") >= 3
    assert "to" in waits.seen


def test_erased_images_stay_channels_last() -> None:
    inputs = torch.rand(40, 3, 8, 8).to(memory_format=torch.channels_last)

    erased = erase(inputs, rng(), 0.5)

    assert erased.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(erased, erase(inputs.contiguous(), rng(), 0.5))
    assert not torch.equal(erased, inputs)


def test_grids_are_made_once_for_each_size() -> None:
    augment = RandAugment(9)

    for size in (8, 8, 12):
        augment(pixels(40, size, size), rng())

    assert len(augment.grids._made) == 2
