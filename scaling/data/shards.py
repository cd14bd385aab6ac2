"""Which set each of many files belongs to."""

import re
from collections.abc import Sequence
from pathlib import Path

from scaling.data.decoding import told
from scaling.data.splits import ALIASES


def files_of_sets(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Files of each set, by the first word in their name that is one, or the name of their folder.

    Raises:
        DataError: the set of some files can be told, that of others cannot.
    """
    sets: dict[str, list[Path]] = {}
    strangers = []
    for file in files:
        words = [*re.split(r"[^a-z]+", file.name.lower()), file.parent.name.lower()]
        known = next((ALIASES[word] for word in words if word in ALIASES), None)
        sets.setdefault(known or "", []).append(file)
        if known is None:
            strangers.append(f"{file}: cannot tell its set; files begin with train-, validation- or test-")
    if "" in sets and len(sets) > 1:
        raise told(strangers)
    return {"train": sets[""]} if "" in sets else sets
