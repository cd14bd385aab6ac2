"""From a SPEC to a data set: find, divide, decode, describe."""

import os
from collections.abc import Mapping

import numpy as np

from scaling.config import DataConfig
from scaling.data.dataset import AnySplit, Dataset, FileSplit, Split
from scaling.data.images import FileImages, Form, NotGreyError, decode, first_form, told
from scaling.data.registry import Found, find
from scaling.data.splits import Part, three_sets
from scaling.errors import DataError

GIB = 2**30
SAMPLE = 512  # training images from which mean and deviation of a large data set are estimated


def load_data(config: DataConfig) -> Dataset:
    """Load the three sets that `config` names, decoded into memory unless they exceed `memory_gib`.

    The same config gives the same sets, in the same order, on every machine.

    Raises:
        DataError: with one line for each thing that is wrong, up to ten, naming the file.
    """
    found = find(config)
    parts = three_sets(found, config)
    train, rows = parts["train"]
    form = first_form(train.images, rows, config.image_size)
    needed = sum(len(indices) for _, indices in parts.values()) * float(np.prod(form.shape))
    if needed > config.memory_gib * GIB:
        return _from_files(found, parts, form, config)
    try:
        splits = _decoded(parts, form)
    except NotGreyError:
        splits = _decoded(parts, Form(form.height, form.width, "RGB", form.resize))
    return _dataset(found, splits, *pixel_statistics(splits["train"].images), shift=found.shift)


def pixel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 (N, H, W, C), in units of 0 to 255."""
    values = np.arange(256)
    means, deviations = [], []
    for channel in range(images.shape[3]):  # from the histogram: exact, and without a copy in floating point
        counts = np.zeros(256)
        for start in range(0, len(images), 4096):
            counts += np.bincount(images[start : start + 4096, :, :, channel].ravel(), minlength=256)
        share = counts / counts.sum()
        mean = float(share @ values)
        means.append(mean)
        deviations.append(max(float(np.sqrt(share @ (values - mean) ** 2)), 1.0))  # one grey level, for blank channels
    return tuple(means), tuple(deviations)


def _decoded(parts: Mapping[str, Part], form: Form) -> dict[str, Split]:
    """Decode all three sets; tell what is wrong with any of them."""
    splits: dict[str, Split] = {}
    problems: list[str] = []
    for name, (examples, indices) in parts.items():
        try:
            splits[name] = Split(decode(examples.images, indices, form), examples.labels[indices])
        except DataError as error:
            problems += error.problems
    if problems:
        raise told(problems)
    return splits


def _from_files(found: Found, parts: Mapping[str, Part], form: Form, config: DataConfig) -> Dataset:
    """Leave the images in their files; those of a sample are decoded, for the statistics."""
    train, rows = parts["train"]
    if not all(isinstance(examples.images, FileImages) for examples, _ in parts.values()):
        raise DataError(
            f"{config.source} needs more than data.memory_gib = {config.memory_gib:g} decoded, and only folder:PATH can"
            " be read in every epoch; raise it, or set a smaller data.image_size or data.train_limit"
        )
    if config.image_size is None:
        raise DataError(f"{config.source} is too large for memory, so its images are read from files; set"
                        " data.image_size, the side in pixels that they are brought to")  # fmt: skip
    form = Form(form.height, form.width, "RGB", resize=True)
    sample = np.random.default_rng(config.split_seed).permutation(rows)[:SAMPLE]
    statistics = pixel_statistics(decode(train.images, sample, form))
    splits = {name: _file_split(part, form) for name, part in parts.items()}
    return _dataset(found, splits, *statistics, shift=0)


def _file_split(part: Part, form: Form) -> FileSplit:
    examples, indices = part
    assert isinstance(examples.images, FileImages)
    paths = np.array([os.fsencode(examples.images.paths[int(i)]) for i in indices])
    return FileSplit(examples.images.root, paths, examples.labels[indices], form.shape)


def _dataset(
    found: Found, splits: Mapping[str, AnySplit], mean: tuple[float, ...], std: tuple[float, ...], shift: float
) -> Dataset:
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        class_names=found.class_names,
        mean=mean,
        std=std,
        flip=found.flip,
        crop_padding=round(shift * min(splits["train"].shape[:2])),
    )
