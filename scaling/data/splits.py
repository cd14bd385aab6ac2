"""Division of a source's sets into train, validation and test: seeded, stratified, with nested limits."""

from collections.abc import Mapping, Sequence

import numpy as np

from scaling.data.registry import Examples, SourceContent
from scaling.study.config import DataConfig
from scaling.study.errors import DataError

Chosen = tuple[Examples, np.ndarray]  # a set of the source, and the indices of the examples taken from it, in order


def three_sets(found: SourceContent, config: DataConfig) -> dict[str, Chosen]:
    """Divide a source into train, validation and test.

    Use three sets as they are. Given two, use the one beside train as the test set and hold out validation from train.
    Given one, hold out the test set from it too. `split_seed` draws the held-out examples, stratified by class.

    Raises:
        DataError: there is no training set, a class has no training image, or too few images are left.
    """
    if "train" not in found.sets:
        raise DataError(f"there is no training set, only {' and '.join(e.name for e in found.sets.values())}")
    train = found.sets["train"]
    rest = np.arange(len(train.labels))
    parts: dict[str, Chosen] = {}
    if len(found.sets) == 1:
        held, rest = hold_out(train.labels, rest, config.test_fraction, config.split_seed)
        parts["test"] = train, held
    else:
        test = found.sets.get("test") or found.sets["validation"]
        parts["test"] = test, np.arange(len(test.labels))
    if len(found.sets) == 3:
        if config.split == "per_repetition":
            raise DataError(
                f"{config.source} has a validation set of its own, so none can be drawn; leave out data.split"
            )
        validation = found.sets["validation"]
        parts["validation"] = validation, np.arange(len(validation.labels))
    else:
        held, rest = hold_out(train.labels, rest, config.validation_fraction, config.split_seed)
        parts["validation"] = train, held
    check_classes(train.labels[rest], found.class_names, train.name)
    for name, part in parts.items():
        if not len(part[1]):
            raise DataError(f"{part[0].name}: too few images ({len(train.labels)}) to hold some out for {name}")
    return {"train": (train, rest), **parts}


def with_limit(parts: Mapping[str, Chosen], found: SourceContent, config: DataConfig) -> dict[str, Chosen]:
    """Take `train_limit` images for training; the held-out images do not depend on the limit.

    Raises:
        DataError: there are fewer images, or a class would have none.
    """
    train, rest = parts["train"]
    if config.train_limit is None:
        return dict(parts)
    if config.train_limit > len(rest):
        raise DataError(
            f"{train.name}: data.train_limit {config.train_limit} is more than the {len(rest)} training images;"
            " lower it, or leave it out"
        )
    rest = limited(train.labels, rest, config.train_limit, config.split_seed)
    check_classes(train.labels[rest], found.class_names, f"{train.name} with data.train_limit {config.train_limit}")
    return {**parts, "train": (train, rest)}


def hold_out(labels: np.ndarray, candidates: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide `candidates` (indices into `labels`) into a stratified fraction of about `fraction`, and the rest."""
    order = candidates[stratified_order(labels[candidates], seed)]
    size = round(fraction * len(candidates))
    return np.sort(order[:size]), np.sort(order[size:])


def limited(labels: np.ndarray, candidates: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Take `limit` of the candidates, stratified; a smaller limit takes a subset of what a larger one takes."""
    return np.sort(candidates[stratified_order(labels[candidates], seed)[:limit]])


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a random order in which every prefix has the classes in proportion.

    Within its class, the r-th of n examples gets the position (r + 1/2) / n; examples are sorted by position, ties in
    random order.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, counts = np.unique(labels, return_counts=True)
    stands = np.concatenate([(np.arange(n) + 0.5) / n for n in counts]) if len(labels) else np.empty(0)
    place = np.empty(len(labels))
    place[by_class] = stands
    return shuffled[np.argsort(place[shuffled], kind="stable")]


def check_classes(train_labels: np.ndarray, class_names: Sequence[str], name: str) -> None:
    """Raise `DataError` for classes that cannot be learnt because train has no example of them."""
    missing = np.setdiff1d(np.arange(len(class_names)), train_labels)
    if len(missing):
        names = ", ".join(f"'{class_names[label]}' (label {label})" for label in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(f"{name}: no training image of class {names}{more}")
