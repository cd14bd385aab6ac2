"""A trial runs in a plain process, is reproducible, and always ends in a record."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scaling.data import Dataset, Split, load_data
from scaling.models import load_model
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.study.errors import DataError
from scaling.study.records import Epoch, Record, Scores
from scaling.tasks.classification import evaluate, score
from scaling.training.artifacts import examples
from scaling.trial import build, run_trial
from tests.support.training import CPU, ON_CPU

DATA = DataConfig(source="digits", train_limit=200)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data(DATA)


def trial(seed: int = 0, pooling: str = "attention", **recipe: object) -> Trial:
    arch = {"depth": 1, "width": 16, "patch_size": 2, "pooling": pooling}
    config = TrialConfig(
        family="patchconvnet",
        arch=arch,
        data=DATA,
        recipe=Recipe.model_validate({"epochs": 2, "batch_size": 50, **recipe}),
        seed=seed,
    )
    return Trial(study="s", cell={"depth": 1}, arm=pooling, config=config)


def last(trial: Trial, data: Dataset, folder: Path | None = None) -> Record:
    *epochs, record = run_trial(trial, data, device=CPU, folder=folder)
    assert all(isinstance(epoch, Epoch) for epoch in epochs)
    assert isinstance(record, Record)
    return record


def timeless(record: Record) -> dict[str, object]:
    content = record.model_dump(exclude={"started", "ended", "wall_seconds", "train_seconds", "seconds"})
    for epoch in content["curve"]:
        content.pop("train_seconds", None)
        for name in [name for name in epoch if name.endswith("_seconds")]:
            del epoch[name]
    return content


def test_a_trial_leaves_its_cost_curve_scores_and_environment(digits: Dataset) -> None:
    record = last(trial(), digits)

    assert record.status == "finished"
    assert record.cost is not None
    assert record.cost.params == sum(p.numel() for p in build(trial(), digits).parameters())
    assert record.cost.training_memory_bytes == pytest.approx(record.cost.measured_memory_bytes, rel=0.1)
    assert [epoch.epoch for epoch in record.curve] == [1, 2]
    assert record.scores is not None
    assert record.scores.val_accuracy == record.curve[-1].val_accuracy
    assert record.scores.test_examples == len(digits.test.labels)
    assert record.environment["torch"] == torch.__version__
    assert record.environment["device"]
    assert record.seconds is not None
    assert record.wall_seconds == pytest.approx(sum(record.seconds.values()))
    assert TrialConfig.model_validate(record.config).key == record.key


def test_the_same_trial_twice_gives_equal_records_except_times(digits: Dataset) -> None:
    assert timeless(last(trial(), digits)) == timeless(last(trial(), digits))


def test_a_record_holds_what_training_spent(digits: Dataset) -> None:
    record = last(trial(batch_size=64, repeats=2), digits)

    assert record.cost is not None
    assert record.images_seen == 2 * 3 * 64  # 200 images: three whole batches in each of two epochs
    assert record.training_compute == record.images_seen * (record.cost.training_macs or 0)
    assert [epoch.training_compute for epoch in record.curve] == [3 * 64 * (record.cost.training_macs or 0)] * 2


def test_smaller_training_images_cost_less(digits: Dataset) -> None:
    record = last(trial(train_resolution=[4, 8]), digits)

    small, whole = (epoch.training_compute or 0 for epoch in record.curve)
    assert record.cost is not None
    assert whole == 200 * (record.cost.training_macs or 0)
    assert 0.2 * whole < small < 0.5 * whole  # a quarter of the positions, and parts that do not depend on them
    assert record.training_compute == small + whole


def test_a_diverged_trial_counts_the_steps_it_took(digits: Dataset) -> None:
    record = last(trial(learning_rate=1e18, warmup_epochs=0), digits)

    assert record.cost is not None
    assert record.curve == []
    assert record.images_seen == 200  # found at the end of the first epoch, which is not in the curve
    assert record.training_compute == 200 * (record.cost.training_macs or 0)


def test_a_trial_that_cannot_start_spends_nothing(digits: Dataset) -> None:
    record = last(trial(loss="unheard_of"), digits)

    assert (record.status, record.images_seen, record.training_compute) == ("failed", 0, 0)


def test_a_failure_between_epochs_counts_no_epoch_twice(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Scores:
        raise DataError("images/3.jpg is corrupt")

    monkeypatch.setattr("scaling.tasks.classification.score", broken)
    record = last(trial(), digits)

    assert (record.status, record.images_seen) == ("failed", 400)


def test_a_rested_trial_records_the_time_of_all_runs(digits: Dataset, tmp_path: Path) -> None:
    part = [*run_trial(trial(), digits, device=CPU, folder=tmp_path, until=1)]
    assert all(isinstance(event, Epoch) for event in part)

    record = last(trial(), digits, tmp_path)

    assert record.seconds is not None
    assert record.wall_seconds == pytest.approx(sum(record.seconds.values()))
    training = sum(epoch.train_seconds - (epoch.data_seconds or 0.0) for epoch in record.curve)
    assert record.seconds["training"] == pytest.approx(training)
    assert record.seconds["data"] == pytest.approx(sum(epoch.data_seconds or 0.0 for epoch in record.curve))


def test_another_seed_gives_another_result(digits: Dataset) -> None:
    one, other = (last(trial(seed), digits).curve[0].train_loss for seed in (0, 1))

    assert one != other


def test_both_arms_start_from_the_same_trunk_and_head(digits: Dataset) -> None:
    average, attention = (build(trial(pooling=name), digits).state_dict() for name in ("average", "attention"))

    shared = set(average) & set(attention)
    assert {name.split(".")[0] for name in shared} >= {"stem", "blocks", "head"}
    assert all(torch.equal(average[name], attention[name]) for name in shared)
    other = build(trial(seed=1), digits).state_dict()
    assert any(not torch.equal(other[name], attention[name]) for name in shared)


def test_a_loss_that_is_not_finite_is_a_record(digits: Dataset) -> None:
    record = last(trial(learning_rate=1e18, warmup_epochs=0), digits)

    assert record.status == "diverged"
    assert record.reason is not None
    assert "\n" not in record.reason
    assert record.scores is None


def test_a_score_that_is_not_finite_is_a_record(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*args: Any) -> Scores:
        return score(*args).model_copy(update={"test_loss": math.inf})

    monkeypatch.setattr("scaling.tasks.classification.score", wrong)
    record = last(trial(), digits)

    assert record.status == "diverged"
    assert record.reason is not None
    assert record.reason.startswith("test_loss is not a finite number at step ")
    assert Record.model_validate_json(record.model_dump_json(by_alias=True)).scores is None


@pytest.mark.slow
def test_running_out_of_memory_is_noted_in_the_record(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def short_of_memory(whole: Trial, data: Dataset) -> torch.nn.Module:
        net = build(whole, data)

        def refuse(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
            if len(inputs[0]) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory")

        net.register_forward_pre_hook(refuse)
        return net

    expected = last(trial(), digits)
    monkeypatch.setattr("scaling.trial.build", short_of_memory)
    record = last(trial(), digits, folder=tmp_path)

    assert record.status == "finished"
    assert expected.notes == []
    assert record.notes == [
        "out of memory: the memory of a training step was measured in micro-batches of 13",
        "out of memory: the batch of 50 was taken in micro-batches of 13 from step 1",
        "out of memory: evaluation took fewer than 256 images at a time",
    ]
    assert expected.scores is not None
    assert record.scores is not None
    assert record.scores.test_loss == pytest.approx(expected.scores.test_loss, rel=1e-3)
    assert record.key == expected.key


def test_whatever_goes_wrong_is_a_record_with_its_reason(digits: Dataset) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            if name == "validation":
                raise DataError("images/3.jpg is corrupt")
            return getattr(digits, name)

    record = last(trial(), Broken())  # pyright: ignore[reportArgumentType]

    assert record.status == "failed"
    assert record.reason == "DataError: images/3.jpg is corrupt"
    assert record.traceback is not None
    assert record.cost is not None


def test_an_interrupted_trial_has_the_record_of_an_uninterrupted_one(digits: Dataset, tmp_path: Path) -> None:
    interrupted = run_trial(trial(), digits, device=CPU, folder=tmp_path)
    assert isinstance(next(interrupted), Epoch)
    interrupted.close()

    resumed = last(trial(), digits, folder=tmp_path)

    assert timeless(resumed) == timeless(last(trial(), digits))


def test_read_only_data_is_enough(digits: Dataset) -> None:
    """Ray's shared memory hands arrays out read-only."""
    for split in (digits.train, digits.validation, digits.test):
        assert isinstance(split, Split)
        split.images.setflags(write=False)
        split.labels.setflags(write=False)

    assert last(trial(), digits).status == "finished"


