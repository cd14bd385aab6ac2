"""Held-out sets are seeded and stratified, and limits are nested."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data import StreamSplit, load_data
from scaling.data.splits import hold_out, limited, stratified_order
from scaling.study.config import DataConfig
from scaling.study.errors import DataError
from tests.support.images import images, write_folder


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 9), st.floats(0.05, 0.95))
def test_held_out_part_is_seeded_stratified_and_complete(labels: list[int], seed: int, fraction: float) -> None:
    all_labels = np.array(labels)

    held, rest = hold_out(all_labels, np.arange(len(labels)), fraction, seed)

    assert sorted([*held, *rest]) == list(range(len(labels)))
    assert np.array_equal(held, hold_out(all_labels, np.arange(len(labels)), fraction, seed)[0])
    for label in set(labels):
        expected = fraction * labels.count(label)
        # the cut may fall anywhere among classes at the same position
        assert abs((all_labels[held] == label).sum() - expected) <= 1.5


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50), st.integers(0, 9))
def test_a_smaller_limit_takes_a_subset_of_a_larger_one(labels: list[int], seed: int) -> None:
    order = stratified_order(np.array(labels), seed)
    taken = [set(limited(np.array(labels), np.arange(len(labels)), limit, seed)) for limit in range(1, len(labels))]

    assert sorted(order) == list(range(len(labels)))
    assert all(small < large for small, large in itertools.pairwise(taken))


def test_the_limit_leaves_validation_and_test_alone() -> None:
    whole, limited_data = load_data(DataConfig()), load_data(DataConfig(train_limit=100))

    assert len(limited_data.train) == 100
    assert np.bincount(limited_data.train.labels).min() >= 9
    assert np.array_equal(images(whole.validation), images(limited_data.validation))
    assert np.array_equal(images(whole.test), images(limited_data.test))


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (100_000, "data.train_limit 100000 is more than the 1294 training images; lower it"),
        (3, "digits with data.train_limit 3: no training image of class '0' (label 0)"),
    ],
)
def test_an_impossible_limit_is_refused(limit: int, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load_data(DataConfig(train_limit=limit))

    assert said in str(caught.value)


def test_images_are_streamed_or_not_whatever_the_limit_is(tmp_path: Path) -> None:
    write_folder(tmp_path, 30)
    how = {"source": f"folder:{tmp_path}", "image_size": 8, "memory_gib": 5000 / 2**30}  # 60 images need 11,520 bytes

    trained = [load_data(DataConfig.model_validate({**how, "train_limit": limit})).train for limit in (None, 4, 20)]

    assert [type(split) for split in trained] == [StreamSplit] * 3
    assert [len(split) for split in trained[1:]] == [4, 20]


def test_another_split_seed_holds_out_other_images() -> None:
    first, second = load_data(DataConfig()), load_data(DataConfig(split_seed=1))

    assert not np.array_equal(images(first.test), images(second.test))
