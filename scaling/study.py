"""The study's folder while it is being asked: whose it is, what it plans, and who holds it."""

import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from scaling.config import Trial
from scaling.errors import RecordError, ScalingError
from scaling.records import Study, read_study
from scaling.space import Space


def previous(folder: Path, space: Space) -> Study | None:
    """The study that stands at `folder`; raise `RecordError` where it was made under other conditions."""
    if not (folder / "study.json").exists():
        return None
    study = read_study(folder)
    theirs, ours = flatten(study.conditions), flatten(space.conditions())
    differences = [
        f"{key} is {theirs.get(key, 'the default')} there, {ours.get(key, 'the default')} here"
        for key in sorted({*theirs, *ours})
        if theirs.get(key) != ours.get(key)
    ]
    if differences:
        raise RecordError(f"{folder} holds another study ({'; '.join(differences)}); give this one a --name of its own")
    return study


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def describe(name: str, space: Space, planned: Sequence[Trial], before: Study | None) -> Study:
    """What is asked, for the answering half; a study that is continued in part keeps what it had planned."""
    keys = [trial.key for trial in planned]
    earlier = [key for key in before.planned if key not in set(keys)] if before else []
    arms = [str(arm) for arm in space.arm_values]
    arms += [arm for arm in before.arms if arm not in arms] if before else []
    return Study(
        name=name,
        question=space.question,
        factor=space.factor,
        arms=arms,
        axes=list(space.axes),
        seeds=max(space.seeds, before.seeds if before else 0),
        conditions=space.conditions(),
        space=space.model_dump(mode="json"),
        planned=keys + earlier,
    )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the study for one sweep; the lock goes with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock: IO[str]
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ScalingError(f"{folder} is being run by another sweep; wait for it, or stop it") from None
        yield
