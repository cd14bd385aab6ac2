"""Training learns, is a function of its seed, and gives both arms the same images."""

import math
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import timm
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from scaling.data import Dataset, Split, load_data
from scaling.data.batches import BatchIndices, batches
from scaling.models import FAMILIES, build_model
from scaling.models.pooling import POOLINGS
from scaling.study.config import DataConfig, Recipe
from scaling.study.records import Epoch
from scaling.tasks.classification import Predictions, evaluate, predict, score
from scaling.training.divergence import Diverged
from scaling.training.optimisation import LONGEST_WARMUP, OPTIMIZERS, build_optimizer, learning_rate
from scaling.training.stopwatch import Stopwatch
from scaling.training.train import epoch_plan, moving_average
from tests.support import ROOT
from tests.support.families import small_member
from tests.support.training import CPU, ON_CPU, Watched, fit_classifier, timeless

RECIPES = sorted((ROOT / "search_spaces" / "recipes").glob("*.yaml"))


def toy_data(count: int = 96, classes: int = 3, size: int = 8, seed: int = 0) -> Dataset:
    """Noise whose class is its colour; a second of training separates them."""
    rng = np.random.default_rng(seed)

    def split(n: int) -> Split:
        labels = np.arange(n) % classes
        images = rng.integers(0, 120, (n, size, size, 3), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[..., label] += 60
        return Split(images, labels.astype(np.int64))

    names = tuple(f"class {label}" for label in range(classes))
    return Dataset(split(count), split(30), split(31), names, (80.0,) * 3, (50.0,) * 3, flip=True, crop_padding=0)


def model(pooling: str = "attention", **arch) -> nn.Module:
    arch = {"width": 16, "depth": 2, "patch_size": 2, "layer_scale": 0.1, **arch}
    return build_model("patchconvnet", **arch, pooling=pooling, num_classes=3, image_size=(8, 8), seed=0)


def digit_model() -> nn.Module:
    arch = {"width": 16, "depth": 1, "patch_size": 2, "pooling": "attention"}
    return build_model("patchconvnet", **arch, num_classes=10, in_chans=1, image_size=(8, 8), seed=0)


def train(net: nn.Module, data: Dataset, recipe: Recipe, seed: int = 0, **where) -> list[Epoch]:
    return list(fit_classifier(net, data, recipe, seed=seed, **where))


@pytest.mark.parametrize("precision", get_args(Recipe.model_fields["precision"].annotation))
def test_training_separates_what_can_be_separated(precision: Any) -> None:
    data, net = toy_data(), model()

    curve = train(net, data, Recipe(epochs=10, batch_size=16, learning_rate=1e-2, precision=precision))

    assert [epoch.epoch for epoch in curve] == list(range(1, 11))
    assert evaluate(net, data.test, data, ON_CPU).accuracy > 90
    assert all(parameter.dtype == torch.float32 for parameter in net.parameters())


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 1e-2), ("lamb", 3e-2), ("sgd", 0.1)])
def test_every_optimiser_trains_a_network_with_batch_norm(optimizer: Any, rate: float) -> None:
    torch.manual_seed(0)
    stem = (nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
    net, data = nn.Sequential(*stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)), toy_data()

    train(net, data, Recipe(epochs=10, batch_size=16, optimizer=optimizer, learning_rate=rate, clip_grad_norm=1.0))

    assert set(OPTIMIZERS) == set(get_args(Recipe.model_fields["optimizer"].annotation))
    assert evaluate(net, data.test, data, ON_CPU).accuracy > 90


def test_equal_seeds_give_equal_weights_and_other_seeds_do_not() -> None:
    data, recipe = toy_data(), Recipe(epochs=2, batch_size=16)
    nets = [model(drop_path=0.3) for _ in range(3)]

    curves = [train(net, data, recipe, seed) for net, seed in zip(nets, (5, 5, 6), strict=True)]

    assert timeless(curves[0]) == timeless(curves[1])
    for one, same in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, same)
    assert curves[0][-1].train_loss != curves[2][-1].train_loss


