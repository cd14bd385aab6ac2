"""Mistakes that a user can mend: said in one clear line each, never as a traceback."""

import difflib
import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec

Arguments = ParamSpec("Arguments")


class ScalingError(Exception):
    """A mistake outside the program: what is wrong, where, what is known, what to do.

    It carries one line per mistake, so that several are told at once.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["ScalingError"], tuple[list[str]]]:
        return type(self), (self.problems,)


class SpaceError(ScalingError):
    """A space file, or an override of it, that does not say what to run."""


class ModelError(ScalingError):
    """Architecture parameters from which no network can be built."""


class DataError(ScalingError):
    """Images or labels that cannot be read; names the file."""


class CostError(ScalingError):
    """A cost that cannot be trusted."""


class TrainingError(ScalingError):
    """Training that cannot go on, such as a single image that does not fit into memory."""


class StorageError(ScalingError):
    """A place that cannot be read or written, such as a full disk or a store that does not answer."""


class PluginError(ScalingError):
    """A plugin that cannot be loaded, or that defines what is there already."""


class RecordError(ScalingError):
    """Results that cannot be read, or that belong to another study."""


def unknown(kind: str, name: object, known: Iterable[object]) -> str:
    """Say that `name` is no known `kind`, which ones are, and which was probably meant."""
    names = sorted(str(k) for k in known)
    meant = difflib.get_close_matches(str(name), names, n=1)
    hint = f"; did you mean '{meant[0]}'?" if meant else ""
    return f"unknown {kind} '{name}'{hint} (known: {', '.join(names)})"


def command(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Wrap a command's `main(argv)`: a `ScalingError` becomes lines on stderr and exit code 2, Ctrl-C one and 130."""

    @functools.wraps(main)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except ScalingError as mistake:
            for problem in mistake.problems:
                print(f"error: {problem}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return wrapped
