"""Labels as files hold them, turned into the numbers from 0 that networks need."""

from collections.abc import Callable, Mapping

import numpy as np

from scaling.data.class_names import refuse_alike
from scaling.data.decoding import data_error
from scaling.study.errors import DataError
from scaling.wording import listing, plural

MISSING = np.iinfo(np.int64).min  # in place of a whole number that is not there; a text is then empty
UNLABELLED = -1  # as the hub publishes the labels of a secret test set

Place = Callable[[str, int], str]  # of a set's label at some index, for messages


def numbered(
    raw: Mapping[str, np.ndarray], names: tuple[str, ...] | None, place: Place
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the class names and the labels int64 (N,) of each set; number text labels in alphabetical order.

    Args:
        raw: labels of each set: whole numbers or str, as `without_withheld` leaves them.
        names: of the classes, if the files hold them.
        place: returns where a set's label at some index comes from.

    Raises:
        DataError: some labels are integers and some are text, missing or out of range; text labels that are alike.
    """
    kinds = {key: "text" if is_text(labels) else "integers" for key, labels in raw.items()}
    if len(set(kinds.values())) > 1:
        each = " and ".join(f"{key} labels are {kind}" for key, kind in kinds.items())
        raise DataError(f"{each}; all labels must be of the same kind")
    missing = [_missing(key, np.flatnonzero(is_missing(labels)), len(labels), place) for key, labels in raw.items()]
    if any(missing):
        raise data_error([problem for problem in missing if problem])
    if "text" in kinds.values():
        texts = {key: labels.astype(str) for key, labels in raw.items()}
        known = np.unique(np.concatenate(list(texts.values())))
        refuse_alike(map(str, known), "labels")
        return tuple(map(str, known)), {
            key: np.searchsorted(known, labels).astype(np.int64) for key, labels in texts.items()
        }
    labels = {key: values.astype(np.int64) for key, values in raw.items()}
    return _in_range(labels, names, place)


def without_withheld(
    raw: Mapping[str, np.ndarray], place: Callable[[str], str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the sets that have labels, and a remark on each other one, which counts as absent.

    The labels of a secret set are all −1 or missing. A training set is always kept.

    Args:
        place: returns where a set is.
    """
    kept, remarks = {}, []
    for key, labels in raw.items():
        why = "all are −1" if not is_text(labels) and (labels == UNLABELLED).all() else "none is there"
        if key == "train" or not is_withheld(labels):
            kept[key] = labels
        else:
            counted = plural(len(labels), "image")
            remarks.append(f"{place(key)}: {counted} whose labels are withheld ({why}): the {key} set counts as absent")
    return kept, remarks


def is_withheld(labels: np.ndarray) -> bool:
    """Return whether no example of a set has a label."""
    if is_text(labels):
        return bool(is_missing(labels).all())
    return bool(((labels == UNLABELLED) | (labels == MISSING)).all())


def is_text(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "UO"


def is_missing(labels: np.ndarray) -> np.ndarray:
    """Return bool (N,): which labels are not there."""
    if is_text(labels):
        return np.char.strip(labels.astype(str)) == ""
    return labels == MISSING


def _missing(key: str, rows: np.ndarray, count: int, place: Place) -> str | None:
    """Return one line for all labels of a set that are missing."""
    if not len(rows):
        return None
    if len(rows) == count:
        return f"{place(key, 0)}: no label, as in all {count} rows of {key}; a training set needs labels"
    return f"{place(key, int(rows[0]))}: no label{_more(rows, count)}; remove such rows or label them"


def _in_range(
    labels: dict[str, np.ndarray], names: tuple[str, ...] | None, place: Place
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the class names and the labels, which must be numbers of classes."""
    most = max((int(values.max()) for values in labels.values() if len(values)), default=-1)
    count = sum(len(values) for values in labels.values())
    if names is None and most >= count:
        raise DataError(
            f"{_example(labels, most, place)}: label {most} is not the number of a class: {count} labels cannot name"
            f" {most + 1} classes; number the classes from 0, or store the labels as text"
        )
    known = names or tuple(map(str, range(most + 1)))
    problems = []
    for key, values in labels.items():
        for label in np.unique(values[(values < 0) | (values >= len(known))]):
            rows = np.flatnonzero(values == label)
            unlabelled = "; −1 marks images without a label, remove them" if label == UNLABELLED else ""
            problems.append(
                f"{place(key, int(rows[0]))}: label {label} is out of range{_more(rows, len(values))}; there are"
                f" {len(known)} classes{unlabelled}"
            )
    if problems:
        raise data_error(problems)
    return known, labels


def _more(rows: np.ndarray, count: int) -> str:
    return f", as in {len(rows)} of {count} rows" if len(rows) > 1 else ""


def _example(labels: Mapping[str, np.ndarray], label: int, place: Place) -> str:
    return next(
        place(key, int(np.argmax(values == label))) for key, values in labels.items() if (values == label).any()
    )


def refuse_kinds(kinds: Mapping[str, str]) -> None:
    """Raise `DataError` if parts of one set have labels of different kinds.

    Args:
        kinds: of each file.
    """
    if len(set(kinds.values())) > 1:
        firsts = {kind: file for file, kind in reversed(list(kinds.items()))}
        each = listing([f"{file} holds {kind}" for kind, file in sorted(firsts.items())])
        raise DataError(f"{each}; all labels must be of the same kind")
