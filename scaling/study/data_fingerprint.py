"""The fingerprint of a data set: what its images and labels are, wherever they lie.

`scaling.data.fingerprint` computes it; studies and records keep it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, computed_field

from scaling.study.data_summary import DataSummary
from scaling.wording import first_few, plural

DIGITS = 16  # of a digest, hexadecimal, as in content keys
MOST_CLASSES = 3  # named for one set and one kind of change


class SetFingerprint(BaseModel, frozen=True, extra="ignore"):
    """One of the sets that a source holds, before any split or limit. Each digest is in the source's order."""

    images: int
    classes: dict[str, int]  # name → images, of the classes that have any here
    names: str  # digest of the relative name and the class of every image
    sizes: str  # digest of the sizes in bytes, as far as they are known without reading
    content: str  # digest of the bytes of a sample of the images, of a small set of all

    @property
    def digest(self) -> str:
        return digest_of([str(self.images), self.names, self.sizes, self.content])


class DataFingerprint(BaseModel, frozen=True, extra="ignore"):
    """All that a source says of its data. Equal digests mean equal images, labels and order."""

    sets: dict[str, SetFingerprint]
    flip: bool = True  # the source's advice on augmentation, which differs between sources of equal images
    shift: float = 1 / 8

    @computed_field
    @property
    def digest(self) -> str:
        sets = (part for name in sorted(self.sets) for part in (name, self.sets[name].digest))
        return digest_of([*sets, f"flip {self.flip} shift {self.shift:g}"])


class UsedSet(BaseModel, frozen=True, extra="ignore"):
    """One of the sets of a trial: the images that the settings take from the source."""

    images: int
    classes: int  # that have an image here
    digest: str


class UsedData(BaseModel, frozen=True, extra="ignore"):
    """The images of a trial, in brief: class by class they are in `study.json`."""

    fingerprint: str  # digest of all images of the source
    sets: dict[str, UsedSet]  # train, validation and test; `pool` where every repetition draws train and validation

    @property
    def test(self) -> str | None:
        """Digest of the images on which the trial is scored."""
        return self.sets["test"].digest if "test" in self.sets else None


class StudyData(BaseModel, frozen=True, extra="ignore"):
    """One of the data sets of a study, under the settings that decide what a source holds."""

    source: str  # as the study spells it
    image_column: str | None = None
    label_column: str | None = None
    fingerprint: DataFingerprint
    summary: DataSummary | None = None  # for people; none in studies from before it

    @property
    def settings(self) -> tuple[str, str | None, str | None]:
        return self.source, self.image_column, self.label_column

    @property
    def picture(self) -> str:
        """Name of the picture of samples in the study's folder."""
        return f"samples-{self.fingerprint.digest}.png"


@dataclass(frozen=True)
class DataContent:
    """What a data set holds, and what of it trials use."""

    fingerprint: DataFingerprint
    used: UsedData
    summary: DataSummary | None = None


def digest_of(parts: Iterable[str]) -> str:
    """Return the digest of texts in their order."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]


def changes(before: DataFingerprint, now: DataFingerprint) -> list[str]:
    """Say what differs between two fingerprints, one line for each set; nothing if they are equal."""
    lines = []
    for name in dict.fromkeys([*before.sets, *now.sets]):
        if name not in now.sets:
            lines.append(f"the {name} set is gone ({plural(before.sets[name].images, 'image')})")
        elif name not in before.sets:
            lines.append(f"a {name} set is new ({plural(now.sets[name].images, 'image')})")
        elif differences := list(_set_changes(before.sets[name], now.sets[name])):
            lines.append(f"{name}: {', '.join(differences)}")
    if (before.flip, before.shift) != (now.flip, now.shift):
        lines.append("the source recommends other random flips or shifts")
    return lines


def _set_changes(before: SetFingerprint, now: SetFingerprint) -> Iterator[str]:
    known, found = before.classes, now.classes
    grown = {name: found[name] - known[name] for name in known.keys() & found.keys()}
    kinds = {
        "{} more in class {}": {name: more for name, more in grown.items() if more > 0},
        "{} fewer in class {}": {name: -more for name, more in grown.items() if more < 0},
        "{} in a new class {}": {name: found[name] for name in found.keys() - known.keys()},
        "{} fewer, as class {} is gone": {name: known[name] for name in known.keys() - found.keys()},
    }
    for words, counts in kinds.items():
        largest = sorted(counts, key=lambda name: (-counts[name], name))
        told = [words.format(plural(counts[name], "image"), name) for name in largest]
        if told:
            yield first_few(told, MOST_CLASSES)
    if any(kinds.values()):
        return
    if before.names != now.names:
        yield "as many images in each class, but others, or in another order: their names or classes differ"
    elif before.sizes != now.sizes:
        yield "the same names, but the images were written anew: their sizes in bytes differ"
    elif before.content != now.content:
        yield "the same names and sizes, but other content"
