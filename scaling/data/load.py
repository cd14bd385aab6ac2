"""`load_data`: find a source, divide it into three sets, decode them and compute their statistics."""

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from scaling.data.dataset import AnySplit, Dataset, Split, StreamSplit
from scaling.data.decoding import Form, data_error, decode, first_form
from scaling.data.duplicates import Repeats, TooLargeError, equal_images, refuse_shared
from scaling.data.fingerprint import cache_file, content_of, inventories_of
from scaling.data.grey_range import DeepValues, deep_values, refuse_blank, span_of
from scaling.data.images import Inventory, StreamedImages
from scaling.data.pixels import DeepImageError, NotGreyError, Reading, Survey, quiet, survey_lines
from scaling.data.registry import SourceContent, find
from scaling.data.row_groups import window_bytes
from scaling.data.splits import Chosen, three_sets, with_limit
from scaling.data.summary import summarise
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
    quiet()
    found = find(config)
    if len(found.class_names) == 1:
        raise DataError(f"{config.source} has one class, '{found.class_names[0]}', and one class teaches nothing")
    parts = three_sets(found, config)
    train, rows = parts["train"]
    reading = Reading(config.most_megapixels, config.pixel_range)
    own = first_form(train.images, rows, config.image_size, reading)
    coloured = replace(own, mode="RGB")
    limited = with_limit(parts, found, config)
    if config.split == "per_repetition":
        limited["pool"] = train, np.union1d(rows, parts["validation"][1])
    inventories = inventories_of(found)
    cached = cache_file(found, inventories)
    content = content_of(found, limited, inventories, cached)

    def described(data: Dataset) -> Dataset:
        repeats, unchecked = _repeats(found, limited, inventories, cached, config)
        summary = summarise(data, found, limited, repeats, reading=reading, unchecked=unchecked)
        return replace(data, content=replace(content, summary=summary))

    # Of the whole set: streamed images are cropped differently, and trials with different limits must be comparable.
    count = sum(len(indices) for _, indices in parts.values())
    for form in (own, coloured):
        if count * float(np.prod(form.shape)) > config.memory_gib * GIB:
            break
        with contextlib.suppress(NotGreyError):
            return described(_in_memory(found, parts, limited, form, config))
    return described(_streamed(found, limited, coloured, config))


def _repeats(
    found: SourceContent,
    parts: Mapping[str, Chosen],
    inventories: Mapping[str, Inventory],
    cached: Path | None,
    config: DataConfig,
) -> tuple[Repeats | None, str | None]:
    """Look for equal images; where they are too many to read, return why there is no answer.

    Raises:
        DataError: two sets share stored images, and `allow_duplicates` is not set.
    """
    kept = cached.with_name(f"{cached.stem}-equal.json") if cached else None
    try:
        repeats = Repeats(equal_images(found, inventories, kept), parts, found)
    except TooLargeError as size:
        return None, f"equal images were not looked for, as that would read {size}"
    are_stored = all(isinstance(one.images, StreamedImages) for one in found.sets.values())
    if are_stored and not config.allow_duplicates:  # what a program draws may repeat itself; the summary says so
        refuse_shared(repeats, config.source)
    return repeats, None


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


def _in_memory(
    found: SourceContent, parts: Mapping[str, Chosen], limited: Mapping[str, Chosen], form: Form, config: DataConfig
) -> Dataset:
    """Decode the sets in `limited`; the range of deep pixels is that of all images in `parts`."""
    surveys = {name: Survey(examples.images) for name, (examples, _) in limited.items()}
    notes = []
    try:
        splits = _decoded(limited, form, surveys)
    except DeepImageError:
        values = [deep_values(examples.images, indices, form.reading) for examples, indices in parts.values()]
        span, note = span_of(functools.reduce(DeepValues.joined, values), config.source)
        form = replace(form, reading=replace(form.reading, span=span))
        surveys = {name: Survey(examples.images) for name, (examples, _) in limited.items()}
        splits, notes = _decoded(limited, form, surveys), [note]
    train = splits["train"].pixels
    refuse_blank(train, surveys.get("pool", surveys["train"]), form.reading, config.source)
    notes += survey_lines(surveys.values())
    return _dataset(found, splits, pixel_statistics(train), shift=found.shift, notes=notes)


def _decoded(parts: Mapping[str, Chosen], form: Form, surveys: Mapping[str, Survey]) -> dict[str, Split]:
    """Decode all sets, those within a pool once; collect the problems of all before raising."""
    splits: dict[str, Split] = {}
    problems: list[str] = []
    within = {"train", "validation"} if "pool" in parts else set()
    for name, (examples, indices) in parts.items():
        if name in within:
            continue
        try:
            splits[name] = Split(decode(examples.images, indices, form, surveys[name]), examples.labels[indices])
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
    form = replace(form, mode="RGB", resize=True)
    splits = {name: _stream(part, form, config) for name, part in parts.items()}
    train, notes = splits["train"], []
    order = train.order(np.random.default_rng(config.split_seed))[: SAMPLE + config.most_unreadable]
    try:
        sample, survey = _sample(train, order, form, config)
    except DeepImageError:
        span, note = span_of(deep_values(train.images, order, form.reading), config.source)
        notes = [f"{note} (found in a sample; values beyond become black or white)"]
        form = replace(form, reading=replace(form.reading, span=span))
        sample, survey = _sample(train, order, form, config)
    refuse_blank(sample, survey, form.reading, config.source)
    notes += [f"of {len(sample)} sampled training images, {line}" for line in survey_lines([survey])]
    splits = {name: replace(split, reading=form.reading) for name, split in splits.items()}
    return _dataset(found, splits, pixel_statistics(sample), shift=0, notes=notes)


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


def _sample(train: StreamSplit, order: np.ndarray, form: Form, config: DataConfig) -> tuple[np.ndarray, Survey]:
    """Decode up to `SAMPLE` training images, uint8 (N, H, W, C); skip unreadable ones, which training counts later."""
    readable: list[np.ndarray] = []
    survey = Survey(train.images)
    for index in order:
        with contextlib.suppress(DataError):
            readable.append(decode(train.images, np.array([index]), form, survey))
        if len(readable) == SAMPLE:
            break
    if not readable:
        raise DataError(f"{config.source}: none of {min(len(order), SAMPLE)} training images can be read")
    return np.concatenate(readable), survey


Statistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and deviation of each channel


def _dataset(
    found: SourceContent, splits: Mapping[str, AnySplit], statistics: Statistics, shift: float, notes: list[str]
) -> Dataset:
    mean, std = statistics
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
        notes=(*found.remarks, *found.passed_over.lines(), *notes),
    )
