"""wds:PATH: tar files in WebDataset's layout, in which 0001.jpg and 0001.cls are one sample."""

import glob
import itertools
import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from scaling.data.decoding import MOST_PROBLEMS, data_error
from scaling.data.folder import existing
from scaling.data.labels import is_secret, numbered
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.data.shards import files_of_sets
from scaling.data.tar_index import TarImages, TarIndex, indexed
from scaling.data.torchvision import data_root
from scaling.study.config import DataConfig
from scaling.study.errors import DataError

READERS = 8  # files indexed in parallel, as most of the time goes into waiting for the disk
CLASS_NAMES = "classnames.txt"  # optional, beside the shards; one name per line


@source("wds", argument="PATH-OR-PATTERN")
def wds(spec: Spec, config: DataConfig) -> SourceContent:
    """Index the *.tar files of a folder or pattern, such as `shards/train-{0000..0146}.tar`; decode nothing."""
    files = _files(spec.argument)
    cache = data_root() / "index"
    with ThreadPoolExecutor(READERS) as pool:
        found = {
            name: list(pool.map(lambda file: indexed(file, config.label_column, cache), paths))
            for name, paths in files.items()
        }
    images = {name: TarImages.of(tuple(map(str, files[name])), indices) for name, indices in found.items()}
    empty = [f"{files[name][0]}: contains no images" for name in found if not len(images[name])]
    if empty:
        raise data_error(empty)
    raw = _labels(found, images)
    known = _class_names(next(iter(files.values()))[0].parent)
    names, labels = numbered(raw, known, lambda name, row: images[name].place(row))
    sets = {
        name: Examples(str(files[name][0].parent), images[name], labels[name])
        for name in found
        if not is_secret(name, labels[name])
    }
    return SourceContent(sets, names)


def expanded(pattern: str) -> list[str]:
    """Expand every pair of braces in a pattern, such as `{08..11}` or `{a,b}`; leave `*` as it is."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    span = re.fullmatch(r"(\d+)\.\.(\d+)", match[1])
    if span:
        width = len(span[1])
        parts = [str(number).zfill(width) for number in range(int(span[1]), int(span[2]) + 1)]
    else:
        parts = match[1].split(",")
    rest = expanded(pattern[match.end() :])
    return [pattern[: match.start()] + part + ending for part, ending in itertools.product(parts, rest)]


def _files(argument: str) -> dict[str, list[Path]]:
    if not set("*?[{") & set(argument):
        path = existing(argument)
        if path.is_file():
            return {"train": [path]}
        files = sorted(path.glob("*.tar")) or sorted(path.glob("**/*.tar"))
        if not files:
            raise DataError(f"neither {path} nor its subfolders contain a *.tar file")
        return files_of_sets(files)
    names = expanded(os.path.expanduser(argument))
    files = [Path(file).resolve() for name in names for file in (sorted(glob.glob(name)) or [name])]
    missing = [f"{file} does not exist" for file in files if not file.is_file()]
    if missing:
        raise data_error(missing)
    if twice := [f"{file} is named twice" for file, times in Counter(files).items() if times > 1]:
        raise data_error(twice)
    return files_of_sets(files)


def _labels(found: dict[str, list[TarIndex]], images: dict[str, TarImages]) -> dict[str, np.ndarray]:
    """Return the labels of each set from .cls or .json, else the members' folders; as integers if all are."""
    written = {name: np.concatenate([index.labels for index in indices]) for name, indices in found.items()}
    if not any(labels.any() for labels in written.values()):
        written = {name: np.array([_folder(member) for member in images[name].names]) for name in found}
    problems = [
        f"{images[name].place(int(row))}: no label; a sample needs a .cls file, a label in its .json file, or a folder"
        " named after its class"
        for name, labels in written.items()
        for row in np.flatnonzero(labels == "")[: MOST_PROBLEMS + 1]
    ]
    if problems:
        raise data_error(problems)
    are_numbers = all(re.fullmatch(r"-?\d+", label) for labels in written.values() for label in np.unique(labels))
    return {name: labels.astype(np.int64) if are_numbers else labels for name, labels in written.items()}


def _folder(member: bytes) -> str:
    return os.path.basename(os.path.dirname(os.fsdecode(member)))


def _class_names(folder: Path) -> tuple[str, ...] | None:
    file = folder / CLASS_NAMES
    return tuple(file.read_text("utf-8").splitlines()) if file.is_file() else None
