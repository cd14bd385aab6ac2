"""Trials on one machine share one copy of the images and do not write to it."""

import pickle

import numpy as np
import pytest
import torch

from scaling.data import Dataset, Split, load_data
from scaling.data import batches as serving
from scaling.data.batches import BatchIndices, batches
from scaling.models import build_model
from scaling.study.config import DataConfig, Recipe
from tests.support.images import images
from tests.support.training import CPU, fit_classifier


def as_workers_receive(data: Dataset) -> tuple[Dataset, int, list[pickle.PickleBuffer]]:
    """What a worker makes of shared, read-only memory; the bytes that are its own; the buffers that are shared."""
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    shared = [memoryview(buffer.raw()).toreadonly() for buffer in buffers]
    return pickle.loads(content, buffers=shared), len(content), buffers


def test_pickling_leaves_the_images_where_they_are() -> None:
    data = load_data(DataConfig())

    received, own, buffers = as_workers_receive(data)

    assert own < 4000
    shared = sum(memoryview(buffer).nbytes for buffer in buffers)
    assert shared >= sum(images(split).nbytes + split.labels.nbytes for _, split in data.splits())
    for (_, here), (_, there) in zip(data.splits(), received.splits(), strict=True):
        assert np.shares_memory(images(here), images(there))
        assert not images(there).flags.writeable


def test_training_on_shared_images_changes_none_and_copies_none() -> None:
    data = load_data(DataConfig(train_limit=100))
    received, _, _ = as_workers_receive(data)
    before = [images(split).copy() for _, split in data.splits()]
    net = build_model("patchconvnet", width=16, depth=1, patch_size=2, pooling="attention", num_classes=10, in_chans=1,
                      image_size=(8, 8), seed=0)  # fmt: skip
    recipe = Recipe(epochs=2, batch_size=25, flip=True, crop_padding=1, rand_augment=9, random_erasing=0.5, mixup=0.2)

    list(fit_classifier(net, received, recipe))

    assert all(np.array_equal(a, images(split)) for a, (_, split) in zip(before, received.splits(), strict=True))
    assert serving._tensor(images(received.train)).data_ptr() == images(data.train).ctypes.data


def test_images_too_large_for_the_device_are_served_equally(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (40, 4, 4, 3), dtype=np.uint8), rng.integers(0, 9, 40))
    plan = [BatchIndices(rng.permutation(40)[:7]) for _ in range(3)]
    whole = list(batches(split, plan, CPU))
    monkeypatch.setattr(serving, "fits", lambda size, device: False)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)  # which needs a GPU's driver

    by_batch = list(batches(split, plan, CPU))

    for (pixels, labels), (same_pixels, same_labels) in zip(whole, by_batch, strict=True):
        assert torch.equal(pixels, same_pixels)
        assert torch.equal(labels, same_labels)


def test_a_set_may_use_a_quarter_of_free_gpu_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))

    assert serving.fits(250, torch.device("cuda"))
    assert not serving.fits(251, torch.device("cuda"))
    assert serving.fits(10**15, CPU)  # it is there already
