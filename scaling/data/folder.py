"""folder:PATH: one folder per class, in train/, validation/ and test/ or directly in PATH."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from scaling.data.class_names import ALIASES, difference, folded, one_form, refuse_alike, set_meant
from scaling.data.decoding import data_error
from scaling.data.images import FileImages
from scaling.data.layouts import refuse_layouts, refuse_undivided, without_classes
from scaling.data.listing import (
    BESIDE,
    ENDING,
    IMAGE_ENDINGS,
    LOOSE,
    PassedOver,
    entries,
    is_image,
    reason_to_skip,
)
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.study.config import DataConfig
from scaling.study.errors import DataError, unknown
from scaling.wording import listing


def existing(path: str) -> Path:
    """Return the path of an existing file or folder; else raise `DataError` and suggest the nearest sibling."""
    found = Path(path).expanduser()
    if "\0" in path:
        raise DataError(f"{path!r} is no path: no name contains a NUL")
    try:
        if found.exists():
            return found.resolve()
    except OSError as error:  # a name too long, or a folder that may not be read
        raise DataError(f"{path[:60]}{'…' if len(path) > 60 else ''} cannot be read: {error.strerror}") from None
    parent = next(p for p in found.absolute().parents if p.is_dir())
    missing = found.absolute().relative_to(parent).parts[0]
    siblings = [p.name for p in entries(parent)][:50]
    raise DataError(f"{found} does not exist; in {parent}: {unknown('name', missing, siblings)}")


@source("folder", argument="PATH")
def folder(spec: Spec, config: DataConfig) -> SourceContent:
    """List a folder of class folders, or of sets of class folders; decode nothing."""
    root = existing(spec.argument)
    if not root.is_dir():
        raise DataError(f"{root} is a file; folder:PATH needs a folder with one folder per class")
    passed, remarks = PassedOver(), []
    roots = _sets(root, passed, remarks)
    remarks += without_classes(roots)
    classes = {name: _class_folders(path, root, passed) for name, path in roots.items()}
    remarks += refuse_layouts(roots, classes)
    names = classes["train"]
    folders = {name: _named_as_in_train(path, classes[name], names, remarks) for name, path in roots.items()}
    sets = {name: _examples(path, folders[name], names, root, passed) for name, path in roots.items()}
    return SourceContent(sets, tuple(names), passed_over=passed, remarks=tuple(remarks))


def _sets(root: Path, passed: PassedOver, remarks: list[str]) -> dict[str, Path]:
    """Return the folder of each set; without a train folder that holds class folders, `root` itself is train."""
    named: dict[str, Path] = {}
    folders = [path for path in entries(root) if path.is_dir()]
    for path in folders:
        if path.name.lower() in ALIASES:
            name = ALIASES[path.name.lower()]
            if name in named:
                raise DataError(f"{root} holds both {named[name].name} and {path.name}; keep one")
            named[name] = path
    if "train" not in named or not any(path.is_dir() for path in entries(named["train"])):
        refuse_undivided(root, named, [path.name for path in folders])
        return {"train": root}
    for path in entries(root, passed, root):
        if path.is_dir() and path not in named.values():
            passed.add(BESIDE, path.name)
            if (meant := set_meant(path.name)) and meant[0] not in named:
                remarks.append(f"{path} seems to be a {meant[0]} set; rename it to {meant[0]} to use it")
        elif path.is_file() and is_image(path.name):
            passed.add(LOOSE, path.name)
    return named


def _class_folders(place: Path, root: Path, passed: PassedOver) -> list[str]:
    """Return the names of the folders in a set's folder, in one order on every disk; note what else is there."""
    found = entries(place, passed, root)
    names = sorted((path.name for path in found if path.is_dir()), key=one_form)
    loose = [path.relative_to(root) for path in found if path.is_file() and is_image(path.name)]
    if not names:
        if not found:
            raise DataError(f"{place} is empty; fill it with one folder per class, or remove it")
        directly = f"{len(loose)} images lie directly in it; " if loose else ""
        raise DataError(
            f"{place} has no class folders; {directly}put the images of each class into a folder named after it"
        )
    refuse_alike(names, str(place))
    for name in loose:
        passed.add(LOOSE, str(name))
    return names


def _named_as_in_train(place: Path, found: list[str], names: list[str], remarks: list[str]) -> dict[str, str]:
    """Return the folder of each class in a set; one Unicode form stands for another.

    Raises:
        DataError: a class that train has not.
    """
    known = {one_form(name): name for name in names}
    classes: dict[str, str] = {}
    strangers = []
    for name in found:
        if name in names:
            classes[name] = name
        elif one_form(name) in known:
            classes[known[one_form(name)]] = name
            remarks.append(f"{place / name}: taken for the class of train whose name differs only in Unicode form")
        else:
            strangers.append(name)
    if strangers:
        raise data_error([_stranger(place, name, found, names) for name in strangers])
    return classes


def _stranger(place: Path, name: str, found: list[str], names: list[str]) -> str:
    text = f"{place / name}: class '{name}' has no folder in train"
    alike = next((known for known in names if folded(known) == folded(name)), None)
    if alike:
        return f"{text}, which has '{alike}': the names differ only in {difference(alike, name)}; rename one"
    if len(found) == 1:
        return f"{text}; if these images have no labels, move them directly into {place}: the set then counts as absent"
    return f"{text} (known: {', '.join(names[:10])}{', …' if len(names) > 10 else ''})"


def _examples(place: Path, folders: Mapping[str, str], names: list[str], root: Path, passed: PassedOver) -> Examples:
    paths: list[str] = []
    labels: list[int] = []
    problems = []
    for number, name in enumerate(names):
        if name not in folders:
            continue
        others = PassedOver()
        found = sorted(_images_below(place / folders[name], place, root, others), key=one_form)
        for reason, skipped in others.by_reason.items():
            for one in skipped:
                passed.add(reason, one)
        if not found:
            holds = f"; {listing(others.lines())}" if others.by_reason else ""
            problems.append(
                f"{place / folders[name]}: class folder without images ({', '.join(sorted(IMAGE_ENDINGS))}){holds}"
            )
        paths += found
        labels += [number] * len(found)
    if problems:
        raise data_error(problems)
    return Examples(str(place), FileImages(place, paths), np.array(labels, np.int64))


def _images_below(path: Path, place: Path, root: Path, passed: PassedOver) -> Iterator[str]:
    """Yield the images in a class folder and its subfolders, relative to `place`; follow links to folders.

    A folder that several links reach is read once. A folder that contains the class folder itself is not read.
    """
    here = path.resolve()
    seen = set(here.parents)
    for directory, folders, files in os.walk(path, followlinks=True):
        where = Path(directory).resolve()
        if where in seen:
            folders.clear()
            continue
        seen.add(where)
        below = os.path.relpath(directory, place)  # once, as it takes most of the time of listing
        folders[:] = [name for name in sorted(folders) if _is_data(directory, name, root, passed)]
        for file in files:
            if _is_data(directory, file, root, passed):
                if is_image(file):
                    yield os.path.join(below, file)
                else:
                    passed.add(ENDING, os.path.relpath(os.path.join(directory, file), root))


def _is_data(directory: str, name: str, root: Path, passed: PassedOver) -> bool:
    reason = reason_to_skip(name)
    if reason is not None:
        passed.add(reason, os.path.relpath(os.path.join(directory, name), root))
    return reason is None