def test_no_global_generator_moves() -> None:
    def globally() -> tuple[torch.Tensor, Any, Any]:
        return torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate()

    before = globally()

    train(model(drop_path=0.3), toy_data(), Recipe(epochs=1, batch_size=16))

    after = globally()
    assert torch.equal(before[0], after[0])
    assert str(before[1:]) == str(after[1:])


def test_both_arms_see_the_same_augmented_images_in_order() -> None:
    data, recipe = toy_data(), Recipe(epochs=2, batch_size=16, crop_padding=2)
    arms = [Watched(model("average")), Watched(model("attention", depth=3, drop_path=0.5))]

    for arm in arms:
        train(arm, data, recipe)

    assert len(arms[0].seen) == len(arms[1].seen) == 12
    assert all(torch.equal(a, b) for a, b in zip(arms[0].seen, arms[1].seen, strict=True))
    assert not torch.equal(arms[0].seen[0], arms[0].seen[6])


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 3), st.integers(1, 3))
def test_whole_batches_serve_every_image_at_most_once_per_epoch(n: int, batch: int, seed: int, epoch: int) -> None:
    recipe = Recipe(batch_size=batch)
    images = Split(np.zeros((n, 1, 1, 1), np.uint8), np.zeros(n, np.int64))
    steps = [step.indices for step in epoch_plan(images, recipe, seed=seed, epoch=epoch)]
    served = np.concatenate(steps)

    assert len(served) == len(set(served)) == (n // batch * batch or n)
    assert {len(indices) for indices in steps} == {min(n, batch)}
    again = [step.indices for step in epoch_plan(images, recipe, seed=seed, epoch=epoch)]
    assert all(np.array_equal(a, b) for a, b in zip(steps, again, strict=True))


def test_repeats_follow_one_another_and_epochs_keep_their_length() -> None:
    images = Split(np.zeros((30, 1, 1, 1), np.uint8), np.zeros(30, np.int64))
    steps = list(epoch_plan(images, Recipe(batch_size=6, repeats=3), seed=0, epoch=1))

    served = np.concatenate([step.indices for step in steps])
    assert [len(step.indices) for step in steps] == [6] * 5
    assert np.array_equal(served, served[::3].repeat(3))
    assert len(set(served)) == 10


@given(st.integers(1, 200), st.floats(0, 30), st.integers(1, 100))
def test_learning_rate_climbs_to_its_peak_and_falls_towards_zero(steps: int, warmup: float, epochs: int) -> None:
    recipe = Recipe(epochs=epochs, warmup_epochs=warmup, learning_rate=0.5)
    rates = [learning_rate(step, steps, recipe) for step in range(steps)]

    top = int(np.argmax(rates))
    assert all(0 <= rate <= 0.5 for rate in rates)
    assert top <= 0.2 * steps + 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if steps >= 10:
        assert rates[-1] <= 0.5 * 0.1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("optimizer", get_args(Recipe.model_fields["optimizer"].annotation))
def test_norms_biases_scales_and_tokens_are_not_decayed(family: str, pooling: str, optimizer: Any) -> None:
    with torch.device("meta"):
        net = build_model(family, **small_member(family), pooling=pooling, num_classes=3, image_size=32)
    groups = build_optimizer(net, Recipe(weight_decay=0.3, optimizer=optimizer)).param_groups

    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(net.parameters()))
    assert set(decay.values()) == {0, 0.3}
    for name, parameter in net.named_parameters():
        owner = net.get_submodule(name.rpartition(".")[0])
        is_torchs = type(owner).__module__.startswith("torch.nn")
        is_matrix = parameter.ndim > 1 and (is_torchs or isinstance(owner, nn.Linear | nn.modules.conv._ConvNd))
        assert (is_matrix or name == "head.classifier.weight") == (decay[id(parameter)] == 0.3), name


