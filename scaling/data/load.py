"""`load_data`: find a source, divide it into three sets, decode them and compute their statistics."""

import contextlib
from collections.abc import Mapping

import numpy as np

from scaling.data.dataset import AnySplit, Dataset, Split, StreamSplit
from scaling.data.decoding import Form, NotGreyError, data_error, decode, first_form
from scaling.data.images import StreamedImages
from scaling.data.registry import SourceContent, find
from scaling.data.row_groups import window_bytes
from scaling.data.splits import Chosen, three_sets, with_limit
from scaling.study.config import DataConfig
from scaling.study.errors import DataError

GIB = 2**30
SAMPLE = 512  # training images from which mean and deviation of a large data set are estimated


def load_data(config: DataConfig) -> Dataset:
    """Load the three sets of the source that `config` names, decoded into memory unless they exceed `memory_gib`.

    The same config gives the same sets, in the same order, on every machine.

    Raises:
        DataError: one line per problem, up to ten, each naming the file.
    """
    found = find(config)
    parts = three_sets(found, config)
    train, rows = parts["train"]
    own = first_form(train.images, rows, config.image_size)
    coloured = Form(own.height, own.width, "RGB", own.resize)
    limited = with_limit(parts, found, config)
    if config.split == "per_repetition":
        limited["pool"] = train, np.union1d(rows, parts["validation"][1])
    # Of the whole set: streamed images are cropped differently, and trials with different limits must be comparable.
    count = sum(len(indices) for _, indices in parts.values())
    for form in (own, coloured):
        if count * float(np.prod(form.shape)) > config.memory_gib * GIB:
            break
        with contextlib.suppress(NotGreyError):
            splits = _decoded(limited, form)
            return _dataset(found, splits, *pixel_statistics(splits["train"].pixels), shift=found.shift)
    return _streamed(found, limited, coloured, config)


def pixel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of uint8 (N, H, W, C), in units of 0 to 255."""
    values = np.arange(256)
    means, deviations = [], []
    for channel in range(images.shape[3]):  # from the histogram: exact, without a floating-point copy
        counts = np.zeros(256)
        for start in range(0, len(images), 4096):
            counts += np.bincount(images[start : start + 4096, :, :, channel].ravel(), minlength=256)
        share = counts / counts.sum()
        mean = float(share @ values)
        means.append(mean)
        deviations.append(
            max(float(np.sqrt(share @ (values - mean) ** 2)), 1.0)
        )  # at least one grey level, for blank channels
    return tuple(means), tuple(deviations)


def _decoded(parts: Mapping[str, Chosen], form: Form) -> dict[str, Split]:
    """Decode all sets, those within a pool once; collect the problems of all before raising."""
    splits: dict[str, Split] = {}
    problems: list[str] = []
    within = {"train", "validation"} if "pool" in parts else set()
    for name, (examples, indices) in parts.items():
        if name in within:
            continue
        try:
            splits[name] = Split(decode(examples.images, indices, form), examples.labels[indices])
        except DataError as error:
            problems += error.problems
    if problems:
        raise data_error(problems)
    for name in within:
        splits[name] = splits["pool"].take(np.searchsorted(parts["pool"][1], parts[name][1]))
    return splits


def _streamed(found: SourceContent, parts: Mapping[str, Chosen], form: Form, config: DataConfig) -> Dataset:
    """Leave the images in their files; decode a sample for the statistics."""
    if config.image_size is None:
        raise DataError(f"{config.source} is too large for memory, so its images are read from files; set"
                        " data.image_size, the side in pixels to which they are resized")  # fmt: skip
    form = Form(form.height, form.width, "RGB", resize=True)
    splits = {name: _stream(part, form, config) for name, part in parts.items()}
    return _dataset(found, splits, *_sample_statistics(splits["train"], form, config), shift=0)


def _stream(part: Chosen, form: Form, config: DataConfig) -> StreamSplit:
    examples, indices = part
    if not isinstance(examples.images, StreamedImages):
        raise DataError(
            f"{config.source} needs more than data.memory_gib = {config.memory_gib:g} when decoded, and this"
            " source cannot be read from files in every epoch; raise data.memory_gib or lower data.image_size"
        )
    return StreamSplit(
        examples.images.take(indices),
        examples.labels[indices],
        form.shape,
        window_bytes=window_bytes(config),
        most_unreadable=config.most_unreadable,
    )


def _sample_statistics(
    train: StreamSplit, form: Form, config: DataConfig
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the statistics of `SAMPLE` training images; skip unreadable ones, which training counts later."""
    order = train.order(np.random.default_rng(config.split_seed))
    readable: list[np.ndarray] = []
    for index in order[: SAMPLE + config.most_unreadable]:
        with contextlib.suppress(DataError):
            readable.append(decode(train.images, np.array([index]), form))
        if len(readable) == SAMPLE:
            break
    if not readable:
        raise DataError(f"{config.source}: none of {min(len(order), SAMPLE)} training images can be read")
    return pixel_statistics(np.concatenate(readable))


def _dataset(
    found: SourceContent, splits: Mapping[str, AnySplit], mean: tuple[float, ...], std: tuple[float, ...], shift: float
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
        pool=splits.get("pool"),
    )
