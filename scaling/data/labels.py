"""Conversion of labels in files, integers or text, into the class numbers from 0 that networks need."""

from collections.abc import Callable, Mapping

import numpy as np

from scaling.data.decoding import MOST_PROBLEMS, data_error
from scaling.study.errors import DataError


def numbered(
    raw: Mapping[str, np.ndarray], names: tuple[str, ...] | None, place: Callable[[str, int], str]
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the class names and the labels int64 (N,) of each set; number text labels in alphabetical order.

    Args:
        raw: labels of each set: integers or str.
        names: of the classes, if the files hold them.
        place: returns where a set's label at some index comes from, for messages.

    Raises:
        DataError: some labels are integers and some are text, or a label is out of range.
    """
    kinds = {key: "text" if labels.dtype.kind in "UO" else "integers" for key, labels in raw.items()}
    if len(set(kinds.values())) > 1:
        each = " and ".join(f"{key} labels are {kind}" for key, kind in kinds.items())
        raise DataError(f"{each}; all labels must be of the same kind")
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
        raise data_error(problems)
    return names, labels


def is_secret(name: str, labels: np.ndarray) -> bool:
    """Return whether these are the labels of a secret test set, which the hub publishes as −1."""
    return name == "test" and len(labels) > 0 and bool((labels == -1).all())
