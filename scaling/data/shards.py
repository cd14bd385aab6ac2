"""Which set each of many files belongs to."""

import re
from collections.abc import Sequence
from pathlib import Path

from scaling.data.decoding import data_error
from scaling.data.splits import ALIASES


def files_of_sets(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Group files by set: the first word in a file's name that names a set, else the name of its folder.

    Raises:
        DataError: some files name their set and others do not.
    """
    sets: dict[str, list[Path]] = {}
    strangers = []
    for file in files:
        words = [*re.split(r"[^a-z]+", file.name.lower()), file.parent.name.lower()]
        known = next((ALIASES[word] for word in words if word in ALIASES), None)
        sets.setdefault(known or "", []).append(file)
        if known is None:
            strangers.append(f"{file}: does not name its set; begin its name with train-, validation- or test-")
    if "" in sets and len(sets) > 1:
        raise data_error(strangers)
    return {"train": sets[""]} if "" in sets else sets
