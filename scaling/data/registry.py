"""The data sources: how one is registered, and how a SPEC such as `folder:PATH` finds it.

A source is one function registered by `@source`. It names and opens the images; splitting, decoding, resizing and
checking are the same for all and done by `load_data`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from scaling.data.images import Images
from scaling.study.config import DataConfig
from scaling.study.errors import DataError, unknown


@dataclass(frozen=True)
class Spec:
    """A source as the user names it: `name` or `name:argument`."""

    name: str
    argument: str

    def __str__(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name


@dataclass(frozen=True)
class Examples:
    """One of a source's own sets."""

    name: str  # for messages: a folder, a file
    images: Images
    labels: np.ndarray  # int64 (N,)


@dataclass(frozen=True)
class Found:
    """What a source holds: one, two or three sets under the names train, validation and test."""

    sets: Mapping[str, Examples]
    class_names: tuple[str, ...]
    flip: bool = True  # whether mirror images are of the same class
    shift: float = 1 / 8  # how far a random crop may move an image, as a part of its shorter side


SourceFunction = Callable[[Spec, DataConfig], Found]


@dataclass(frozen=True)
class Source:
    """A registered source: the function, and what its argument is called, if it takes one."""

    read: SourceFunction
    argument: str | None


SOURCES: dict[str, Source] = {}


def source(*names: str, argument: str | None = None) -> Callable[[SourceFunction], SourceFunction]:
    """Register a function as the source behind some names; to be used as a decorator.

    Args:
        argument: what follows the name and a colon, such as PATH; None where nothing does.
    """

    def register(function: SourceFunction) -> SourceFunction:
        for name in names:
            if name in SOURCES:
                raise ValueError(f"a data source named '{name}' is registered already")
            SOURCES[name] = Source(function, argument)
        return function

    return register


def find(config: DataConfig) -> Found:
    """Ask the source that `config` names what it holds.

    Raises:
        DataError: no such source, or it cannot be read.
    """
    name, colon, argument = config.source.partition(":")
    if name not in SOURCES:
        raise DataError(unknown("data source", name, SOURCES))
    wanted = SOURCES[name].argument
    if wanted and not argument:
        raise DataError(f"data source '{config.source}' needs its {wanted.lower()}: write {name}:{wanted}")
    if not wanted and colon:
        raise DataError(f"data source '{name}' takes nothing after a colon; write {name}")
    return SOURCES[name].read(Spec(name, argument), config)
