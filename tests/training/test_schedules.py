"""The learning rate over a run: the schedules, what runs of several lengths share, and exact resume."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import scaling.training.state
from scaling.data import load_data
from scaling.models import build_model
from scaling.study.config import DataConfig, Recipe, TrialConfig
from scaling.training.optimisation import learning_rate
from tests.support.training import fit_classifier, timeless

SCHEDULES = get_args(Recipe.model_fields["schedule"].annotation)


def constant(**recipe: object) -> Recipe:
    return Recipe.model_validate({"schedule": "constant_then_decay", "learning_rate": 0.5, **recipe})


def rates(recipe: Recipe, steps: int) -> list[float]:
    return [learning_rate(step, steps, recipe) for step in range(steps)]


def test_warm_up_then_constant_then_a_line_to_zero() -> None:
    found = rates(constant(epochs=10, warmup_epochs=1, decay_fraction=0.4), 20)

    assert found[:2] == [0.25, 0.5]
    assert found[2:12] == [0.5] * 10
    assert found[12:] == pytest.approx([0.5 * left / 8 for left in range(8, 0, -1)])


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(steps=st.integers(1, 300), warmup=st.floats(0, 30), epochs=st.integers(1, 100), fraction=st.floats(0.01, 1))
def test_every_schedule_climbs_once_and_falls_once(
    schedule: str, steps: int, warmup: float, epochs: int, fraction: float
) -> None:
    recipe = constant(schedule=schedule, epochs=epochs, warmup_epochs=warmup, decay_fraction=fraction)
    found = rates(recipe, steps)

    top = found.index(max(found))
    assert all(0 < rate <= 0.5 for rate in found)
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)


@given(st.floats(0.05, 0.9), st.integers(1, 12), st.integers(5, 40), st.integers(0, 40))
def test_rates_do_not_depend_on_length_before_decay(fraction: float, an_epoch: int, short: int, more: int) -> None:
    one, other = (constant(epochs=n, warmup_epochs=1, decay_fraction=fraction) for n in (short, short + more))

    shared = int((1 - fraction) * short * an_epoch)
    assert rates(one, short * an_epoch)[:shared] == pytest.approx(rates(other, (short + more) * an_epoch)[:shared])


def small_model() -> nn.Module:
    arch = {"width": 16, "depth": 1, "patch_size": 2, "pooling": "average", "drop_path": 0.2}
    return build_model("patchconvnet", **arch, num_classes=10, in_chans=1, image_size=(8, 8), seed=0)


def test_runs_of_two_lengths_are_equal_until_one_decays() -> None:
    data, curves = load_data(DataConfig(train_limit=60)), []
    for epochs in (5, 10):
        recipe = constant(epochs=epochs, batch_size=20, learning_rate=1e-3)
        curves.append(timeless(list(fit_classifier(small_model(), data, recipe, seed=1))))

    short, long = curves
    assert short[:4] == long[:4]
    assert short[4].train_loss != long[4].train_loss


def test_the_default_schedule_keeps_earlier_keys() -> None:
    def key(**recipe: object) -> str:
        return TrialConfig(family="patchconvnet", arch={}, recipe=Recipe.model_validate(recipe)).key

    assert key() == key(schedule="cosine", decay_fraction=0.2)
    assert key() != key(schedule="constant_then_decay") != key(schedule="constant_then_decay", decay_fraction=0.3)


def test_constant_then_decay_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling.training.state, "WRITING_SHARE", 1e9)  # keep the state of every epoch
    data, recipe = load_data(DataConfig(train_limit=60)), constant(epochs=5, batch_size=20, learning_rate=1e-3)
    whole, part, again = (small_model() for _ in range(3))
    expected = list(fit_classifier(whole, data, recipe))

    interrupted = fit_classifier(part, data, recipe, checkpoints=tmp_path)
    for _ in range(4):  # the last epoch alone decays
        next(interrupted)
    resumed = list(fit_classifier(again, data, recipe, checkpoints=tmp_path))

    assert timeless(resumed) == timeless(expected)
    assert [epoch.learning_rate for epoch in expected] == pytest.approx([1e-3] * 4 + [1e-3 / 3])
    assert all(a.equal(b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))
