"""Checks of arguments against a function's signature without calling it; pydantic reads the annotations."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from scaling.wording import shown

MOST_NUMBER = 1_000_000  # that a parameter may be, whatever its annotation says: no such network can be built

# pydantic's error type -> the end of the sentence "NAME VALUE …"; types that are not listed keep pydantic's wording
_SENTENCES: dict[str, str] = {
    "multiple_of": "is not a multiple of {multiple_of}",
    "greater_than": "is not above {gt}",
    "greater_than_equal": "is below {ge}",
    "less_than": "is not below {lt}",
    "less_than_equal": "is above {le}",
    "literal_error": "is none of {expected}",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "finite_number": "is not finite",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "string_type": "is not a name",
}


@functools.cache
def arguments(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of `function` that can be given by name, with their annotations resolved.

    A class counts as its constructor. A parameter without annotation may have any value.
    """
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }


@functools.cache
def _adapter(function: Callable[..., Any], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(arguments(function)[name].annotation, config=ConfigDict(allow_inf_nan=False))


def check_argument(function: Callable[..., Any], name: str, value: Any) -> tuple[Any, list[str]]:
    """Coerce one argument to its annotation; return it with a list of its problems, empty where there are none.

    Problems begin with the argument's name: `width 30 is not a multiple of 8`.
    """
    # a quoted number, or a boolean in place of a number, is a mistake: `true` is not a width
    strict = isinstance(value, bool | str)
    try:
        read = _adapter(function, name).validate_python(value, strict=strict)
        is_large = isinstance(read, int | float) and abs(read) > MOST_NUMBER
        return read, [f"{name} {shown(value)} is above {MOST_NUMBER:,}, which no parameter may be"] * is_large
    except ValidationError as error:
        return value, list(dict.fromkeys(_sentence(name, value, detail) for detail in _relevant(error)))


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments that have no default."""
    return [name for name, parameter in arguments(function).items() if parameter.default is inspect.Parameter.empty]


def _relevant(error: ValidationError) -> Iterator[ErrorDetails]:
    """Return the errors of the member of a union that came closest: a violated bound is closer than a wrong type."""
    details = error.errors(include_url=False)
    bounds = [detail for detail in details if "type" not in detail["type"] and "parsing" not in detail["type"]]
    return iter(bounds or details[:1])


def _sentence(name: str, value: Any, detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":  # raised by a validator of this package, already a whole sentence
        return str(detail.get("ctx", {}).get("error", detail["msg"]))
    template = _SENTENCES.get(detail["type"])
    said = template.format(**detail.get("ctx", {})) if template else detail["msg"][:1].lower() + detail["msg"][1:]
    return f"{name} {shown(value)} {said}" if template else f"{name} {shown(value)}: {said}"
