"""Training compute by hand, at several resolutions, and the epochs at which two arms spend the same."""

from typing import Any

import pytest

from scaling.costs.counting.quick import quick_cost
from scaling.costs.training_compute import match_epochs, training_compute
from scaling.data import Dataset, load_data
from scaling.study.config import DataConfig, Recipe, TrialConfig
from scaling.study.errors import CostError
from scaling.study.records import CountedCost

ARCH = {"depth": 1, "width": 16, "patch_size": 2}
DIGITS = {"image_size": (8, 8), "in_chans": 1, "num_classes": 10}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data(DataConfig(train_limit=100))


def config(pooling: str = "average", **recipe: object) -> TrialConfig:
    asked = Recipe.model_validate({"epochs": 7, "batch_size": 30, **recipe})
    return TrialConfig(family="patchconvnet", arch={**ARCH, "pooling": pooling}, recipe=asked)


def counts(asked: TrialConfig) -> CountedCost:
    return quick_cost(asked.family, asked.arch, **DIGITS)


def compute(asked: TrialConfig, data: Dataset) -> int:
    return training_compute(asked, data, counts(asked))


@pytest.mark.parametrize("repeats", [1, 2])
def test_compute_is_images_seen_times_their_macs(digits: Dataset, repeats: int) -> None:
    asked = config(repeats=repeats)

    assert compute(asked, digits) == 7 * 90 * (counts(asked).training_macs or 0)


def test_each_epoch_costs_what_images_of_its_size_cost(digits: Dataset) -> None:
    asked = config(epochs=3, train_resolution=(4, 8))

    of_sizes = [quick_cost("patchconvnet", asked.arch, **{**DIGITS, "image_size": size}) for size in (4, 6, 8)]
    assert compute(asked, digits) == 90 * sum(cost.training_macs or 0 for cost in of_sizes)


@pytest.mark.parametrize("recipe", [{}, {"train_resolution": (4, 8)}, {"train_resolution": (6, 6)}])
@pytest.mark.parametrize("epochs", [1, 2, 7, 23])
def test_matched_epochs_are_the_nearest_of_all(digits: Dataset, epochs: int, recipe: dict[str, Any]) -> None:
    target = compute(config(epochs=epochs, **recipe), digits)
    arm = config("attention", epochs=epochs, **recipe)

    found = match_epochs(arm, digits, counts(arm), target)

    costs = {n: compute(config("attention", **{**recipe, "epochs": n}), digits) for n in range(1, epochs + 2)}
    assert found.epochs == min(costs, key=lambda n: (abs(costs[n] - target), n))
    assert found.cost == costs[found.epochs]
    assert found.gap == pytest.approx(costs[found.epochs] / target - 1)


def test_a_cheaper_arm_trains_for_longer(digits: Dataset) -> None:
    target, arm = compute(config("attention"), digits), config("average")

    found = match_epochs(arm, digits, counts(arm), target)

    assert found.epochs == round(
        7 * (counts(config("attention")).training_macs or 0) / (counts(arm).training_macs or 1)
    )
    assert found.epochs > 7


def test_an_arm_that_costs_too_much_keeps_one_epoch(digits: Dataset) -> None:
    arm = config("attention")

    found = match_epochs(arm, digits, counts(arm), 1000)

    assert found.epochs == 1
    assert found.gap > 1


def test_no_compute_cannot_be_matched(digits: Dataset) -> None:
    with pytest.raises(CostError, match="training_compute cannot be 0; give a number above 0"):
        match_epochs(config(), digits, counts(config()), 0)
