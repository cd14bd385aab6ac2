"""The nested form of a pooling in a space file: `{name: attention, heads: 4}`, as one value of `pooling`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from scaling.study.config import as_whole
from scaling.study.flat_pooling import pooling_text
from scaling.wording import shown

Scalar = bool | int | float | str


class PoolingSetting(BaseModel):
    """A pooling with options. Its text is the name of the arm or axis value: `attention heads=4`."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    # options by name
    __pydantic_extra__: dict[str, Scalar | None] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    name: str = Field(description="a registered pooling, such as attention")

    def __str__(self) -> str:
        return pooling_text({"name": self.name, **self.options})

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def options(self) -> dict[str, Any]:
        return self.__pydantic_extra__ or {}


def read_value(value: Any) -> Any:
    """Read a value of a parameter: a pooling with options as `read_pooling` does, and 4.0 as 4."""
    return read_pooling(value) if isinstance(value, Mapping) else as_whole(value)


def read_pooling(value: Any) -> Any:
    """Turn a mapping into a `PoolingSetting`, or into its name where it has no options; pass on anything else.

    An option of None is not given. An option that is unknown or has a wrong value stays as it is, for the check of the
    space to report.

    Raises:
        ValueError: the mapping is not a pooling with options.
    """
    if not isinstance(value, Mapping):
        return value
    name = value.get("name")
    if not isinstance(name, str):
        problem = f"{shown(dict(value))} has no name"
        raise ValueError(f"{problem}; write a pooling with options as {{name: attention, heads: 4}}")
    for option, setting in value.items():
        if not isinstance(option, str) or not isinstance(setting, Scalar | None):
            raise ValueError(f"pooling option {option} needs a number or a word; it is {shown(setting)}")
    options = _given(name, {option: as_whole(setting) for option, setting in value.items() if option != "name"})
    return PoolingSetting.model_validate({"name": name, **options}) if options else name


def _given(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given, with their values as written: the flat form must give the same key."""
    if None not in options.values():
        return dict(options)
    from scaling.models.pooling import POOLINGS, options_of  # loads torch, which most spaces do not need to be read

    known = options_of(POOLINGS[name]) if name in POOLINGS else {}
    return {option: value for option, value in options.items() if value is not None or option not in known}


def as_arch(value: Any) -> Any:
    """Return a value of a parameter as families read it: a pooling with options as a mapping."""
    return {"name": value.name, **value.options} if isinstance(value, PoolingSetting) else value
