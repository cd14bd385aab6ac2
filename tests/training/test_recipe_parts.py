"""Losses, learning-rate rules and augmentations that a user registers take part in training by their names."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scaling.data import load_data
from scaling.data.augment import Augmentation, augmentation
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.study.errors import DataError
from scaling.study.recipe_registries import AUGMENTATIONS, LOSSES, WIDTH_RULES
from scaling.study.records import Record
from scaling.tasks import TASKS
from scaling.training.losses import loss
from scaling.training.optimisation import Scale
from scaling.training.width_rules import Growth, rule
from scaling.trial import run_trial
from tests.support.training import CPU

DATA = DataConfig(train_limit=60)
REGISTRIES = (LOSSES, WIDTH_RULES, AUGMENTATIONS)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    for registry in REGISTRIES:
        registry.forget(__name__)


def config(**recipe: object) -> TrialConfig:
    arch = {"depth": 1, "width": 16, "patch_size": 2, "pooling": "average"}
    return TrialConfig(
        family="patchconvnet",
        arch=arch,
        data=DATA,
        recipe=Recipe.model_validate({"epochs": 1, "batch_size": 20, **recipe}),
    )


def record_of(**recipe: object) -> Record:
    trial = Trial(study="s", cell={}, arm="average", config=config(**recipe))
    (*_, record) = run_trial(trial, load_data(DATA), device=CPU)
    assert isinstance(record, Record)
    return record


def test_shipped_losses_and_rules_are_found_in_their_folders() -> None:
    assert set(LOSSES) == {"cross_entropy", "bce"}
    assert set(WIDTH_RULES) == {"mup", "per_layer", "inverse_width", "sqrt_width"}
    assert set(TASKS) == {"classification"}


def test_a_registered_loss_is_the_one_that_is_minimised() -> None:
    @loss
    def focal(logits: torch.Tensor, targets: torch.Tensor, gamma: float = 2.0) -> torch.Tensor:
        logs = logits.log_softmax(dim=1)
        return -((1 - logs.exp()) ** gamma * logs * targets).sum(dim=1).mean()

    usual, focused = record_of(), record_of(loss="focal")

    assert focused.status == "finished"
    assert 0 < focused.curve[0].train_loss < usual.curve[0].train_loss  # easy examples count for less


def test_a_registered_loss_splits_into_micro_batches() -> None:
    @loss
    def halved(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, targets) / 2

    whole, parts = record_of(loss="halved"), record_of(loss="halved", micro_batch=6)

    assert parts.curve[0].train_loss == pytest.approx(whole.curve[0].train_loss, rel=1e-5)


def test_a_registered_rule_scales_the_learning_rate() -> None:
    @rule
    def still(growth: Growth, optimizer: str, ratio: float) -> Scale:
        return Scale(rate=1e-12)

    record = record_of(learning_rate_rule={"name": "still", "reference_width": 16}, epochs=2, weight_decay=0)

    assert record.curve[0].val_loss == pytest.approx(record.curve[1].val_loss, rel=1e-6)


def augmented(names: list[str], seed: int = 0) -> torch.Tensor:
    data = load_data(DATA)
    images = torch.arange(2 * 8 * 8, dtype=torch.uint8).reshape(2, 8, 8, 1)
    augment = Augmentation.of(Recipe(augmentation=tuple(names), flip=False, crop_padding=0), data, CPU)
    return augment(images, torch.zeros(2, dtype=torch.int64), np.random.default_rng(seed))[0]


def test_registered_augmentations_are_applied_in_order() -> None:
    @augmentation
    def darker(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return images // 2

    @augmentation
    def inverted(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return 255 - images

    data = load_data(DATA)
    pixels = (augmented(["darker", "inverted"]) * data.std[0] + data.mean[0]).round()

    assert pixels.flatten().tolist() == [255 - value // 2 for value in range(128)]


def test_registered_augmentations_draw_from_the_run_s_generator() -> None:
    @augmentation
    def noisy(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return images + torch.from_numpy(rng.integers(0, 9, images.shape, dtype=np.uint8))

    assert torch.equal(augmented(["noisy"], seed=1), augmented(["noisy"], seed=1))
    assert not torch.equal(augmented(["noisy"], seed=1), augmented(["noisy"], seed=2))


def test_an_augmentation_that_changes_the_batch_s_shape_is_refused() -> None:
    @augmentation
    def lost(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return images[1:]

    @augmentation  # pyright: ignore[reportArgumentType]
    def empty(images: torch.Tensor, rng: np.random.Generator) -> None:
        return None

    with pytest.raises(DataError, match=r"augmentation 'lost' returned \(1, 8, 8, 1\) for images of shape"):
        augmented(["lost"])
    with pytest.raises(DataError, match="augmentation 'empty' returned NoneType"):
        augmented(["empty"])


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"loss": "bcee"}, "recipe.loss: unknown loss 'bcee'; did you mean 'bce'?"),
        ({"augmentation": ["sepia"]}, "recipe.augmentation: unknown augmentation 'sepia'"),
        (
            {"learning_rate_rule": {"name": "mupp", "reference_width": 16}},
            "recipe.learning_rate_rule.name: unknown learning-rate rule 'mupp'; did you mean 'mup'?",
        ),
    ],
)
def test_an_unknown_name_is_a_failed_record_with_one_line(recipe: dict[str, object], reason: str) -> None:
    record = record_of(**recipe)

    assert record.status == "failed"
    assert (record.reason or "").startswith(f"TrainingError: {reason}")
    assert "\n" not in (record.reason or "")
    assert record.curve == []


def test_recipes_without_registered_parts_keep_their_keys() -> None:
    assert config().key == config(augmentation=[], loss="cross_entropy").key
    assert config().key != config(augmentation=["sepia"]).key
