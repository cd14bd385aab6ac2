"""The content of a YAML file and the overrides of the command line, with the line of every key for messages."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from scaling.study.aliases import EARLIER_NAMES, present_name
from scaling.study.errors import SpaceError

KeyPath = tuple[str | int, ...]

SHORT_FORMS = {
    "data": "source",
    "recipe": "base",
    "match": "cost",
    "search": "design",
    "tune": "lr",
}  # section → the key that a single word in its place stands for


class Loader(yaml.SafeLoader):
    """YAML without tags that construct objects, so that a file executes nothing; 1e-3 is a number, as in YAML 1.2."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml(text: str) -> Any:
    """Parse a YAML text; raise `yaml.YAMLError` where it is not YAML."""
    return yaml.load(text, Loader=Loader)


@dataclass(frozen=True)
class SpaceFile:
    """The content of a space file after overrides, and the line of each of its keys."""

    path: Path
    content: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)  # path of a key → its line in the file, from 1
    overrides: tuple[str, ...] = ()  # dotted keys set on the command line

    @classmethod
    def read(cls, path: Path) -> "SpaceFile":
        """Read a YAML file; raise `SpaceError` with the line where it is not YAML or has a key twice."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpaceError(f"{path} cannot be read: {error}") from None
        try:
            root = yaml.compose(text, Loader=Loader)
            content = read_yaml(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise SpaceError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
        if not isinstance(content, dict):
            raise SpaceError(f"{path}: holds no settings; a space is a mapping such as `family: patchconvnet`")
        lines: dict[KeyPath, int] = {}
        try:
            twice = _number_lines(root, (), lines)
        except RecursionError:
            raise SpaceError(f"{path}: an alias (*name) stands within what it names; write it out") from None
        if twice:
            raise SpaceError([f"{path}:{line}: {_dotted(place)}: given twice; keep one" for place, line in twice])
        return cls(path, content, lines)

    def override(self, settings: Mapping[str, Any]) -> "SpaceFile":
        """Set dotted keys to new values; raise `SpaceError` where a key leads through a value that has no parts."""
        short = {**SHORT_FORMS, "pooling": "name"}
        content = copy.deepcopy(self.content)
        for key, value in settings.items():
            *parents, last = _steps(key)
            node = content
            for i, parent in enumerate(parents):
                inner: Any = node.get(parent)
                if parent in short and isinstance(inner, str):
                    inner = {short[parent]: inner}
                elif inner is None:
                    inner = {}
                if not isinstance(inner, dict):
                    raise SpaceError(f"--set {key}: '{'.'.join(parents[: i + 1])}' is {inner!r} and has no parts")
                node[parent] = node = inner
            for other in names_of(last) - {last}:
                if ".".join([*parents, other]) not in settings:  # else it is given twice, which is a mistake
                    node.pop(other, None)
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


def _number_lines(node: Any, place: KeyPath, lines: dict[KeyPath, int]) -> list[tuple[KeyPath, int]]:
    """Fill `lines` from YAML's node tree; return the duplicate keys."""
    twice = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, key.value)
            line = key.start_mark.line + 1
            if inner in lines:
                twice.append((inner, line))
            lines[inner] = line
            twice += _number_lines(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines[(*place, i)] = value.start_mark.line + 1
            twice += _number_lines(value, (*place, i), lines)
    return twice


def _steps(key: str) -> list[str]:
    """Split a dotted key; the name of an axis may itself be dotted, as in axes.recipe.learning_rate."""
    section, _, name = key.partition(".")
    if section in {"axes", "arms"} and name.startswith(("recipe.", "data.")):
        return [section, name]
    return key.split(".")


def _dotted(place: KeyPath) -> str:
    return ".".join(map(str, place))
