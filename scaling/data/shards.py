"""Which set each of many files belongs to."""

import re
from collections.abc import Sequence
from pathlib import Path

from scaling.data.class_names import ALIASES, set_meant
from scaling.data.decoding import data_error
from scaling.study.errors import DataError


def files_of_sets(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Group files by set: the first word in a file's name that names a set, else the name of its folder.

    Spark writes a folder `train.parquet` of parts, Hive a folder `split=train`.

    Raises:
        DataError: some files name their set and others do not, or none does clearly.
    """
    sets: dict[str, list[Path]] = {}
    strangers = []
    for file in files:
        folder = re.sub(r"^split=|\.parquet$", "", file.parent.name.lower())
        words = [*re.split(r"[^a-z]+", file.name.lower()), folder]
        known = next((ALIASES[word] for word in words if word in ALIASES), None)
        sets.setdefault(known or "", []).append(file)
        if known is None:
            strangers.append(f"{file}: does not name its set; begin its name with train-, validation- or test-")
    if "" in sets and len(sets) > 1:
        raise data_error(strangers)
    for file in sets.get("", []):
        if meant := set_meant(file.stem):  # such as testset.parquet
            raise DataError(f"{file}: seems to be a {meant[0]} set; begin its name with {meant[0]}-, as all sets must")
    return {"train": sets[""]} if "" in sets else sets