@pytest.mark.parametrize(
    ("name", "ending", "count"),
    [("fastvit_t8", "gamma", 20), ("swiftformer_xs", "layer_scale.gamma", 16), ("nfnet_l0", ".gain", 57)],
)
def test_scales_of_channels_are_not_decayed_in_whatever_shape(name: str, ending: str, count: int) -> None:
    with torch.device("meta"):
        net = timm.create_model(name, num_classes=3)
    groups = build_optimizer(net, Recipe(weight_decay=0.3)).param_groups

    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(net.parameters()))
    scales = [decay[id(p)] for n, p in net.named_parameters() if n.endswith(ending) and p.ndim > 1]
    assert scales == [0] * count


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_one_and_ends_its_warm_up(path: Path) -> None:
    recipe = Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))

    assert recipe.warmup_epochs <= LONGEST_WARMUP * recipe.epochs
    assert learning_rate(999, 1000, recipe) < 0.01 * recipe.learning_rate


def test_a_loss_that_is_not_finite_ends_training() -> None:
    class Breaks(Watched):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            broken = self.training and len(self.seen) >= 7
            return super().forward(x) * (math.nan if broken else 1.0)

    with pytest.raises(Diverged) as caught:
        train(Breaks(model()), toy_data(), Recipe(epochs=3, batch_size=16))

    assert (caught.value.step, caught.value.epoch) == (8, 2)
    assert str(caught.value) == "the loss is not a finite number at step 8 (epoch 2)"


def test_a_validation_loss_that_is_not_finite_ends_training() -> None:
    class BreaksLater(Watched):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            broken = not self.training and len(self.seen) >= 12
            return super().forward(x) * (math.nan if broken else 1.0)

    with pytest.raises(Diverged) as caught:
        train(BreaksLater(model()), toy_data(), Recipe(epochs=3, batch_size=16))

    assert str(caught.value) == "the loss on the validation set is not a finite number at step 12 (epoch 2)"


def test_evaluation_agrees_with_counting_by_hand_and_leaves_the_mode() -> None:
    data, net = toy_data(), model().train()

    accuracy, loss, examples = evaluate(net, data.test, data, ON_CPU)

    assert net.training
    net.eval()
    assert isinstance(data.test, Split)
    x = (torch.from_numpy(data.test.images).double() - 80) / 50
    with torch.no_grad():
        chances = net(x.permute(0, 3, 1, 2).float()).double().softmax(1).numpy()
    rows = np.arange(31)
    assert examples == 31
    assert accuracy == pytest.approx(100 * (chances.argmax(1) == data.test.labels).mean())
    assert loss == pytest.approx(-np.log(chances[rows, data.test.labels]).mean(), rel=1e-5)


def test_scores_agree_with_a_second_count() -> None:
    data, net = load_data(DataConfig(train_limit=50)), digit_model()

    scores, predicted = score(net, data, ON_CPU), predict(net, data.test, data, ON_CPU)

    assert isinstance(data.test, Split)
    x = (torch.from_numpy(data.test.images).double() - data.mean[0]) / data.std[0]
    with torch.no_grad():
        logits = net.eval()(x.permute(0, 3, 1, 2).float()).double()
    labels = torch.from_numpy(data.test.labels)
    chances = logits.softmax(1)
    top5 = (logits.topk(5).indices == labels[:, None]).any(dim=1)
    right = chances.argmax(1) == labels
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (chances.amax(1) >= low) & (chances.amax(1) < low + 1 / 15)
        if inside.any():
            distance = abs(chances.amax(1)[inside].mean() - right[inside].double().mean())
            error += float(inside.double().mean() * distance)
    assert scores.test_accuracy == pytest.approx(100 * float(right.double().mean()))
    assert scores.test_top5 == pytest.approx(100 * float(top5.double().mean()))
    assert scores.test_calibration_error == pytest.approx(100 * error, abs=1e-4)
    assert predicted.loss == pytest.approx(-chances.log()[range(len(labels)), labels].numpy(), abs=1e-5)
    bits = scores.correct_examples()
    assert bits is not None
    assert np.array_equal(bits, right.numpy())
    assert len(scores.test_correct or "") < 70


