"""wds:PATH: tar files in WebDataset's layout, in which 0001.jpg and 0001.cls are one sample."""

import glob
import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from scaling.data.class_names import refuse_sets
from scaling.data.decoding import MOST_PROBLEMS, data_error
from scaling.data.folder import existing
from scaling.data.labels import MISSING, UNLABELLED, numbered, without_withheld
from scaling.data.listing import PassedOver, without_skipped
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.data.shards import files_of_sets
from scaling.data.tar_index import TarImages, TarIndex, indexed
from scaling.data.torchvision import data_root
from scaling.study.config import DataConfig
from scaling.study.errors import DataError
from scaling.wording import first_few, plural

READERS = 8  # files indexed in parallel, as most of the time goes into waiting for the disk
MOST_FILES = 100_000  # that braces may name: ten times the shards of the largest public data sets
CLASS_NAMES = "classnames.txt"  # optional, beside the shards; one name per line


@source("wds", argument="PATH-OR-PATTERN")
def wds(spec: Spec, config: DataConfig) -> SourceContent:
    """Index the *.tar files of a folder or pattern, such as `shards/train-{0000..0146}.tar`; decode nothing."""
    passed = PassedOver()
    files = _files(spec.argument, passed)
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
    for paths, indices in zip(files.values(), found.values(), strict=True):
        for file, index in zip(paths, indices, strict=True):
            for reason, member in zip(index.reasons.tolist(), index.passed.tolist(), strict=True):
                passed.add(reason, f"{file.name} member {member}")
    raw, withheld = without_withheld(_labels(found, images), lambda name: str(files[name][0]))
    known = _class_names(next(iter(files.values()))[0].parent)
    names, labels = numbered(raw, known, lambda name, row: images[name].place(row))
    sets = {name: Examples(str(files[name][0].parent), images[name], labels[name]) for name in raw}
    return SourceContent(sets, names, passed_over=passed, remarks=tuple(withheld))


def expanded(pattern: str) -> list[str]:
    """Expand every pair of braces in a pattern, such as `{08..11}` or `{a,b}`; leave `*` as it is.

    Raises:
        DataError: more than `MOST_FILES` names, before any is made; or a span that counts down.
    """
    pieces = re.split(r"\{([^{}]*)\}", pattern)  # texts at even places, contents of braces at odd ones
    choices = [_Choices(piece) if number % 2 else [piece] for number, piece in enumerate(pieces)]
    count = math.prod(map(len, choices))
    if count > MOST_FILES:
        raise DataError(f"{pattern} names {count:,} files; at most {MOST_FILES:,} can be read: name those that exist")
    if not count:
        raise DataError(f"{pattern}: a span in braces counts down; write the smaller number first")
    return ["".join(chosen) for chosen in itertools.product(*choices)]


class _Choices(Sequence[str]):
    """What a pair of braces may stand for, made when it is asked for: a span may have any length."""

    def __init__(self, content: str) -> None:
        span = re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", content)
        self.numbers = range(int(span[1]), int(span[2]) + 1) if span else None
        self.width = len(span[1]) if span else 0
        self.words = content.split(",")

    def __len__(self) -> int:
        return len(self.words if self.numbers is None else self.numbers)

    def __getitem__(self, index: Any) -> Any:
        return self.words[index] if self.numbers is None else str(self.numbers[index]).zfill(self.width)


def _files(argument: str, passed: PassedOver) -> dict[str, list[Path]]:
    if not set("*?[{") & set(argument):
        path = existing(argument)
        if path.is_file():
            return {"train": [path]}
        found = (sorted(path.glob(pattern)) for pattern in ("*.tar", "**/*.tar"))
        kept = (without_skipped([file for file in files if file.is_file()], path, passed) for files in found)
        files = next((files for files in kept if files), [])
        if not files:
            packed = [file.name for ending in ("gz", "tgz", "bz2", "xz", "zst") for file in path.glob(f"**/*.{ending}")]
            hint = f"; decompress {first_few(sorted(packed), 3)}" if packed else ""
            raise DataError(f"neither {path} nor its subfolders contain a *.tar file{hint}")
        return files_of_sets(files)
    names = expanded(os.path.expanduser(argument))
    files = [Path(file).resolve() for name in names for file in (sorted(glob.glob(name)) or [name])]
    missing = [f"{file} does not exist" for file in files if not os.path.isfile(file)]
    if len(missing) > MOST_PROBLEMS:
        raise DataError(f"{argument}: {len(missing)} of {len(files)} files do not exist: {first_few(missing, 3)}")
    if missing:
        raise data_error(missing)
    if twice := [f"{file} is named twice" for file, times in Counter(files).items() if times > 1]:
        raise data_error(twice)
    return files_of_sets(files)


def _labels(found: dict[str, list[TarIndex]], images: dict[str, TarImages]) -> dict[str, np.ndarray]:
    """Return the labels of each set from .cls or .json, else the members' folders; as integers if all are.

    Sets without any label are left to `without_withheld`.
    """
    written = {name: np.concatenate([index.labels for index in indices]) for name, indices in found.items()}
    if not any(labels.any() for labels in written.values()):
        written = {name: np.array([_folder(member) for member in images[name].names]) for name in found}
        way_out = "name files after their set, such as train-0000.tar, and folders after classes"
        refuse_sets(np.unique(np.concatenate(list(written.values()))).tolist(), "folders in the tar files", way_out)
    problems = []
    for name, labels in written.items():
        rows = np.flatnonzero(labels == "")
        if len(rows) and (name == "train" or len(rows) < len(labels)):
            problems.append(
                f"{images[name].place(int(rows[0]))}: no label, as in {len(rows)} of {plural(len(labels), 'sample')};"
                " a sample needs a .cls file, a label in its .json file, or a folder named after its class"
            )
    if problems:
        raise data_error(problems)
    present = [label for labels in written.values() for label in np.unique(labels[labels != ""])]
    if all(re.fullmatch(r"-?\d{1,18}", label) for label in present):
        return {name: np.where(labels == "", str(MISSING), labels).astype(np.int64) for name, labels in written.items()}
    return {name: np.where(labels == str(UNLABELLED), "", labels) for name, labels in written.items()}


def _folder(member: bytes) -> str:
    return os.path.basename(os.path.dirname(os.fsdecode(member)))


def _class_names(folder: Path) -> tuple[str, ...] | None:
    file = folder / CLASS_NAMES
    return tuple(file.read_text("utf-8").splitlines()) if file.is_file() else None
