"""Joint: several studies as one study whose arms are the studies, so that all comparisons of arms apply to them.

Trials of the same cell, arm and repetition in different studies are pairs. A value that one study varies and another
fixes (a depth of 4 throughout) is taken from the trials' settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scaling.study.config import cell_label, flatten
from scaling.study.data_fingerprint import changes
from scaling.study.errors import RecordError
from scaling.study.learning_rates import scored
from scaling.study.reading import StudyRecords
from scaling.study.records import Record, Study, in_order
from scaling.wording import first_few, plural

FACTOR = "study"
MOST_NAMED = 12  # conditions or cells in a sentence


@dataclass(frozen=True)
class Member:
    """One of the studies with its readable records."""

    study: Study
    reading: StudyRecords


@dataclass(frozen=True)
class Joint:
    """Several studies as one."""

    study: Study
    records: list[Record]
    left_out: list[str]
    notes: list[str]  # how the studies differ


def join(members: Sequence[Member]) -> Joint:
    """Combine several studies into one; the first is the baseline.

    Raises:
        RecordError: two of them have one name.
    """
    names = [member.study.name for member in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecordError(
            f"two of the studies to compare are named {', '.join(twice)}; rename one in its folder name and study.json"
        )
    axes = list(dict.fromkeys(axis for member in members for axis in member.study.axes))
    factors = list(dict.fromkeys(member.study.factor for member in members if len(member.study.arms) > 1))
    inner = [factor for factor in factors if factor not in axes]
    records = in_order(_moved(record, member.study, axes, inner) for member in members for record in _scored(member))
    own = [{_where(record) for record in records if record.arm == name} for name in names]
    shared = set.intersection(*own) if own else set()
    notes = [_shared_note(names, own, len(shared)), *_different_conditions(members)]
    study = Study(
        name=" against ".join(names),
        question=f"How does {' and '.join(names[1:])} compare with {names[0]}?",
        factor=FACTOR,
        arms=names,
        axes=[*axes, *inner],
        repetitions=max((member.study.repetitions for member in members), default=1),
        seeding="shared" if any(member.study.seeding == "shared" for member in members) else "own",
        conditions={},
        space={},
        planned=[_key(member.study.name, key) for member in members for key in _planned(member)],
        plans_more=any(member.study.plans_more and not member.study.ended_by for member in members),
    )
    left_out = [f"{member.study.name}: {line}" for member in members for line in member.reading.left_out]
    return Joint(study, records, left_out, [note for note in notes if note])


def _scored(member: Member) -> list[Record]:
    """Records without those that served the choice of a learning rate."""
    return scored(member.reading.records, member.study.choose_by)


def _planned(member: Member) -> list[str]:
    """Keys of the plan without those of such records; of a sweep that ended early, those that were run."""
    scored_keys = {record.key for record in _scored(member)}
    ran = {record.key for record in member.reading.records}
    is_over = member.study.ended_by is not None
    return [key for key in member.study.planned if key in scored_keys or (key not in ran and not is_over)]


def _moved(record: Record, study: Study, axes: Sequence[str], inner: Sequence[str]) -> Record:
    """`record` with its study as its arm, and its arm as part of its cell."""
    cell = {axis: record.cell[axis] if axis in record.cell else _setting(record, axis) for axis in axes}
    for factor in inner:
        cell[factor] = record.arm if factor == study.factor else _setting(record, factor)
    return record.model_copy(update={"cell": cell, "arm": study.name, "key": _key(study.name, record.key)})


def _key(study: str, key: str) -> str:
    return f"{study}/{key}"  # two studies may hold the same trial


def _setting(record: Record, name: str) -> Any:
    """The value of an axis or factor in the trial's own settings: `depth` is `arch.depth`."""
    for tree in (record.config.get("arch"), record.config):
        value: Any = tree
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None and not isinstance(value, dict):
            return value
    return "–"


def _where(record: Record) -> str:
    return cell_label(record.cell)


def _shared_note(names: Sequence[str], own: Sequence[set[str]], shared: int) -> str:
    counts = ", ".join(f"{name} {len(cells)}" for name, cells in zip(names, own, strict=True))
    if not shared:
        return (
            f"No cell and arm is in all of the studies (cells: {counts}), so nothing is paired; only fronts and"
            " differences at equal cost can be compared."
        )
    if all(len(cells) == shared for cells in own):
        return ""
    return f"{plural(shared, 'cell')} with the same arm in all studies are compared; cells of the studies: {counts}."


def _different_conditions(members: Sequence[Member]) -> list[str]:
    """Differences between the studies other than their axes and factors."""
    notes = []
    if imported := [member.study.name for member in members if member.study.imported]:
        notes.append(
            f"{' and '.join(imported)}: imported results, trained on other data by other recipes; differences in"
            " accuracy from trials that were run here are not the effect of a factor."
        )
    first, *others = members
    ours = flatten(first.study.conditions)
    for other in others:
        theirs = flatten(other.study.conditions)
        if not ours or not theirs:
            continue
        known = _digests(first.study), _digests(other.study)
        same = {"data.source"} if known[0] and known[0] == known[1] else set()  # in another place
        changed = [name for name in sorted((ours.keys() | theirs.keys()) - same) if ours.get(name) != theirs.get(name)]
        if all(known) and known[0] != known[1] and "data.source" not in changed:
            notes.append(
                f"{first.study.name} and {other.study.name} have the same source of data, with different content"
                f" ({_content_text(first.study, other.study)}): the difference between them is also one of the data."
            )
        if changed:
            named = [f"{name} {_setting_text(ours.get(name))} → {_setting_text(theirs.get(name))}" for name in changed]
            notes.append(
                f"{first.study.name} and {other.study.name} differ in their conditions"
                f" ({first_few(named, MOST_NAMED)}): the difference between them is the effect of all of these."
            )
    return notes


def _digests(study: Study) -> set[str]:
    return {one.fingerprint.digest for one in study.data}


def _content_text(one: Study, other: Study) -> str:
    """How the images of two studies differ, where each has one data set."""
    if len(one.data) == len(other.data) == 1:
        return "; ".join(changes(one.data[0].fingerprint, other.data[0].fingerprint))
    return "by their fingerprints"


def _setting_text(value: Any) -> str:
    return "default" if value is None else str(value)[:60]
