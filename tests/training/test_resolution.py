"""Networks are trained at the recipe's resolutions and evaluated at the data's; unsuitable ones are refused."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from scaling.data import Dataset, Split
from scaling.data.augment import Augmentation
from scaling.models import build_model
from scaling.study.config import DataConfig, Recipe, TrialConfig
from scaling.study.errors import ModelError
from scaling.study.notes import Notes
from scaling.training.resolution import largest, refuse_resolutions, sizes_for, training_sizes
from tests.support.training import CPU, fit_classifier


def toy_data(height: int = 16, width: int = 16) -> Dataset:
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        return Split(rng.integers(0, 255, (n, height, width, 3), dtype=np.uint8), np.arange(n, dtype=np.int64) % 3)

    return Dataset(split(32), split(9), split(9), ("a", "b", "c"), (128.0,) * 3, (70.0,) * 3, True, 2)


class Watched(nn.Module):
    """Keeps the sizes that it was trained and judged at."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.sizes: dict[bool, list[tuple[int, ...]]] = {True: [], False: []}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device == CPU:
            self.sizes[self.training].append(tuple(x.shape[2:]))
        return self.inner(x)


def network(size: int | tuple[int, int] = 16) -> nn.Module:
    return build_model("patchconvnet", width=16, depth=1, patch_size=4, num_classes=3, image_size=size, seed=0)


def recipe(first: int, last: int, **changes: object) -> Recipe:
    return Recipe.model_validate({"epochs": 3, "batch_size": 16, "train_resolution": (first, last), **changes})


@given(st.integers(1, 60), st.integers(1, 60), st.integers(60, 90), st.integers(60, 90), st.integers(1, 30))
def test_sizes_go_from_first_to_last_in_whole_strides(a: int, b: int, height: int, width: int, epochs: int):
    stride = 4
    sizes = [s or (height, width) for s in training_sizes(recipe(a, b, epochs=epochs), (height, width), stride)]

    assert len(sizes) == epochs
    for side in (0, 1):
        sides = [size[side] for size in sizes]
        assert sides == sorted(sides, reverse=a > b)
        assert all(s % stride == 0 or s == (height, width)[side] for s in sides)
    short = min(sizes[0])
    assert abs(short - a) <= stride
    if epochs > 1:
        assert abs(min(sizes[-1]) - b) <= stride


def test_hand_counted_sizes() -> None:
    grown = [(96, 96), (104, 104), (112, 112), (120, 120), None]
    assert training_sizes(recipe(96, 128, epochs=5), (128, 128), 8) == grown
    assert training_sizes(recipe(8, 16, epochs=3), (16, 32), 4) == [(8, 16), (12, 24), None]
    assert training_sizes(Recipe(epochs=2), (16, 16)) == [None, None]
    assert training_sizes(recipe(380, 380, epochs=2), (380, 380), 32) == [None, None]  # not 384
    assert training_sizes(recipe(300, 380, epochs=3), (380, 380), 32) == [(288, 288), (352, 352), None]
    assert largest([(8, 8), (12, 12)], (16, 16)) == (12, 12)
    assert largest([(8, 8), None], (16, 16)) == (16, 16)


def test_training_uses_recipe_sizes_and_evaluation_uses_data_sizes() -> None:
    net, notes = Watched(network()), Notes()
    net.forward_features = net.inner.forward_features  # pyright: ignore # as every network of the house shows it

    list(fit_classifier(net, toy_data(), recipe(8, 16), seed=0, notes=notes))

    assert [size for size, _ in itertools.groupby(net.sizes[True])] == [(8, 8), (12, 12), (16, 16)]
    assert set(net.sizes[False]) == {(16, 16)}
    assert notes.lines == ["trained on 8×8 to 16×16 pixels; costs are those of 16×16"]


def test_images_are_shrunk_by_averaging_in_whole_batches() -> None:
    """Twice as small, an even image stays as it is, and a fine checkerboard becomes its mean: no aliasing."""
    data = toy_data()
    augment = Augmentation.of(Recipe(flip=False, crop_padding=0, label_smoothing=0), data, CPU)
    images = torch.full((2, 16, 16, 3), 200, dtype=torch.uint8)
    images[1] = (torch.arange(16)[:, None] + torch.arange(16))[..., None] % 2 * 200

    inputs, _ = augment(images, torch.tensor([0, 1]), np.random.default_rng(0), (8, 8))

    assert inputs.shape == (2, 3, 8, 8)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(inputs[0], torch.full((3, 8, 8), (200 - 128) / 70))
    assert (inputs[1] - (100 - 128) / 70).abs().max() < 0.1  # a single pixel in two would be off by 1.4


def test_a_run_with_growing_images_resumes_bit_for_bit(tmp_path: Path) -> None:
    how = recipe(8, 16, epochs=4, micro_batch=7, random_erasing=0.5, mixup=0.2, cutmix=1.0)
    whole, resumed = network(), network()

    expected = list(fit_classifier(whole, toy_data(), how, seed=1))
    list(itertools.islice(fit_classifier(network(), toy_data(), how, seed=1, checkpoints=tmp_path), 2))
    curve = list(fit_classifier(resumed, toy_data(), how, seed=1, checkpoints=tmp_path))

    assert [e.train_loss for e in curve] == [e.train_loss for e in expected]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


@pytest.mark.parametrize("name", ["coatnet_nano_rw_224", "swin_tiny_patch4_window7_224"])
def test_networks_with_fixed_positions_are_refused_before_anything_runs(name: str) -> None:
    data = toy_data(64, 64)
    config = TrialConfig(family="timm", arch={"name": name}, recipe=recipe(32, 64))

    with pytest.raises(ModelError, match=r"images of 64×64 cannot be trained on 32×32 \(.*leave train_resolution out"):
        refuse_resolutions([config], {config.data: data})  # pyright: ignore[reportUnhashable]


@pytest.mark.parametrize(
    ("family", "arch"),
    [
        ("patchconvnet", {"width": 16, "depth": 1, "patch_size": 4}),
        ("attention_augmented", {"base": "resnet18"}),
        ("timm", {"name": "resnet18"}),
    ],
)
def test_families_without_fixed_positions_are_not_refused_and_not_touched(family: str, arch: dict[str, object]) -> None:
    given = {"num_classes": 3, "image_size": (64, 64), "in_chans": 3}
    net = build_model(family, **arch, **given, seed=0).eval()
    before, random = {k: v.clone() for k, v in net.state_dict().items()}, torch.get_rng_state()

    assert sizes_for(net, recipe(32, 64), (64, 64), 3)[0] == (32, 32)

    assert not net.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_resolutions_above_the_images_are_refused() -> None:
    with pytest.raises(ModelError, match=r"recipe.train_resolution 32 is larger than the images.*16 pixels"):
        sizes_for(network(), recipe(8, 32), (16, 16), 3)
    with pytest.raises(ValidationError):
        recipe(0, 16)


def test_a_setting_that_is_left_out_changes_no_key() -> None:
    config = TrialConfig(family="patchconvnet", arch={}, data=DataConfig())
    changed = config.model_copy(update={"recipe": recipe(8, 16, epochs=10, batch_size=128)})

    assert config.key == TrialConfig(family="patchconvnet", arch={}, recipe=Recipe(train_resolution=None)).key
    assert changed.key != config.key
    assert TrialConfig.model_validate_json(changed.model_dump_json()) == changed
