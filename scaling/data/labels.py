"""Labels as files write them, whole numbers or text, and as networks need them: numbers from 0."""

from collections.abc import Callable, Mapping

import numpy as np

from scaling.data.decoding import MOST_PROBLEMS, told
from scaling.study.errors import DataError


def numbered(
    raw: Mapping[str, np.ndarray], names: tuple[str, ...] | None, place: Callable[[str, int], str]
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Class names, and labels int64 (N,) of each set; labels that are text are numbered in alphabetical order.

    Args:
        raw: labels of each set: integers, or str.
        names: of the classes, where the files know them.
        place: where a set's label of some number comes from, for messages.

    Raises:
        DataError: some labels are numbers and some are text, or a number is out of range.
    """
    kinds = {key: "text" if labels.dtype.kind in "UO" else "whole numbers" for key, labels in raw.items()}
    if len(set(kinds.values())) > 1:
        told_kinds = " and ".join(f"{key} labels are {kind}" for key, kind in kinds.items())
        raise DataError(f"{told_kinds}; they must all be of one kind")
    if "text" in kinds.values():
        known = sorted({str(label) for labels in raw.values() for label in labels})
        numbers = {name: number for number, name in enumerate(known)}
        return tuple(known), {
            key: np.array([numbers[str(label)] for label in labels], np.int64) for key, labels in raw.items()
        }
    labels = {key: values.astype(np.int64) for key, values in raw.items()}
    most = max((int(values.max()) for values in labels.values() if len(values)), default=-1)
    names = names or tuple(map(str, range(most + 1)))
    problems = [
        f"{place(key, int(row))}: label {values[row]} is out of range; there are {len(names)} classes"
        for key, values in labels.items()
        if not is_secret(key, values)
        for row in np.flatnonzero((values < 0) | (values >= len(names)))[: MOST_PROBLEMS + 1]
    ]
    if problems:
        raise told(problems)
    return names, labels


def is_secret(name: str, labels: np.ndarray) -> bool:
    """Whether these are the labels of a test set that its authors keep secret, as the hub publishes it: all −1."""
    return name == "test" and len(labels) > 0 and bool((labels == -1).all())