def test_kept_weights_load_into_the_model_that_was_scored(digits: Dataset, tmp_path: Path) -> None:
    record = last(trial().model_copy(update={"keeps_weights": True}), digits, folder=tmp_path)

    saved = load_model(tmp_path / "weights" / f"{record.key}.safetensors")
    score = evaluate(saved.model, digits.test, digits, ON_CPU)
    assert record.scores is not None
    assert score.accuracy == record.scores.test_accuracy
    assert saved.class_names == list(digits.class_names)
    with Image.open(tmp_path / "attention" / f"{record.key}.png") as drawn:
        assert drawn.width > 400
    assert record.reason is None


def test_weights_that_cannot_be_kept_do_not_cost_the_result(digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file where the folder should be")

    record = last(trial().model_copy(update={"keeps_weights": True}), digits, folder=tmp_path)

    assert record.status == "finished"
    assert record.scores is not None
    assert record.reason is not None
    assert record.reason.startswith("finished, but its weights were not kept: ")


def test_a_gallery_shows_as_many_classes_as_it_can(digits: Dataset) -> None:
    test = digits.test
    assert isinstance(test, Split)

    shown = examples(test, 10)

    labels = [int(test.labels[np.flatnonzero((test.images == image).all((1, 2, 3)))[0]]) for image in shown]
    assert sorted(labels) == list(range(10))
