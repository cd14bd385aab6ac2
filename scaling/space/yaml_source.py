"""Source: what a YAML file and the command line say, with the place of every key, so that mistakes can name it."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from scaling.study.errors import SpaceError, unknown

Place = tuple[str | int, ...]

SHORT_FORMS = {
    "data": "source",
    "recipe": "base",
    "match": "cost",
    "search": "design",
    "tune": "lr",
}  # a word in place of the section means this key of it

PHRASES = {  # pydantic's findings in the words of a YAML file
    "dict_type": "needs names and values, as in {depth: [2, 4]}",
    "model_type": "needs names and values, as in {epochs: 5}",
    "list_type": "needs a list, as in [2, 4]",
    "bool_type": "needs a number or a word",
    "string_type": "needs text",
    "int_parsing": "needs a whole number",
    "int_type": "needs a whole number",
    "int_from_float": "needs a whole number",
    "float_parsing": "needs a number",
    "float_type": "needs a number",
}


class Loader(yaml.SafeLoader):
    """YAML without tags that construct objects; 1e-3 is a number, as in YAML 1.2, and no word, as in 1.1."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml(text: str) -> Any:
    """What a YAML text says; raise `yaml.YAMLError` where it is none."""
    return yaml.load(text, Loader=Loader)


@dataclass(frozen=True)
class Source:
    """The content of a file after overrides, and where each part of it was said."""

    path: Path
    content: dict[str, Any]
    lines: dict[Place, int] = field(default_factory=dict)  # place in the content → line of the file, from 1
    overrides: tuple[str, ...] = ()  # dotted keys set on the command line

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Read a YAML file; raise `SpaceError` with the line where it is not YAML, or says a key twice."""
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
        lines: dict[Place, int] = {}
        try:
            twice = _number_lines(root, (), lines)
        except RecursionError:
            raise SpaceError(f"{path}: an alias (*name) stands within what it names; write it out") from None
        if twice:
            raise SpaceError([f"{path}:{line}: {_dotted(place)}: said twice; keep one" for place, line in twice])
        return cls(path, content, lines)

    def override(self, settings: Mapping[str, Any]) -> "Source":
        """Set dotted keys to new values; raise `SpaceError` where a key leads through something that has no parts."""
        content = copy.deepcopy(self.content)
        for key, value in settings.items():
            *parents, last = _steps(key)
            node = content
            for i, parent in enumerate(parents):
                inner: Any = node.get(parent)
                if parent in SHORT_FORMS and isinstance(inner, str):
                    inner = {SHORT_FORMS[parent]: inner}
                elif inner is None:
                    inner = {}
                if not isinstance(inner, dict):
                    raise SpaceError(f"--set {key}: '{'.'.join(parents[: i + 1])}' is {inner!r} and has no parts")
                node[parent] = node = inner
            node[last] = value
        return replace(self, content=content, overrides=(*self.overrides, *settings))

    def place(self, dotted: str | Place) -> str:
        """Prefix for a message: `file.yaml:7: axes.depth: `, or `--set axes.depth: ` where it was overridden."""
        steps: Place = tuple(_steps(dotted)) if isinstance(dotted, str) else dotted
        name = _dotted(steps)
        for key in self.overrides:
            if name == key or name.startswith(f"{key}."):
                return f"--set {name}: "
        for length in range(len(steps), 0, -1):
            if steps[:length] in self.lines:
                return f"{self.path}:{self.lines[steps[:length]]}: {name}: "
        return f"{self.path}: {name}: " if name else f"{self.path}: "

    def steps(self, loc: Place) -> Place:
        """Pydantic's path without the names of union members, which are no part of the file."""
        return tuple(step for i, step in enumerate(loc) if i == 0 or _is_in(self.content, loc, i))

    def explain(self, error: ErrorDetails, model: type[BaseModel]) -> str:
        """Say one of pydantic's findings in one line: place, what is wrong, what is known."""
        steps = self.steps(error["loc"])
        kind = error["type"]
        if kind == "extra_forbidden":
            owner = _model_at(model, steps[:-1])
            *section, name = steps
            where = self.place(tuple(section)) if section else self.place(steps).replace(f"{name}: ", "", 1)
            return where + unknown("setting", name, owner.model_fields if owner else ())
        if kind == "missing":
            return f"{self.path}: {_dotted(error['loc'])} is missing; every space needs it"
        if kind == "value_error":
            return self.place(steps) + str(error["ctx"]["error"] if "ctx" in error else error["msg"])
        if kind == "literal_error":
            known = re.findall(r"'([^']+)'", error.get("ctx", {}).get("expected", ""))
            return self.place(steps) + unknown(str(error["loc"][-1]), error["input"], known)
        message = PHRASES.get(kind, error["msg"][:1].lower() + error["msg"][1:])
        return self.place(steps) + f"{message}; it is {error['input']!r}"


def _number_lines(node: Any, place: Place, lines: dict[Place, int]) -> list[tuple[Place, int]]:
    """Fill `lines` from YAML's node tree; return the keys that stand twice."""
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


def _is_in(content: Any, loc: tuple[int | str, ...], i: int) -> bool:
    """Whether step i of pydantic's path is a key of the file, rather than the name of a union member."""
    node = content
    for step in loc[:i]:
        if _has(node, step):
            node = node[step]
    return _has(node, loc[i])


def _has(node: Any, step: int | str) -> bool:
    if isinstance(node, dict):
        return step in node
    return isinstance(node, list) and isinstance(step, int) and step < len(node)


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    """The settings class that declares the keys at `place`."""
    for step in place:
        if isinstance(step, str) and step in model.model_fields:
            inner = next(_models_in(model.model_fields[step].annotation), None)
            if inner is None:
                return None
            model = inner  # any further step is a name of the user's own, in a mapping to settings
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Settings classes that an annotation mentions, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _steps(key: str) -> list[str]:
    """Path that a dotted key means; the name of an axis may itself be dotted, as in axes.recipe.learning_rate."""
    section, _, name = key.partition(".")
    if section in {"axes", "arms"} and name.startswith(("recipe.", "data.")):
        return [section, name]
    return key.split(".")


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))
