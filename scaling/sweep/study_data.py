"""The data of a study that is about to run: whether they are those it was begun with, however they are spelled here."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from scaling.data import Dataset
from scaling.data.sample_picture import sample_picture
from scaling.space.data_place import may_have_moved
from scaling.space.design import Design
from scaling.space.schema import Space
from scaling.study.config import DataConfig
from scaling.study.data_fingerprint import DataContent, StudyData, changes
from scaling.study.errors import RecordError, StorageError
from scaling.study.records import Study, read_records
from scaling.study.storage import Where, write_atomically
from scaling.wording import listing, plural

SOURCE = "data.source"
WAY_OUT = "restore them, or start a new study with a --name of its own"


def as_spelled_there(
    space: Space, datasets: Mapping[DataConfig, Dataset], before: Study | None
) -> tuple[Space, dict[DataConfig, Dataset], list[str]]:
    """Spell the sources of data as the study does that already has them, so that its cells, seeds and keys stay.

    The images are read from where they are found here. Data are the same by their fingerprint. A study from before
    fingerprints has them if the place is the same, or has the same last name; see `refuse_other_counts`.

    Returns:
        the space, its data, and a line for each source that is spelled otherwise.

    Args:
        datasets: of the space.
        before: the study as an earlier command left it.
    """
    if before is None:
        return space, dict(datasets), []
    known = _sources(before)
    words: dict[str, str] = {}  # here → there
    for config, data in datasets.items():
        if config.source not in known and (there := _source_there(config, data, before, known)):
            words[config.source] = there
    taken = {config.source for config in datasets} - words.keys()
    twice = Counter([*words.values(), *taken])
    words = {here: there for here, there in words.items() if twice[there] == 1}
    if not words:
        return space, dict(datasets), []
    data = {
        config.model_copy(update={"source": words.get(config.source, config.source)}): one
        for config, one in datasets.items()
    }
    said = [f"the study knows {here} as {there}" for here, there in words.items()]
    return _respelled(space, words), data, said


def _sources(before: Study) -> list[str]:
    """Return all sources that a study has, as it spells them."""
    if before.data:
        return [one.source for one in before.data]
    varied = {**before.space.get("axes", {}), **before.space.get("arms", {})}.get(SOURCE, [])
    fixed = before.space.get("data", {}).get("source", DataConfig().source)
    return [*map(str, varied)] if isinstance(varied, list) and varied else [fixed]


def _source_there(config: DataConfig, data: Dataset, before: Study, known: Iterable[str]) -> str | None:
    """Return how the study spells data that are found here under another name; None if it has no such data."""
    if not before.data:
        return next((there for there in known if may_have_moved(there, config.source)), None)
    columns = (config.image_column, config.label_column)
    here = data.content.fingerprint.digest if data.content else None
    same = (one.source for one in before.data if one.settings[1:] == columns and one.fingerprint.digest == here)
    return next(same, None)


def _respelled(space: Space, words: Mapping[str, str]) -> Space:
    def other(varied: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: [words.get(value, value) for value in values] if name == SOURCE else values
            for name, values in varied.items()
        }

    data = space.data.model_copy(update={"source": words.get(space.data.source, space.data.source)})
    return space.model_copy(update={"data": data, "axes": other(space.axes), "arms": other(space.arms)})


def earlier_keys(folder: Where, before: Study | None) -> frozenset[str]:
    """Return the keys of trials that a study planned or ran before it had fingerprints; they keep them."""
    if before is None or not has_earlier_keys(before):
        return frozenset()
    return frozenset([*before.planned, *(file.stem for file in (folder / "records").glob("*.json"))])


def has_earlier_keys(before: Study) -> bool:
    return before.has_earlier_keys or not before.data


def study_data(content: Mapping[DataConfig, DataContent], before: Study | None) -> list[StudyData]:
    """Return the data of a study: those of its space, and those that it had earlier."""
    here = {one.settings: one for config, found in content.items() for one in [_of_study(config, found)]}
    return [*here.values(), *(one for one in (before.data if before else []) if one.settings not in here)]


def draw_samples(folder: Where, datasets: Mapping[DataConfig, Dataset]) -> None:
    """Write a picture of training images of each data set into the study's folder, unless it is there.

    A picture that cannot be drawn or written is no reason to stop: the report goes without it.
    """
    for config, data in datasets.items():
        if data.content is None:
            continue
        file = folder / _of_study(config, data.content).picture
        with contextlib.suppress(StorageError, OSError, ValueError):
            if not file.is_file():
                write_atomically(file, sample_picture(data))


def _of_study(config: DataConfig, found: DataContent) -> StudyData:
    return StudyData(
        source=config.source,
        image_column=config.image_column,
        label_column=config.label_column,
        fingerprint=found.fingerprint,
        summary=found.summary,
    )


def changed_data(content: Mapping[DataConfig, DataContent], before: Study) -> list[str]:
    """Say which data of a study are others here; data that it does not have are no difference."""
    here = {one.settings: one for one in study_data(content, None)}
    there = {one.settings: one for one in before.data}
    pairs = [(there[settings], one) for settings, one in here.items() if settings in there]
    if not pairs and len(here) == len(there) == 1:  # in another place, and changed
        pairs = [(*there.values(), *here.values())]
    return [
        f"{now.source}: {'; '.join(said)}"
        for then, now in pairs
        if (said := changes(then.fingerprint, now.fingerprint))
    ]


def refuse_changed(folder: Where, before: Study, content: Mapping[DataConfig, DataContent]) -> None:
    """Refuse to continue a study on other data than it was begun with.

    Raises:
        RecordError: names what changed.
    """
    if not before.data:
        refuse_other_counts(folder, content)
    elif changed := changed_data(content, before):
        raise RecordError(
            f"{folder}: the data have changed since this study was begun ({'; '.join(changed)}); {WAY_OUT}"
        )


def refuse_other_counts(folder: Where, content: Mapping[DataConfig, DataContent]) -> None:
    """Refuse data that have other numbers of images than the trials of a study without fingerprints were scored on.

    Raises:
        RecordError: names the numbers.
    """
    for record in read_records(folder) if content else []:
        try:
            found = content.get(DataConfig.model_validate(record.config.get("data", {})))
        except ValidationError:  # of a version with other settings
            continue
        if found is None or record.scores is None:
            continue
        scored = {"validation": record.scores.val_examples, "test": record.scores.test_examples}
        now = {name: one.images for name, one in found.used.sets.items()}
        if wrong := [name for name, count in scored.items() if count and now.get(name, count) != count]:
            told = listing([f"{plural(scored[name], f'{name} image')}, now there are {now[name]:,}" for name in wrong])
            raise RecordError(
                f"{folder}: the data have changed since this study was begun (trials were scored on {told}); {WAY_OUT}"
            )


def adoption(before: Study | None, design: Design) -> str | None:
    """Say that a study from before fingerprints takes those that are found now; None if it has its own."""
    if before is None or before.data or not design.data:
        return None
    found = listing([f"{one.fingerprint.digest} of {one.source}" for one in study_data(design.data, None)])
    return f"data: this study was begun before fingerprints of data were kept; it adopts what is found now: {found}"
