"""Read the form of settings key by key, so that a mistake in one key hides none in another."""

import functools
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from scaling.space.meant import meant
from scaling.space.yaml_source import SpaceFile
from scaling.study.config import Settings
from scaling.study.errors import unknown
from scaling.study.plain_yaml import KeyPath
from scaling.wording import shown

PHRASES = {  # pydantic's findings in the words of a YAML file
    "dict_type": "needs names and values, as in {depth: [2, 4]}",
    "model_type": "needs names and values, as in {epochs: 5}",
    "list_type": "needs a list, as in [2, 4]",
    "tuple_type": "needs a list, as in [2, 4]",
    "bool_type": "needs a number or a word",
    "string_type": "needs text",
    "int_parsing": "needs a whole number",
    "int_type": "needs a whole number",
    "int_from_float": "needs a whole number",
    "float_parsing": "needs a number",
    "float_type": "needs a number",
}
WRONG = object()  # in place of a value that cannot be read
S = TypeVar("S", bound=Settings)


class FormReader:
    """Reads settings from a file and collects every mistake in their form, one line each, in `problems`."""

    def __init__(self, file: SpaceFile, whole_model: type[Settings] | None = None) -> None:
        """Args: whole_model: the settings of a whole file, in which a setting in a wrong place is looked for."""
        self.file = file
        self.whole_model = whole_model
        self._problems: dict[KeyPath, str] = {}  # the first mistake at each place

    @property
    def problems(self) -> list[str]:
        return list(self._problems.values())

    def read(self, model: type[S], content: Any, path: KeyPath = ()) -> S | None:
        """Read settings; return None where they are not valid without their wrong parts.

        Args:
            path: where `content` lies in the file.
        """
        if isinstance(content, Mapping):
            if problem := model.misread(content):
                self._add(path, problem)
                return None
            return self.whole(model, self.parts(model, content, path), path)
        self._add(path, f"{PHRASES['model_type']}; it is {shown(content)}")
        return None

    def parts(self, model: type[Settings], content: Mapping[str, Any], path: KeyPath = ()) -> dict[str, Any]:
        """Read every setting on its own; return the right ones."""
        values: dict[str, Any] = {}
        twice = model.given_twice(content)
        for name, value in model.in_current_words(content).items():
            if name in model.model_fields:
                written = (*path, model.written_name(name, content))
                values[name] = self._value(_annotation(model, name), value, written)
            elif name in twice:
                self._add((*path, name), self.file.place(path) + twice[name], is_whole=True)
            else:
                self._add_unknown(path, name, model.model_fields)
        for name in _required(model):
            if name not in values:
                where = self.file.place(path) if path else f"{self.file.path}: "
                needed = "" if path else "; every space needs it"
                self._add((*path, name), f"{where}{name} is missing{needed}", is_whole=True)
        return {name: value for name, value in values.items() if value is not WRONG}

    def whole(self, model: type[S], right: Mapping[str, Any], path: KeyPath = ()) -> S | None:
        """Put settings together from their right parts; return None where that is not valid."""
        if any(name not in right for name in _required(model)):
            return None
        try:
            return model.model_validate(right)
        except ValidationError as error:
            self._add_findings(error, right, path)
            return None

    def _value(self, annotation: Any, value: Any, path: KeyPath) -> Any:
        """Read one value: settings and mappings key by key, anything else with pydantic."""
        if isinstance(value, Mapping) and typing.get_origin(annotation) is dict:
            return self._entries(typing.get_args(annotation)[1], value, path)
        if isinstance(value, Mapping) and (inner := next(_settings_in(annotation), None)):
            read = self.read(inner, value, path)
            return WRONG if read is None else read
        try:
            return _adapter(annotation).validate_python(value)
        except ValidationError as error:
            self._add_findings(error, value, path)
            return WRONG

    def _entries(self, annotation: Any, value: Mapping[Any, Any], path: KeyPath) -> Any:
        """Read a mapping from the user's own names to values; it is wrong if all of its entries are."""
        right: dict[str, Any] = {}
        for name, one in value.items():
            if not isinstance(name, str):
                self._add((*path, name), f"{PHRASES['string_type']}; it is {shown(name)}")
            elif (read := self._value(annotation, one, (*path, name))) is not WRONG:
                right[name] = read
        return right if right or not value else WRONG

    def _add_findings(self, error: ValidationError, value: Any, path: KeyPath) -> None:
        for finding in error.errors(include_url=False):
            inside = _steps_in(value, finding["loc"])
            self._add((*path, *inside), _sentence(finding, (*path, *inside)))

    def _add_unknown(self, path: KeyPath, name: str, known: Mapping[str, Any]) -> None:
        where = self.file.place(path) if path else self.file.place((name,)).replace(f"{name}: ", "", 1)
        if ".".join(map(str, (*path, name))) in self.file.overrides:
            where = self.file.place((*path, name))
        likely = meant(self.whole_model, self.file.content, path, name, known) if self.whole_model else None
        self._add((*path, name), where + unknown("setting", name, known, likely), is_whole=True)

    def _add(self, path: KeyPath, message: str, *, is_whole: bool = False) -> None:
        self._problems.setdefault(path, message if is_whole else self.file.place(path) + message)


def _sentence(finding: ErrorDetails, path: KeyPath) -> str:
    """Say one of pydantic's findings in the words of a YAML file."""
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "value_error":
        return str(context["error"] if "error" in context else finding["msg"])
    if kind == "literal_error":
        known = re.findall(r"'([^']+)'", context.get("expected", ""))
        name = next((step for step in reversed(path) if isinstance(step, str)), "value")
        return unknown(name, finding["input"], known)
    message = PHRASES.get(kind, finding["msg"][:1].lower() + finding["msg"][1:])
    return f"{message}; it is {shown(finding['input'])}"


def _steps_in(value: Any, loc: Sequence[int | str]) -> KeyPath:
    """Pydantic's path without the names of union members, which are not in the file."""
    kept: list[int | str] = []
    for step in loc:
        inside: Mapping[Any, Any] = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(inside, Mapping):
            continue
        if step in inside:
            kept.append(step)
            value = inside[step]
    return tuple(kept)


def _required(model: type[Settings]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _annotation(model: type[Settings], name: str) -> Any:
    """Type of a setting with its constraints."""
    field = model.model_fields[name]
    annotation: Any = field.annotation
    for constraint in field.metadata:
        annotation = typing.Annotated[annotation, constraint]
    return annotation


@functools.lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return TypeAdapter(annotation, config=None if is_model else ConfigDict(allow_inf_nan=False))


def _settings_in(annotation: Any) -> Iterator[type[Settings]]:
    """Yield the settings classes that an annotation mentions, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _settings_in(part)
