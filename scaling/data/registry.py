"""Registry of data sources, and the lookup from a SPEC such as `folder:PATH` to what a source holds.

A source is one function decorated with `@source` in a file of `scaling/data/`. It lists the images and labels.
`load_data` splits, decodes, resizes and checks them, in the same way for all sources.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scaling.data.images import Images
from scaling.data.listing import PassedOver
from scaling.study.config import DataConfig
from scaling.study.errors import DataError, unknown
from scaling.study.registry import Registry


@dataclass(frozen=True)
class Spec:
    """A data source as the user writes it: `name` or `name:argument`."""

    name: str
    argument: str

    def __str__(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name


@dataclass(frozen=True)
class Examples:
    """One of a source's own sets."""

    name: str  # for messages: a folder or a file
    images: Images
    labels: np.ndarray  # int64 (N,)


@dataclass(frozen=True)
class SourceContent:
    """What a source holds: one, two or three sets named train, validation and test; and what it leaves out.

    `passed_over` and `remarks` are shown with the data before anything runs.
    """

    sets: Mapping[str, Examples]
    class_names: tuple[str, ...]
    flip: bool = True  # whether an image and its mirror image belong to the same class
    shift: float = 1 / 8  # largest shift of a random crop, as a fraction of the shorter side
    passed_over: PassedOver = field(default_factory=PassedOver)  # files and folders that are there but not read
    remarks: tuple[str, ...] = ()  # one line each: what was taken for what, such as a set without labels for absent


SourceFunction = Callable[[Spec, DataConfig], SourceContent]


@dataclass(frozen=True)
class DataSource:
    """A registered source: its function, and the name of the argument that follows the colon, if any."""

    read: SourceFunction
    argument: str | None


SOURCES: Registry[DataSource] = Registry("data source", "scaling.data")


def source(*names: str, argument: str | None = None) -> Callable[[SourceFunction], SourceFunction]:
    """Register the decorated function as the data source of these names.

    Args:
        argument: what the user writes after the name and a colon, such as PATH; None if nothing follows.
    """

    def register(function: SourceFunction) -> SourceFunction:
        for name in names:
            SOURCES.add(name, DataSource(function, argument), module=function.__module__)
        return function

    return register


def find(config: DataConfig) -> SourceContent:
    """Look up the source that `config` names and list its content.

    Raises:
        DataError: the source is unknown or cannot be read.
    """
    name, colon, argument = config.source.partition(":")
    if name not in SOURCES:
        raise DataError(unknown("data source", name, SOURCES, _likely(config.source)))
    wanted = SOURCES[name].argument
    if wanted and not argument:
        raise DataError(f"data source '{config.source}' needs its {wanted.lower()}: write {name}:{wanted}")
    if not wanted and colon:
        raise DataError(f"data source '{name}' takes nothing after a colon; write {name}")
    return SOURCES[name].read(Spec(name, argument), config)


def _likely(source: str) -> str | None:
    """What a source that is not registered is likely to mean: a path is a folder, ImageNet is the user's own."""
    if source.lower() in ("imagenet", "imagenet1k", "imagenet-1k", "ilsvrc2012"):
        return "folder:PATH, with ImageNet's train and val in PATH"
    if any(mark in source for mark in "/\\~.") or Path(source).exists():
        path = source.removeprefix("file://")
        return f"{'parquet' if path.endswith('.parquet') else 'wds' if path.endswith('.tar') else 'folder'}:{path}"
    return None
