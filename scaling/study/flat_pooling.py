"""The two forms of a pooling with options: nested as a space has it, flat as keys and records have it."""

from collections.abc import Mapping
from typing import Any

from scaling.study.errors import ModelError
from scaling.wording import shown


def pooling_text(nested: Mapping[str, Any]) -> str:
    """Name of a pooling with options, in records and tables: `attention heads=4`, options in alphabetical order."""
    options = sorted((option, value) for option, value in nested.items() if option != "name")
    return " ".join([str(nested.get("name")), *(f"{option}={value}" for option, value in options)])


def flat_pooling(arch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `arch` with `pooling: {name: attention, heads: 4}` as `pooling: attention, pooling_heads: 4`.

    Keys and records hold the flat form. Whether the pooling has such an option is not checked here but by
    `scaling.models.check_arch`, which must be given the nested form for that: a flat option of another pooling has no
    effect, a nested one is a mistake. A nested option of None is not given.

    Raises:
        ModelError: the mapping has no name, or an option has different values in the two forms; 1 and 1.0 differ.
    """
    nested = arch.get("pooling")
    if not isinstance(nested, Mapping):
        return dict(arch)
    if not isinstance(nested.get("name"), str):
        raise ModelError(
            f"pooling {shown(dict(nested))} has no name; write it as {{name: attention, heads: 4}},"
            " or as attention alone"
        )
    options = {f"pooling_{option}": value for option, value in nested.items() if option != "name" and value is not None}
    if problems := [
        f"{key} is {shown(arch[key])} and, inside pooling, {shown(value)}; keep one of them"
        for key, value in options.items()
        if key in arch and repr(arch[key]) != repr(value)  # 1, 1.0 and True are equal, but give different keys
    ]:
        raise ModelError(problems)
    flat: dict[str, Any] = {}
    for key, value in arch.items():
        flat |= {"pooling": nested["name"], **options} if key == "pooling" else {key: value}
    return flat
