"""The table of importers: how one is added, and how `--import` and `--arm` are parsed."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from scaling.report.imports.outcome import Imported
from scaling.study.errors import RecordError, unknown
from scaling.study.registry import Registry


@dataclass(frozen=True)
class ArmColumn:
    """The column that holds the arms, and the values to take, the baseline first; none named: the most common."""

    column: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportRequest:
    """What to import: `timm:results.csv,benchmark.csv`, `csv:runs.csv?accuracy=acc&cell=depth,width`."""

    kind: str
    paths: tuple[Path, ...]
    options: Mapping[str, str] = field(default_factory=dict)  # what follows the question mark
    arms: ArmColumn | None = None

    def refuse_options(self, known: tuple[str, ...]) -> None:
        """Raise `RecordError` for an option that the importer does not know."""
        for name in self.options:
            if name not in known:
                raise RecordError(f"--import {self.kind}: {unknown('option', name, known)}")

    def names(self, option: str) -> list[str]:
        """The parts of an option that lists columns: `depth` and `width` of `cell=depth,width`."""
        return list(dict.fromkeys(part.strip() for part in self.options.get(option, "").split(",") if part.strip()))


Read = Callable[[ImportRequest], Imported]


@dataclass(frozen=True)
class Importer:
    """A registered importer, and the argument that follows its prefix."""

    read: Read
    argument: str


IMPORTERS: Registry[Importer] = Registry("importer", "scaling.report.imports")


def importer(name: str, *, argument: str) -> Callable[[Read], Read]:
    """Register a function as the importer of a format.

    The function receives an `ImportRequest` whose paths exist and returns `Imported`: rows in this package's units, and
    a note for everything that it assumed, ignored or left out. It must read text only, execute and unpickle nothing,
    call `request.refuse_options`, and raise `RecordError` with one line for whatever it cannot read.

    Args:
        name: prefix of `--import`.
        argument: what follows the prefix and a colon, such as FILE; for messages.
    """

    def register(read: Read) -> Read:
        IMPORTERS.add(name, Importer(read, argument), module=read.__module__)
        return read

    return register


def parse(spec: str, arm: str | None = None, arms: str | None = None) -> ImportRequest:
    """Parse `KIND:PATH[,PATH][?NAME=VALUE&…]`, `COLUMN[=VALUE,VALUE…]` and `COLUMN,COLUMN…`.

    Args:
        arm: the column of the arms, and those to take.
        arms: columns that hold the scores of one arm each; the same as the option `arms=` of `spec`.

    Raises:
        RecordError: the kind is unknown, its argument is missing, or a path does not exist.
    """
    kind, _, argument = spec.partition(":")
    if kind not in IMPORTERS:
        raise RecordError(f"--import {unknown('kind', kind, IMPORTERS)}; write KIND:FILE, such as timm:results.csv")
    if not argument:
        raise RecordError(f"--import {kind} needs its {IMPORTERS[kind].argument}: {kind}:{IMPORTERS[kind].argument}")
    where, options = _split(argument)
    whole = Path(where).expanduser()  # a file name may contain a comma
    paths = (
        (whole,)
        if os.path.exists(whole)
        else tuple(Path(part.strip()).expanduser() for part in where.split(",") if part.strip())
    )
    missing = [f"--import {kind}: {path} does not exist" for path in paths if not os.path.exists(path)]
    if missing:
        raise RecordError(missing)
    if arms:
        options = {**options, "arms": arms}
    return ImportRequest(kind, paths, options, _arms(arm) if arm else None)


def _split(argument: str) -> tuple[str, dict[str, str]]:
    if os.path.exists(argument):  # unlike Path.exists, accepts strings too long for a path
        return argument, {}
    where, mark, query = argument.partition("?")
    options: dict[str, str] = {}
    for part in query.split("&") if mark else []:
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise RecordError(
                f"--import {argument}: '{part}' is not NAME=VALUE, as in csv:runs.csv?accuracy=acc&macs=gmacs*1e9"
            )
        options[name.strip()] = unquote(value.strip())
    return where, options


def _arms(text: str) -> ArmColumn:
    column, _, values = text.partition("=")
    return ArmColumn(column.strip(), tuple(value.strip() for value in values.split(",") if value.strip()))
