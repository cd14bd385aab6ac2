"""A validation part of its own for every repetition: `data.split: per_repetition`."""

from dataclasses import replace

import numpy as np

from scaling.data.dataset import Dataset
from scaling.data.splits import check_classes, hold_out, limited
from scaling.study.config import DataConfig
from scaling.study.errors import DataError


def for_repetition(data: Dataset, config: DataConfig, seed: int) -> Dataset:
    """Return the data on which a trial runs: with `split: per_repetition`, training and validation images drawn anew.

    The images stay where they are, so that all trials of a machine share them. Sizes, test images and the statistics
    of pixels are those of `data`; equal seeds give equal parts.

    Args:
        data: as `load_data` returns it for `config`.
        seed: of the trial.

    Raises:
        DataError: a class would have no training image, or `data` was not loaded with this setting.
    """
    if config.split == "fixed":
        return data
    if data.pool is None:
        raise DataError(f"{config.source} was loaded with data.split: fixed; load it with per_repetition")
    labels = data.pool.labels
    held, rest = hold_out(labels, np.arange(len(labels)), config.validation_fraction, seed)
    if config.train_limit is not None:
        rest = limited(labels, rest, config.train_limit, seed)
    check_classes(labels[rest], data.class_names, f"{config.source} with data.split: per_repetition")
    return replace(data, train=data.pool.take(rest), validation=data.pool.take(held))
