"""Every repetition may draw a validation part of its own, from images that all trials share."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scaling.data import Dataset, Split, for_repetition, load_data
from scaling.data.batches import BatchIndices, batches
from scaling.study.config import DataConfig, Trial, TrialConfig
from scaling.study.errors import DataError
from scaling.study.records import Record
from scaling.trial import run_trial
from tests.support.images import write_folder
from tests.support.training import CPU

ANEW = DataConfig(source="digits", split="per_repetition")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data(ANEW)


def pixels(split: object) -> np.ndarray:
    """The images of a set as training gets them: (N, bytes)."""
    assert isinstance(split, Split)
    (found,) = [served for served, _ in batches(split, [BatchIndices(np.arange(len(split)))], torch.device("cpu"))]
    return found.numpy().reshape(len(split), -1)


def names(split: object) -> list[bytes]:
    return sorted(row.tobytes() for row in pixels(split))


def test_the_split_seed_draws_the_fixed_division(digits: Dataset) -> None:
    fixed = load_data(DataConfig(source="digits"))

    drawn = for_repetition(digits, ANEW, ANEW.split_seed)

    for of_drawn, of_fixed in ((drawn.train, fixed.train), (drawn.validation, fixed.validation)):
        assert np.array_equal(pixels(of_drawn), pixels(of_fixed))
        assert np.array_equal(of_drawn.labels, of_fixed.labels)
    assert (digits.mean, digits.std) == (fixed.mean, fixed.std)


@pytest.mark.parametrize("limit", [None, 300])
def test_another_seed_holds_out_other_images(digits: Dataset, limit: int | None) -> None:
    config = ANEW.model_copy(update={"train_limit": limit})

    one, other = (for_repetition(digits, config, seed) for seed in (1234567, 1234568))

    assert names(one.validation) != names(other.validation)
    assert len(one.validation) == len(other.validation) == len(digits.validation)
    assert len(one.train) == len(other.train) == (limit or len(digits.train))
    assert one.test is other.test is digits.test
    for drawn in (one, other):
        assert isinstance(drawn.train, Split)
        assert isinstance(drawn.validation, Split)
        assert drawn.train.rows is not None
        assert drawn.validation.rows is not None
        assert not set(drawn.train.rows) & set(drawn.validation.rows)
        if limit is None:
            assert sorted(names(drawn.train) + names(drawn.validation)) == names(digits.pool)


def test_equal_seeds_draw_equal_parts_of_shared_images(digits: Dataset) -> None:
    one, other = (for_repetition(digits, ANEW, 99) for _ in range(2))

    assert np.array_equal(pixels(one.train), pixels(other.train))
    assert isinstance(digits.pool, Split)
    for split in (one.train, one.validation, digits.train, digits.validation):
        assert isinstance(split, Split)
        assert np.shares_memory(split.images, digits.pool.images)


def test_a_fixed_split_is_left_as_it_is() -> None:
    config = DataConfig(source="digits")
    data = load_data(config)

    assert for_repetition(data, config, 5) is data
    with pytest.raises(DataError, match=r"loaded with data.split: fixed"):
        for_repetition(data, ANEW, 5)


def test_images_in_files_are_drawn_anew_too(tmp_path: Path) -> None:
    write_folder(tmp_path, 40)
    small = {"source": f"folder:{tmp_path}", "image_size": 8, "validation_fraction": 0.25, "split": "per_repetition"}
    streamed, held = (DataConfig.model_validate({**small, "memory_gib": gib}) for gib in (1e-9, 4.0))

    from_files = for_repetition(load_data(streamed), streamed, 3)
    in_memory = for_repetition(load_data(held), held, 3)

    assert not isinstance(from_files.train, Split)
    assert np.array_equal(from_files.train.labels, in_memory.train.labels)
    assert np.array_equal(from_files.validation.labels, in_memory.validation.labels)
    assert len(from_files.validation) == round(0.25 * (len(from_files.train) + len(from_files.validation)))


def trial(repetition: int, seed: int, arm: str = "average") -> Trial:
    arch = {"depth": 1, "width": 16, "patch_size": 2, "pooling": arm}
    config = TrialConfig.model_validate(
        {"family": "patchconvnet", "arch": arch, "data": ANEW, "recipe": {"epochs": 2}, "seed": seed}
    )
    return Trial(study="s", cell={"depth": 1}, arm=arm, config=config, repetition=repetition)


def test_a_trial_resumes_on_the_part_that_it_drew(digits: Dataset, tmp_path: Path) -> None:
    def record(folder: Path, until: int | None = None) -> Record | None:
        ended = list(run_trial(trial(0, 77), digits, device=CPU, folder=folder, until=until))
        return ended[-1] if isinstance(ended[-1], Record) else None

    whole = record(tmp_path / "whole")
    assert record(tmp_path / "twice", until=1) is None
    resumed = record(tmp_path / "twice")

    assert whole
    assert resumed
    assert whole.scores
    assert resumed.scores == whole.scores
    assert [epoch.val_loss for epoch in resumed.curve] == [epoch.val_loss for epoch in whole.curve]
    assert whole.scores.val_examples == len(digits.validation)


def test_arms_share_the_part_and_repetitions_do_not(digits: Dataset) -> None:
    def validated(repetition: int, seed: int, arm: str) -> list[bytes]:
        config = trial(repetition, seed, arm).config
        return names(for_repetition(digits, config.data, config.seed).validation)

    first = validated(0, 11, "average")

    assert validated(0, 11, "attention") == first
    assert validated(1, 12, "average") != first


def test_a_validation_set_of_its_own_leaves_nothing_to_draw(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        write_folder(tmp_path / part, 4)

    with pytest.raises(DataError, match=r"has a validation set of its own, so none can be drawn; leave out data.split"):
        load_data(DataConfig(source=f"folder:{tmp_path}", split="per_repetition"))
