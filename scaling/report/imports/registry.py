"""Registry: an importer is a decorated function from a request to rows; its prefix is the kind of `--import`."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from scaling.report.imports.outcome import Imported
from scaling.study.errors import RecordError, unknown


@dataclass(frozen=True)
class Arms:
    """Which column tells the arms, and which of its values take part, the baseline first; none named: the commonest."""

    column: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What to import: `timm:results.csv,benchmark.csv`, `csv:runs.csv?accuracy=acc&cell=depth,width`."""

    kind: str
    paths: tuple[Path, ...]
    options: Mapping[str, str] = field(default_factory=dict)  # what stands behind the question mark
    arms: Arms | None = None

    def refuse_options(self, known: tuple[str, ...]) -> None:
        """Raise `RecordError` for an option that the importer does not know."""
        for name in self.options:
            if name not in known:
                raise RecordError(f"--import {self.kind}: {unknown('option', name, known)}")


Importer = Callable[[Request], Imported]


@dataclass(frozen=True)
class Kind:
    """A registered importer, and what follows its prefix."""

    read: Importer
    argument: str


IMPORTERS: dict[str, Kind] = {}


def importer(name: str, *, argument: str) -> Callable[[Importer], Importer]:
    """Register a function as the importer of a kind; to be used as a decorator.

    Args:
        name: prefix of `--import`.
        argument: what follows it and a colon, such as FILE.
    """

    def register(read: Importer) -> Importer:
        if name in IMPORTERS:
            raise ValueError(f"an importer named '{name}' is registered already")
        IMPORTERS[name] = Kind(read, argument)
        return read

    return register


def parse(spec: str, arms: str | None = None) -> Request:
    """Read `KIND:PATH[,PATH][?NAME=VALUE&…]` and `COLUMN[=VALUE,VALUE…]`.

    Raises:
        RecordError: no such kind, nothing behind it, or a path that is not there.
    """
    kind, _, argument = spec.partition(":")
    if kind not in IMPORTERS:
        raise RecordError(f"--import {unknown('kind', kind, IMPORTERS)}; write KIND:FILE, such as timm:results.csv")
    if not argument:
        raise RecordError(f"--import {kind} needs its {IMPORTERS[kind].argument}: {kind}:{IMPORTERS[kind].argument}")
    where, options = _split(argument)
    whole = Path(where).expanduser()  # a name with a comma in it is a name, if there is such a file
    paths = (
        (whole,)
        if os.path.exists(whole)
        else tuple(Path(part.strip()).expanduser() for part in where.split(",") if part.strip())
    )
    missing = [f"--import {kind}: there is no {path}" for path in paths if not os.path.exists(path)]
    if missing:
        raise RecordError(missing)
    return Request(kind, paths, options, _arms(arms) if arms else None)


def _split(argument: str) -> tuple[str, dict[str, str]]:
    if os.path.exists(argument):  # unlike Path.exists, it bears what is too long to be a path
        return argument, {}
    where, mark, query = argument.partition("?")
    options: dict[str, str] = {}
    for part in query.split("&") if mark else []:
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise RecordError(
                f"--import {argument}: '{part}' is not NAME=VALUE; such as csv:runs.csv?accuracy=acc&macs=gmacs*1e9"
            )
        options[name.strip()] = unquote(value.strip())
    return where, options


def _arms(text: str) -> Arms:
    column, _, values = text.partition("=")
    return Arms(column.strip(), tuple(value.strip() for value in values.split(",") if value.strip()))
