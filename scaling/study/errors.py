"""Errors that a user can fix: reported as one clear line each, never as a traceback."""

import difflib
from collections.abc import Iterable, Sequence

from scaling.wording import shortened

MOST_LETTERS = 4000  # of a problem
MOST_LETTERS_OF_NAME = 80  # that is unknown


class ScalingError(Exception):
    """A mistake outside the program. The message states what is wrong, where, what is known and what to do.

    It holds one line per problem, so that several are reported at once; ends of lines and letters that cannot be
    printed, which names of the user may hold, are replaced.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        lines = [problems] if isinstance(problems, str) else list(problems)
        self.problems = [shortened(line, MOST_LETTERS) for line in lines]
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["ScalingError"], tuple[list[str]]]:
        return type(self), (self.problems,)


class SpaceError(ScalingError):
    """A space file, or an override of it, is invalid."""


class ModelError(ScalingError):
    """No network can be built from the architecture parameters."""


class DataError(ScalingError):
    """Images or labels cannot be read; the message names the file."""


class CostError(ScalingError):
    """A cost cannot be trusted."""


class TrainingError(ScalingError):
    """Training cannot continue, for example because a single image does not fit into memory."""


class StorageError(ScalingError):
    """A file cannot be read or written, for example on a full disk or a store that does not answer."""


class PluginError(ScalingError):
    """A plugin cannot be loaded, or defines a name that is already taken."""


class RecordError(ScalingError):
    """Results cannot be read, or belong to another study."""


BROKEN_PLUGINS: dict[str, str] = {}  # installed packages that cannot be imported, and why; see `plugins.load`
# what is looked up by a name that a plugin may have given it
MODELS = ("family", "pooling", "data source", "loss", "augmentation", "rule", "learning-rate rule", "task")
STUDIES = ("design", "stopping rule", "tracker", "metric", "cost", "objective", "kind")
ADDED = {*MODELS, *STUDIES}


def unknown(kind: str, name: object, known: Iterable[object], likely: str | None = None) -> str:
    """Return a message that `name` is not a known `kind`, with the known names and the `likely` or most similar one."""
    names = sorted(str(k) for k in known)
    name = shortened(str(name), MOST_LETTERS_OF_NAME)
    meant = [likely] if likely else difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean '{meant[0]}'?" if meant else ""
    broken = _broken_plugins() if kind in ADDED else ""
    return f"unknown {kind} '{name}'{hint} (known: {', '.join(names) or 'none'}){broken}"


def _broken_plugins() -> str:
    """Mention of the installed packages that would have added names, had they been imported."""
    return "".join(f"; {title}, which cannot be imported here, may define it" for title in BROKEN_PLUGINS)
