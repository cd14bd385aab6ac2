"""What a function's signature says about its arguments, checked without calling it: pydantic reads the annotations."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from scaling.study.errors import unknown

# pydantic's error type -> the end of the sentence "NAME VALUE …"; what is not listed keeps pydantic's own words
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
    """Return the keyword-only parameters of `function`, their annotations resolved."""
    hints = get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


@functools.cache
def _adapter(function: Callable[..., Any], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(arguments(function)[name].annotation, config=ConfigDict(allow_inf_nan=False))


def check_argument(function: Callable[..., Any], name: str, value: Any) -> tuple[Any, list[str]]:
    """Coerce one argument to its annotation; return it with a list of what is wrong with it, empty where it is right.

    Problems begin with the argument's name: `width 30 is not a multiple of 8`.
    """
    # A quoted number or a boolean where a number belongs is a mistake, not a number: `true` is not a width.
    strict = isinstance(value, bool | str)
    try:
        return _adapter(function, name).validate_python(value, strict=strict), []
    except ValidationError as error:
        return value, list(dict.fromkeys(_sentence(name, value, detail) for detail in _relevant(error)))


def check_arguments(
    function: Callable[..., Any], given: Mapping[str, Any], *, kind: str, partial: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Coerce the arguments in `given`; return them with a list of every problem: unknown, wrong, missing.

    `kind` says what an argument is called in the sentence about an unknown one; `partial` tolerates missing ones.
    """
    known = arguments(function)
    coerced: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in given.items():
        if name in known:
            coerced[name], wrong = check_argument(function, name, value)
            problems += wrong
        else:
            problems.append(unknown(kind, name, known))
    if not partial:
        problems += [f"needs {name}" for name in required(function) if name not in given]
    return coerced, problems


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments that have no default."""
    return [name for name, parameter in arguments(function).items() if parameter.default is inspect.Parameter.empty]


def _relevant(error: ValidationError) -> Iterator[ErrorDetails]:
    """Of the complaints about a union, keep those of the member that came closest: a bound beats a wrong type."""
    details = error.errors(include_url=False)
    bounds = [detail for detail in details if "type" not in detail["type"] and "parsing" not in detail["type"]]
    return iter(bounds or details[:1])


def _sentence(name: str, value: Any, detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":  # raised by a validator of ours, a whole sentence already
        return str(detail.get("ctx", {}).get("error", detail["msg"]))
    template = _SENTENCES.get(detail["type"])
    said = template.format(**detail.get("ctx", {})) if template else detail["msg"][:1].lower() + detail["msg"][1:]
    shown = value if isinstance(value, int | float) else repr(value)
    return f"{name} {shown} {said}" if template else f"{name} {shown}: {said}"
