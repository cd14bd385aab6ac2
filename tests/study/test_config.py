"""A trial's content key depends on all that determines its result, and on nothing else."""

import pytest
from pydantic import ValidationError

from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig, WidthRule

CONFIG = TrialConfig(family="patchconvnet", arch={"depth": 2, "width": 32, "pooling": "average"})


def test_equal_configs_have_equal_keys_whatever_the_order() -> None:
    turned = TrialConfig(family="patchconvnet", arch={"pooling": "average", "width": 32, "depth": 2})

    assert turned.key == CONFIG.key


@pytest.mark.parametrize(
    "change",
    [
        {"family": "other"},
        {"arch": {"depth": 4, "width": 32, "pooling": "average"}},
        {"arch": {"depth": 2, "width": 32, "pooling": "attention"}},
        {"data": DataConfig(validation_fraction=0.2)},
        {"recipe": Recipe(epochs=11)},
        {"seed": 1},
    ],
)
def test_whatever_changes_the_result_changes_the_key(change: dict[str, object]) -> None:
    assert CONFIG.model_copy(update=change).key != CONFIG.key


def test_study_cell_and_arm_are_not_part_of_the_key() -> None:
    one = Trial(study="a", cell={"depth": 2}, arm="average", config=CONFIG)
    other = Trial(study="b", cell={}, arm="x", config=CONFIG)

    assert one.key == other.key == CONFIG.key


def test_a_default_written_out_is_the_default() -> None:
    assert TrialConfig(**{**CONFIG.model_dump(), "recipe": {"epochs": Recipe().epochs}}).key == CONFIG.key


def test_keys_and_defaults_stay_what_they_are() -> None:
    """Records are found by key: changing a default gives an old key a new meaning. Raise KEY_VERSION when you do."""
    assert CONFIG.key == "9ac48869a80d7a79"
    older = {
        "epochs": 10,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "weight_decay": 0.05,
        "warmup_epochs": 1.0,
        "label_smoothing": 0.1,
        "clip_grad_norm": None,
        "flip": None,
        "crop_padding": None,
        "precision": "float32",
    }
    assert older.items() <= Recipe().model_dump().items()
    assert Recipe().augmentation == ()
    data = {"source": "digits", "image_size": None, "validation_fraction": 0.1, "split_seed": 0, "train_limit": None}
    assert data.items() <= DataConfig().model_dump().items()


def test_names_that_are_registered_nowhere_still_read() -> None:
    """Records of a plugin that is absent are read; the check of a space finds unknown names."""
    recipe = Recipe(loss="focal", augmentation=("fog",), learning_rate_rule=WidthRule(name="mine", reference_width=8))

    assert Recipe.model_validate(recipe.model_dump()) == recipe


def test_an_augmentation_changes_the_key() -> None:
    assert CONFIG.model_copy(update={"recipe": Recipe(augmentation=("fog",))}).key != CONFIG.key


def test_settings_are_frozen_and_know_their_names() -> None:
    with pytest.raises(ValidationError):
        CONFIG.seed = 3  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError):
        Recipe(epoch=3)  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValidationError):
        Recipe(learning_rate=float("nan"))
