"""The folder of a study that is about to run: which study it holds and what it plans. For locks see `lease`."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling.space.design import Design
from scaling.space.schema import Space
from scaling.study.config import DataConfig, Trial, flatten
from scaling.study.data_fingerprint import DataContent
from scaling.study.errors import PluginError, RecordError
from scaling.study.plugins import difference, loaded, used
from scaling.study.records import Seeding, Study, read_study
from scaling.study.storage import TEMPORARY, Where, remove_tree
from scaling.sweep.study_data import changed_data, has_earlier_keys, refuse_changed, study_data


def previous(folder: Where, space: Space, data: Mapping[DataConfig, DataContent] | None = None) -> Study | None:
    """Read the study in `folder`; None if there is none.

    Args:
        data: what the images of the space are, as far as it is known.

    Raises:
        RecordError: it was made under other conditions, or on other data.
        PluginError: it was made with a plugin that is missing here, or with another version of one.
    """
    if not (folder / "study.json").exists():
        return None
    study = read_study(folder)
    require_plugins(folder, study)
    theirs, ours = flatten(study.conditions), flatten(space.conditions())
    differences = [
        f"{key} is {theirs.get(key, 'the default')} there, {ours.get(key, 'the default')} here"
        for key in sorted({*theirs, *ours})
        if theirs.get(key) != ours.get(key)
    ]
    if differences:
        differences += changed_data(data or {}, study)
        raise RecordError(f"{folder} holds another study ({'; '.join(differences)}); give this one a --name of its own")
    refuse_changed(folder, study, data or {})
    refuse_further_looks(folder, study, space)
    return study


def begun(folder: Where) -> Study | None:
    """Read the study in `folder`, whatever it is; None if there is none.

    Raises:
        RecordError: its `study.json` cannot be read.
    """
    return read_study(folder) if (folder / "study.json").exists() else None


def seeding_in(folder: Where) -> Seeding:
    """Return how the study in `folder` gives seeds; a study that has not begun gives every cell its own.

    Raises:
        RecordError: its `study.json` cannot be read.
    """
    before = begun(folder)
    return before.seeding if before else "own"


def refuse_further_looks(folder: Where, study: Study, space: Space) -> None:
    """Refuse to extend the plan of a study in `folder` that allows one verdict, or to allow it fewer or more.

    Raises:
        RecordError: names what differs.
    """
    if study.looks is None and space.looks is None:
        return
    if study.looks is None:
        raise RecordError(
            f"{folder} was begun without looks: 1, which fixes a plan from its start; leave it out, or give this study"
            " a --name of its own"
        )
    theirs, ours = planning(Space.model_validate(study.space)), planning(space)
    differences = [
        f"{key} is {there} there, {here} here"
        for key in sorted({*theirs, *ours})
        if (there := theirs.get(key, "not set")) != (here := ours.get(key, "not set"))
    ]
    if differences:
        raise RecordError(
            f"{folder}: looks: 1 fixed the plan; further runs are a new study, so give it a --name of its own"
            f" ({'; '.join(differences)})"
        )


def planning(space: Space) -> dict[str, Any]:
    """Return the settings that decide which trials a study plans and how often they are judged, by dotted name."""
    content = space.model_dump(mode="json", include={"axes", "arms", "repetitions", "looks", "limits", "search"})
    del content["search"]["margin"]
    return {name: "not set" if value is None else value for name, value in flatten(content).items()}


def require_plugins(folder: Where, study: Study) -> None:
    """Raise `PluginError` unless this process has the plugins that the study was made with."""
    here = loaded()
    problems = [difference(name, digest, here) for name, digest in study.plugins.items() if here.get(name) != digest]
    if problems:
        raise PluginError([f"{folder} needs {problem}; --name NAME starts a new study instead" for problem in problems])


def tidy(folder: Where, settled: Collection[str]) -> None:
    """Remove what killed sweeps left: checkpoints of trials that have ended, and files that were not whole yet.

    Args:
        settled: keys of the trials that need not run again. A failed trial keeps its checkpoint.
    """
    for checkpoint in (folder / "checkpoints").glob("*"):
        if checkpoint.name in settled:
            remove_tree(checkpoint)
    if isinstance(folder, Path):  # the caller holds the study, so that no other process is writing
        for unfinished in (file for place in (folder, folder / "records") for file in place.glob(".*")):
            if TEMPORARY.fullmatch(unfinished.name):
                with contextlib.suppress(OSError):  # it costs room, no more
                    unfinished.unlink(missing_ok=True)


def _deciding(space: Space) -> Iterator[tuple[str, str]]:
    """Kind and name of what decides which networks the study trains."""
    yield "design", space.search.design
    if space.search.stop:
        yield "stopping rule", space.search.stop.rule
    matched = [space.match.cost] if space.match else []
    yield from (("metric", metric) for metric in (*matched, *space.bounds, *space.search.objectives))


def describe(
    name: str,
    design: Design,
    planned: Sequence[Trial],
    before: Study | None,
    *,
    plans_more: bool = False,
    ended_by: str | None = None,
) -> Study:
    """Describe a study for the report. A study that continues in part keeps the trials that it had planned."""
    space = design.space
    keys = [trial.key for trial in planned]
    ours = set(keys)
    earlier = [key for key in before.planned if key not in ours] if before else []
    plugins = used(_deciding(space))
    for trial in planned:
        plugins |= trial.config.plugins
    arms = [str(arm) for arm in space.arm_values]
    arms += [arm for arm in before.arms if arm not in arms] if before else []
    return Study(
        name=name,
        question=space.question,
        factor=space.factor,
        arms=arms,
        axes=list(space.axes),
        repetitions=max(space.repetitions, before.repetitions if before else 0),
        conditions=space.conditions(),
        space=space.model_dump(mode="json"),
        planned=keys + earlier,
        plans_more=plans_more,
        ended_by=ended_by,
        plugins={**(before.plugins if before else {}), **plugins},
        data=study_data(design.data, before),
        has_earlier_keys=before is not None and has_earlier_keys(before),
        seeding=design.seeding,
    )
