"""Names of classes that cannot be meant: spelled in two ways, or names of sets."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from scaling.study.errors import DataError
from scaling.wording import first_few, listing

# Names of the three sets in folders and files
ALIASES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip

# Words that can also be a class: a vehicle, the opposite of invalid, a department
AMBIGUOUS = {"train", "valid", "dev"}
# Words that say nothing beside a set's name: train_images, TestSet, val-data
FILLERS = {"data", "dataset", "files", "folder", "image", "images", "img", "imgs", "photos", "pictures", "set", "split"}
_GLUED = re.compile(rf"({'|'.join(sorted(ALIASES, key=len, reverse=True))})({'|'.join(sorted(FILLERS))})s?")


def one_form(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), in which é is one letter."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Return what is left of a name without case, blanks at its ends, kinds of blanks and Unicode forms."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def difference(first: str, second: str) -> str:
    """Return in what two names differ that are alike when folded."""
    if one_form(first) == one_form(second):
        return "Unicode form"
    if unicodedata.normalize("NFKC", first).casefold() == unicodedata.normalize("NFKC", second).casefold():
        return "case" if one_form(first).casefold() == one_form(second).casefold() else "Unicode form"
    return "blanks" if "".join(first.split()) == "".join(second.split()) else "case or blanks"


def refuse_alike(names: Iterable[str], place: str) -> None:
    """Raise `DataError` if classes have names that differ only in case, blanks or Unicode form.

    Single letters may differ in case: data sets of letters have both.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[name if len(name) == 1 and name.isascii() else folded(name)].append(name)
    pairs = [group for group in groups.values() if len(group) > 1]
    if pairs:
        shown = [f"{listing([repr(n) for n in group])} (in {difference(group[0], group[1])})" for group in pairs]
        raise DataError(
            f"{place}: names of classes differ only in case, blanks or Unicode form: {first_few(shown, 3)};"
            " give one class one name"
        )


def set_meant(name: str) -> tuple[str, str] | None:
    """Return the set that a name seems to mean and what else the name says; None if it names no set or several.

    `test2017` means test and nothing else, `cat_train` means train and `cat`.
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|[^\W\d_]+", name)]
    sets: list[str] = []
    rest: list[str] = []
    for word in words:
        glued = _GLUED.fullmatch(word)
        if word in ALIASES:
            sets.append(ALIASES[word])
        elif glued:
            sets.append(ALIASES[glued[1]])
        elif word not in FILLERS:
            rest.append(word)
    return (sets[0], " ".join(rest)) if len(sets) == 1 else None


def refuse_sets(names: Iterable[str], place: str, way_out: str) -> None:
    """Raise `DataError` if class names seem to be names of sets, in any spelling.

    A single `train` is a class (a vehicle) beside others; a single `test` is not.

    Args:
        way_out: what to do, the end of the message.
    """
    names = list(names)
    sets: dict[str, dict[str, str]] = defaultdict(dict)  # by what else a name says: set → name
    for name in names:
        if meant := set_meant(name):
            sets[meant[1]].setdefault(meant[0], name)
    suspects = next((list(found.values()) for found in sets.values() if len(found) > 1), [])
    bare = sets.get("", {})
    alone = [name for name in bare.values() if name.lower() not in AMBIGUOUS or len(names) == 1]
    if suspects or alone:
        shown = [repr(name) for name in suspects or alone]
        what = "would be a class, but seems to be a set" if len(shown) == 1 else "would be classes, but seem to be sets"
        raise DataError(f"{place}: {listing(shown[:4])} {what}; {way_out}")
