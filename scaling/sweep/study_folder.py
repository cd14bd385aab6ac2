"""The folder of a study that is about to run: which study it holds and what it plans. For locks see `lease`."""

from collections.abc import Iterator, Sequence

from scaling.space.schema import Space
from scaling.study.config import Trial, flatten
from scaling.study.errors import PluginError, RecordError
from scaling.study.plugins import difference, loaded, used
from scaling.study.records import Study, read_study
from scaling.study.storage import Where


def previous(folder: Where, space: Space) -> Study | None:
    """Read the study in `folder`; None if there is none.

    Raises:
        RecordError: it was made under other conditions.
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
        raise RecordError(f"{folder} holds another study ({'; '.join(differences)}); give this one a --name of its own")
    return study


def require_plugins(folder: Where, study: Study) -> None:
    """Raise `PluginError` unless this process has the plugins that the study was made with."""
    here = loaded()
    problems = [difference(name, digest, here) for name, digest in study.plugins.items() if here.get(name) != digest]
    if problems:
        raise PluginError([f"{folder} needs {problem}; --name NAME starts a new study instead" for problem in problems])


def _deciding(space: Space) -> Iterator[tuple[str, str]]:
    """Kind and name of what decides which networks the study trains."""
    yield "design", space.search.design
    if space.search.stop:
        yield "stopping rule", space.search.stop.rule
    matched = [space.match.cost] if space.match else []
    yield from (("metric", metric) for metric in (*matched, *space.bounds, *space.search.objectives))


def describe(name: str, space: Space, planned: Sequence[Trial], before: Study | None) -> Study:
    """Describe a study for the report. A study that continues in part keeps the trials that it had planned."""
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
        repetitions=max(space.seeds, before.repetitions if before else 0),
        conditions=space.conditions(),
        space=space.model_dump(mode="json"),
        planned=keys + earlier,
        plugins={**(before.plugins if before else {}), **plugins},
    )