def test_a_confident_network_that_is_always_right_is_calibrated() -> None:
    sure = Predictions(np.ones(9, bool), np.ones(9, bool), np.ones(9), np.zeros(9))
    wrong = Predictions(np.zeros(9, bool), np.ones(9, bool), np.ones(9), np.ones(9))

    assert sure.calibration_error == 0
    assert wrong.calibration_error == 100


def test_a_blank_network_is_at_chance() -> None:
    net = digit_model()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    blank = Split(np.zeros((100, 8, 8, 1), np.uint8), np.arange(100) % 10)

    scores = score(net, replace(load_data(DataConfig()), validation=blank, test=blank), ON_CPU)

    assert (scores.test_accuracy, scores.test_top5) == (10, 50)


def test_top5_of_few_classes_is_missing() -> None:
    assert score(model(), toy_data(), ON_CPU).test_top5 is None


def test_the_average_follows_the_weights_and_is_scored() -> None:
    def weights_of(net: nn.Module) -> torch.Tensor:
        return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])

    class Recorded(Watched):
        """Keeps the weights that each step begins with."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                self.seen.append(weights_of(self.inner))
            return self.inner(x)

    data, net, recipe = toy_data(), Recorded(model()), Recipe(epochs=1, batch_size=16, ema_decay=0.9)
    average = moving_average(net, recipe)
    assert average
    train(net, data, recipe, average=average)
    scores = score(net, data, ON_CPU, average.module)

    weights = [*net.seen[1:], weights_of(net)]
    expected = weights[0]
    for step, new in enumerate(weights[1:], start=1):
        decay = min(0.9, 1 - (1 + step) ** (-2 / 3))
        expected = decay * expected + (1 - decay) * new
    torch.testing.assert_close(weights_of(average.module), expected)
    assert scores.ema_test_accuracy == evaluate(average.module, data.test, data, ON_CPU).accuracy
    assert scores.ema_test_loss != scores.test_loss
    assert scores.ema_test_calibration_error == predict(average.module, data.test, data, ON_CPU).calibration_error
    assert moving_average(net, Recipe()) is None


def test_a_modern_recipe_learns() -> None:
    data, net = toy_data(), model()
    changes = {"rand_augment": 3, "random_erasing": 0.2, "mixup": 0.2, "cutmix": 0.2, "loss": "bce", "repeats": 2}
    recipe = Recipe.model_validate({"epochs": 15, "batch_size": 16, "learning_rate": 2e-2, **changes})

    train(net, data, recipe)

    assert evaluate(net, data.test, data, ON_CPU).accuracy > 80


def test_every_second_of_a_run_is_booked_once(tmp_path: Path) -> None:
    watch, begin = Stopwatch(), time.perf_counter()

    curve = train(model(), toy_data(), Recipe(epochs=2, batch_size=16), watch=watch, checkpoints=tmp_path)
    watch.book("waiting")

    assert set(watch.seconds) == {"setup", "data", "training", "evaluation", "checkpointing", "waiting"}
    assert sum(watch.seconds.values()) == pytest.approx(time.perf_counter() - begin, abs=0.01)
    assert sum(e.train_seconds for e in curve) == pytest.approx(watch.seconds["training"] + watch.seconds["data"])


def test_read_only_arrays_are_used_without_copy_or_warning() -> None:
    data = toy_data()
    assert isinstance(data.test, Split)
    data.test.images.setflags(write=False)

    ((images, labels),) = batches(data.test, [BatchIndices(np.array([3, 1]))], CPU)

    assert np.array_equal(images, data.test.images[[3, 1]])
    assert list(labels) == list(data.test.labels[[3, 1]])
