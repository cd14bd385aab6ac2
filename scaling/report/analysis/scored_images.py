"""Test images: which trials were scored on others than the rest, so that they are no repetitions of one cell.

A record holds the digest of the images it was scored on; an earlier one only their number.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scaling.study.config import cell_label
from scaling.study.records import Record, Study
from scaling.wording import first_few, plural

MOST_NAMED = 4  # trials
# Settings that decide which images a trial is scored on: values of an axis over one of them have test images each
DECIDING = [f"data.{name}" for name in ("source", "image_column", "label_column", "test_fraction", "split_seed")]


@dataclass(frozen=True)
class Scored:
    """The images of a test set, as far as a record says which."""

    images: int
    digest: str | None  # None: unknown, as in earlier records


def scored_on(record: Record) -> Scored | None:
    """Return what a trial was scored on; None if it has no score, or nothing is known of its test images."""
    if record.status != "finished" or record.scores is None or not record.scores.test_examples:
        return None
    return Scored(record.scores.test_examples, record.data.test if record.data else None)


def are_known_to_differ(one: Scored | None, other: Scored | None) -> bool:
    """Return whether two test sets differ by their numbers of images, or by their digests where both are known."""
    if one is None or other is None:
        return False
    if one.digest is not None and other.digest is not None:
        return one != other
    return one.images != other.images


def on_other_images(study: Study, records: Sequence[Record]) -> dict[str, tuple[int, int]]:
    """Return the key of each trial that was scored on other test images than most of its like, with both numbers.

    Like are the trials of one arm where the arms vary the data or are studies, else of all arms; and of one value of
    each axis that decides the test images. Of two sets with equally many trials that of the study's present data
    counts, else the first. Imported results do not say on which images each row was scored.
    """
    if study.imported is not None:
        return {}
    found = {}
    for known in _alike(study, records).values():
        kept = _most(study, known)
        for record, scored in known:
            if scored != kept:
                found[record.key] = (scored.images, kept.images)
    return found


def on_other_images_text(study: Study, records: Sequence[Record]) -> str | None:
    """Name the trials of `on_other_images`, without a full stop; None if there are none."""
    found = on_other_images(study, records)
    named = []
    for record in records:
        if record.key in found:
            own, most = found[record.key]
            images = f"{own:,}, not {most:,} images" if own != most else f"{own:,} other images"
            named.append(f"{cell_label(record.cell)} {record.arm} repetition {record.repetition} on {images}")
    if not named:
        return None
    was = "was" if len(named) == 1 else "were"
    return (
        f"{plural(len(named), 'trial')} {was} scored on different test images from most of the study"
        f" ({first_few(named, MOST_NAMED)})"
    )


def images_by_arm(study: Study, records: Sequence[Record]) -> dict[str, Scored]:
    """Return the test images of each arm, where every trial of an arm has the same ones and arms have others."""
    by_arm: dict[str, set[Scored]] = {}
    if _arms_may_differ(study):
        for known in _alike(study, records).values():
            kept = _most(study, known)
            by_arm.setdefault(known[0][0].arm, set()).add(kept)
    single = {arm: next(iter(sets)) for arm, sets in by_arm.items() if len(sets) == 1}
    pairs = itertools.combinations(single.values(), 2)
    return single if any(are_known_to_differ(one, other) for one, other in pairs) else {}


def _alike(study: Study, records: Sequence[Record]) -> Mapping[str, list[tuple[Record, Scored]]]:
    """Group the trials that should have the same test images; an unknown digest is the most frequent of its number."""
    groups: dict[str, list[tuple[Record, Scored]]] = {}
    for record in records:
        if (scored := scored_on(record)) is not None:
            arm = record.arm if _arms_may_differ(study) else None
            place = json.dumps([arm, [str(record.cell.get(name)) for name in DECIDING]])
            groups.setdefault(place, []).append((record, scored))
    return {place: list(_completed(known)) for place, known in groups.items()}


def _completed(known: Sequence[tuple[Record, Scored]]) -> Iterator[tuple[Record, Scored]]:
    counts = Counter(scored for _, scored in known if scored.digest is not None)
    frequent = {scored.images: scored for scored, _ in reversed(counts.most_common())}
    for record, scored in known:
        yield record, frequent.get(scored.images, scored) if scored.digest is None else scored


def _most(study: Study, known: Sequence[tuple[Record, Scored]]) -> Scored:
    present = {one.fingerprint.digest for one in study.data}
    counts = Counter(scored for _, scored in known)
    current = {scored for record, scored in known if record.data and record.data.fingerprint in present}
    return max(counts, key=lambda scored: (counts[scored], scored in current))  # the first of equals


def _arms_may_differ(study: Study) -> bool:
    return study.factor == "study" or study.factor in DECIDING
