"""folder:PATH: one folder per class, in train/, validation/ and test/ or directly in PATH."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scaling.data.decoding import data_error
from scaling.data.images import FileImages
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.data.splits import ALIASES
from scaling.study.config import DataConfig
from scaling.study.errors import DataError, unknown

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}


def existing(path: str) -> Path:
    """Return the path of an existing file or folder; else raise `DataError` and suggest the nearest sibling."""
    found = Path(path).expanduser()
    if found.exists():
        return found.resolve()
    parent = next(p for p in found.absolute().parents if p.is_dir())
    missing = found.absolute().relative_to(parent).parts[0]
    siblings = [p.name for p in _visible(parent)][:50]
    raise DataError(f"{found} does not exist; in {parent}: {unknown('name', missing, siblings)}")


@source("folder", argument="PATH")
def folder(spec: Spec, config: DataConfig) -> SourceContent:
    """List a folder of class folders, or of sets of class folders; decode nothing."""
    root = existing(spec.argument)
    if not root.is_dir():
        raise DataError(f"{root} is a file; folder:PATH needs a folder with one folder per class")
    roots = _sets(root)
    classes = {name: _class_folders(path) for name, path in roots.items()}
    names = classes["train"]
    strangers = [
        f"{roots[name] / extra}: class '{extra}' has no folder in {roots['train']}"
        for name, found in classes.items()
        for extra in sorted(set(found) - set(names))
    ]
    if strangers:
        raise data_error(strangers)
    return SourceContent({name: _examples(path, classes[name], names) for name, path in roots.items()}, tuple(names))


def _sets(root: Path) -> dict[str, Path]:
    """Return the folder of each set; without a train folder that holds class folders, `root` itself is train."""
    named: dict[str, Path] = {}
    for path in _visible(root):
        if path.is_dir() and path.name.lower() in ALIASES:
            name = ALIASES[path.name.lower()]
            if name in named:
                raise DataError(f"{root} holds both {named[name].name} and {path.name}; keep one")
            named[name] = path
    is_divided = "train" in named and any(path.is_dir() for path in _visible(named["train"]))
    return named if is_divided else {"train": root}


def _class_folders(root: Path) -> list[str]:
    names = [path.name for path in _visible(root) if path.is_dir()]
    if not names:
        files = [path for path in _visible(root) if path.suffix.lower() in SUFFIXES]
        loose = f"{len(files)} images lie directly in it; " if files else ""
        raise DataError(
            f"{root} has no class folders; {loose}put the images of each class into a folder named after it"
        )
    return names


def _examples(root: Path, present: list[str], names: list[str]) -> Examples:
    paths: list[str] = []
    labels: list[int] = []
    problems = []
    for name in present:
        found = sorted(_images_below(root / name, root))
        if not found:
            problems.append(f"{root / name}: class folder without images ({', '.join(sorted(SUFFIXES))})")
        paths += found
        labels += [names.index(name)] * len(found)
    if problems:
        raise data_error(problems)
    return Examples(str(root), FileImages(root, paths), np.array(labels, np.int64))


def _images_below(path: Path, root: Path) -> Iterator[str]:
    """Yield the images in a class folder and its subfolders, relative to `root`; follow links to folders.

    A folder that several links reach is read once. A folder that contains the class folder itself is not read.
    """
    here = path.resolve()
    seen = set(here.parents)
    for directory, folders, files in os.walk(path, followlinks=True):
        place = Path(directory).resolve()
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders.sort()
        for file in files:
            if not file.startswith(".") and os.path.splitext(file)[1].lower() in SUFFIXES:
                yield os.path.relpath(os.path.join(directory, file), root)


def _visible(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if not p.name.startswith("."))
