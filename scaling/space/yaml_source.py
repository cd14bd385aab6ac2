"""The content of a YAML file and the overrides of the command line, with the line of every key for messages."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scaling.study.aliases import EARLIER_NAMES, present_name
from scaling.study.errors import SpaceError
from scaling.study.plain_yaml import MOST_BYTES, KeyPath, YamlError, read_yaml_text
from scaling.study.plain_yaml import read_yaml as read_yaml
from scaling.wording import shortened, shown

SHORT_FORMS = {
    "data": "source",
    "recipe": "base",
    "match": "cost",
    "search": "design",
    "tune": "lr",
}  # section → the key that a single word in its place stands for


MOST_STEPS = 16  # of a dotted key


class Removed:
    """The value of an override that removes a key."""

    def __str__(self) -> str:
        return "removed"


REMOVED = Removed()


@dataclass(frozen=True)
class SpaceFile:
    """The content of a space file after overrides, and the line of each of its keys."""

    path: Path
    content: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)  # path of a key → its line in the file, from 1
    overrides: tuple[str, ...] = ()  # dotted keys set on the command line

    @classmethod
    def read(cls, path: Path) -> "SpaceFile":
        """Read a YAML file; raise `SpaceError` with every line that cannot be read, or not in one way only."""
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)  # more is refused, however much it is
        except (OSError, ValueError) as error:
            raise SpaceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        try:
            read = read_yaml_text(data)
        except YamlError as error:
            raise SpaceError([finding.sentence(str(path)) for finding in error.findings]) from None
        if not isinstance(read.content, dict):
            raise SpaceError(f"{path}: holds no settings; a space is a mapping such as `family: patchconvnet`")
        return cls(path, read.content, dict(read.lines))

    def override(self, settings: Mapping[str, Any]) -> "SpaceFile":
        """Set dotted keys to new values; raise `SpaceError` where a key leads through a value that has no parts."""
        short = {**SHORT_FORMS, "pooling": "name"}
        content = copy.deepcopy(self.content)
        for key, value in settings.items():
            *parents, last = _steps(key)
            if len(parents) >= MOST_STEPS:
                raise SpaceError(f"--set {shortened(key)}: has {len(parents) + 1} parts; no setting lies so deep")
            node = content
            for i, parent in enumerate(parents):
                inner: Any = node.get(parent)
                if parent in short and isinstance(inner, str):
                    inner = {short[parent]: inner}
                elif inner is None:
                    inner = {}
                if not isinstance(inner, dict):
                    raise SpaceError(f"--set {key}: '{'.'.join(parents[: i + 1])}' is {shown(inner)} and has no parts")
                node[parent] = node = dict(inner)  # by itself, for an alias (*name) may have put it elsewhere too
            for other in names_of(last) - {last}:
                if ".".join([*parents, other]) not in settings:  # else it is given twice, which is a mistake
                    node.pop(other, None)
            if isinstance(value, Removed):
                if node.pop(last, value) is value:
                    raise SpaceError(f"--set {key}-: the space has no {key} to remove")
            else:
                node[last] = value
        return replace(self, content=content, overrides=(*self.overrides, *settings))

    def place(self, dotted: str | KeyPath, *, item: int | None = None) -> str:
        """Prefix for a message: `file.yaml:7: axes.depth: `, or `--set axes.depth: ` where it was overridden.

        Args:
            item: which item of the list at `dotted` the line is of.
        """
        steps: KeyPath = tuple(_steps(dotted)) if isinstance(dotted, str) else dotted
        name = _dotted(steps)
        for key in self.overrides:
            if name == key or name.startswith(f"{key}."):
                return f"--set {name}: "
        within = steps if item is None else (*steps, item)
        line = next((self.lines[within[:n]] for n in range(len(within), 0, -1) if within[:n] in self.lines), None)
        where = f"{self.path}:{line}: " if line else f"{self.path}: "
        return f"{where}{name}: " if name else where


def names_of(name: str) -> set[str]:
    """Return all names, the present and the earlier ones, of the setting that has this name."""
    present = present_name(name)
    return {present, *EARLIER_NAMES.get(present, ())}


def _steps(key: str) -> list[str]:
    """Split a dotted key; the name of an axis may itself be dotted, as in axes.recipe.learning_rate."""
    section, _, name = key.partition(".")
    if section in {"axes", "arms"} and name.startswith(("recipe.", "data.")):
        return [section, name]
    return key.split(".")


def _dotted(place: KeyPath) -> str:
    return ".".join(map(str, place))
