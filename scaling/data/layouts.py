"""Layouts of folders that mean something else than one folder per class."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from scaling.data.class_names import ALIASES, refuse_sets
from scaling.data.decoding import data_error
from scaling.data.listing import entries, is_image, reason_to_skip
from scaling.study.errors import DataError
from scaling.wording import listing, plural

DEEPEST = 6  # levels of folders that are searched for the place that was meant


def without_classes(roots: dict[str, Path]) -> list[str]:
    """Take away the sets that hold images but no class folders, train excepted; return a remark on each.

    Images without class folders have no labels, as in the test sets of competitions.
    """
    remarks = []
    for name, path in list(roots.items()):
        found = entries(path)
        loose = sum(one.is_file() and is_image(one.name) for one in found)
        if name != "train" and loose and not any(one.is_dir() for one in found):
            del roots[name]
            remarks.append(
                f"{path}: {plural(loose, 'image')} without class folders, so without labels: the {name} set counts as"
                " absent"
            )
    return remarks


def refuse_undivided(root: Path, named: Mapping[str, Path], names: Sequence[str]) -> None:
    """Raise `DataError` if folders named as sets are there but train is missing or has no class folders.

    Args:
        named: folder of each set that is named exactly.
        names: of all folders in root.
    """
    if "train" in named and len(named) > 1:
        train = named["train"]
        loose = sum(path.is_file() and is_image(path.name) for path in entries(train))
        raise DataError(
            f"{root} holds {listing([path.name for path in named.values()])}, but {train} has no class folders"
            f" ({plural(loose, 'image')} directly in it); put the images of each class into a folder named after it"
        )
    refuse_sets(names, str(root), "name the folder of each set train, validation or test, and put class folders in it")


def refuse_layouts(roots: Mapping[str, Path], classes: Mapping[str, Sequence[str]]) -> list[str]:
    """Refuse a set with one class, and class folders that hold sets or are sets; return remarks on what is doubtful.

    Args:
        roots: folder of each set.
        classes: names of the class folders of each set.

    Raises:
        DataError: up to ten lines.
    """
    for name, path in roots.items():
        way_out = "put one folder per class into it, and put sets above classes: train/cat, test/cat"
        if path.name.lower() in ALIASES or name != "train":
            refuse_sets(classes[name], str(path), way_out)
        problems = [problem for one in classes[name] if (problem := _sets_inside(path / one))]
        if problems:
            raise data_error(problems)
    refuse_links(roots, classes)
    train = roots["train"]
    if len(classes["train"]) == 1:
        raise DataError(_one_class(train, train / classes["train"][0]))
    inner = {tuple(_folders(train / name)) for name in classes["train"]}
    if len(inner) == 1 and len(shared := inner.pop()) > 1:
        return [
            f"all class folders of {train} hold folders of the same names ({_some(shared)}); the classes are"
            f" {_some(classes['train'])}"
        ]
    return []


def refuse_links(roots: Mapping[str, Path], classes: Mapping[str, Sequence[str]]) -> None:
    """Raise `DataError` if links lead from one class or set to another, or to a folder that holds them.

    Their images would be in two classes, or in two sets.
    """
    where: dict[Path, Path] = {}
    problems = []
    for folder in (path / name for set_name, path in roots.items() for name in classes[set_name]):
        real = folder.resolve()
        if real in where:
            problems.append(f"{folder} is the same folder as {where[real]}; remove the link")
        where.setdefault(real, folder)
    outer = {parent for real in where for parent in real.parents}
    problems += [
        f"{folder} leads to a folder that holds other classes; remove it"
        for real, folder in where.items()
        if real in outer
    ]
    if problems:
        raise data_error(problems)


def _folders(place: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without hidden ones and those that tools make."""
    with os.scandir(place) as found:  # a class folder may hold 100,000 files, for which `entries` would be slow
        return sorted(one.name for one in found if one.is_dir() and reason_to_skip(one.name) is None)


def _sets_inside(folder: Path) -> str | None:
    """Return what is wrong if a class folder holds two or more sets."""
    sets = [name for name in _folders(folder) if name.lower() in ALIASES]
    if len({ALIASES[name.lower()] for name in sets}) < 2:
        return None
    have_folders = any(_folders(folder / name) for name in sets)
    advice = f"did you mean folder:{folder}?" if have_folders else "put sets above classes: train/cat, test/cat"
    return f"{folder} would be a class, but holds sets ({', '.join(sets)}); {advice}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _one_class(root: Path, folder: Path) -> str:
    """Return why a single class folder is refused, with the place that may be meant instead."""
    text = f"{root} has one class, '{folder.name}', and one class teaches nothing"
    place = folder
    for _ in range(DEEPEST):
        found = entries(place)
        inner = [path for path in found if path.is_dir()]
        if len(inner) != 1 or any(is_image(path.name) for path in found):
            break
        place = inner[0]
    inner = _folders(place)
    if len(inner) > 1:
        return f"{text}; it holds folders ({_some(inner)}): did you mean folder:{place}?"
    return f"{text}; put the images of at least two classes into a folder each"
