"""What columns are for: which of them may name a cell, and which only keep books on a run."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from scaling.compare.settings import role
from scaling.report.imports.quantities import number, plain_name
from scaling.wording import listing, shortened

BOOKKEEPING = {  # last words of names
    "gpus", "cpus", "epoch", "step", "iteration", "iter", "index", "idx", "rank", "number", "no", "run", "runs",
    "runid", "count", "server", "machine", "hostname", "name", "names", "tags", "group", "author", "best", "last",
    "final", "max", "min", "eta", "total", "version", "state", "end", "start", "ended", "dir", "path", "file",
    "modified", "finish", "completed", "nodes", "id", "ids", "uid", "created", "host", "value", "values",
}  # fmt: skip
PROGRESS = ("epoch", "training_iteration", "global_step", "trainer_global_step", "step", "iteration", "iter")
LONGEST_NAME = 30  # letters of an arm's name in a line
DIGITS = 12  # numbers that are equal to so many digits are equal


def is_bookkeeping(column: str) -> bool:
    """Whether a column's name says that it was measured, or only describes a run, so that it is no setting."""
    words = plain_name(column).split("_")
    known = role(column)
    return known is False or (known is None and (words[-1] in BOOKKEEPING or words[0] in {"best", "final", "last"}))


def axes_among(columns: Mapping[str, Sequence[str]], arms: Sequence[str] | None) -> list[str]:
    """Columns that name a cell: those that vary, or else the settings that have one value in the whole table.

    Args:
        columns: name → cells.
        arms: of each row.
    """
    found = {name: _number_of_values(cells) for name, cells in columns.items() if _can_be_axis(name, cells, arms)}
    varying = [name for name, values in found.items() if values > 1]
    return varying or [name for name in found if role(name)]


def _number_of_values(cells: Sequence[str]) -> int:
    return len({cell.strip() for cell in cells})


def _can_be_axis(column: str, cells: Sequence[str], arms: Sequence[str] | None) -> bool:
    """Whether a column has few whole values that repeat, as depths and widths do, and that several arms share."""
    if is_bookkeeping(column):
        return False
    values = Counter(cell.strip() for cell in cells)
    whole = all((read := number(value)) is not None and read.value == round(read.value, 6) for value in values if value)
    few = whole and len(values) <= max(2, len(cells) // 2) and "" not in values
    return few and not follows_from(cells, arms)


def follows_from(cells: Sequence[str], arms: Sequence[str] | None) -> bool:
    """Whether each value belongs to one arm, so that nothing could be paired; arms with one value each."""
    if arms is None or len(set(arms)) < 2:
        return False
    of: dict[str, set[str]] = defaultdict(set)
    for cell, arm in zip(cells, arms, strict=True):
        of[cell.strip()].add(arm)
    return all(len(shared) == 1 for shared in of.values())


def goes_with_arm(column: str, cells: Sequence[str], arms: Sequence[str | None]) -> str:
    """The value of a setting in each arm where every arm has one of its own: `avg 0.1, att 0.01`; else nothing."""
    of: dict[str, set[str]] = defaultdict(set)
    for cell, arm in zip(cells, arms, strict=True):
        if arm is not None:
            of[arm].add(cell.strip())
    values = [next(iter(own)) for own in of.values() if len(own) == 1]
    apart = len(of) > 1 and len(values) == len(of) and len(set(values)) > 1
    if not apart or is_bookkeeping(column) or "" in values:
        return ""
    return ", ".join(f"{arm} {shortened(value, LONGEST_NAME)}" for arm, value in zip(of, values, strict=True))


def same_names(values: Sequence[str]) -> tuple[list[str], str]:
    """Names that differ in case, blanks or Unicode form alone, each in its most common spelling, and what was joined.

    Returns:
        the values, and the spellings that were joined, for a sentence; empty if there are none.
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for value in values:
        spellings[folded(value)][value] += 1
    best = {name: max(counts, key=lambda spelling: counts[spelling]).strip() for name, counts in spellings.items()}
    joined = [listing([f"'{name}'" for name in counts]) for counts in spellings.values() if len(counts) > 1]
    return [best[folded(value)] for value in values], "; ".join(joined)


def folded(name: str) -> str:
    """A name without what is easily written in two ways: case, blanks and Unicode form."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def rounded(value: float) -> float:
    """A number to the digits that count: 0.2 for 0.20000000000000004."""
    return float(f"{value:.{DIGITS}g}")


def roles_line(roles: Mapping[str, str]) -> str:
    """What was taken for what, in one line: `Taken as score: test_acc | arm: pooling | …`."""
    return "Taken as " + " | ".join(f"{name}: {column}" for name, column in roles.items())


def arm_in_words(column: str | None, arms: Sequence[str]) -> str:
    """The column of the arms, with their names cut to a line: `pooling (avg, att)`."""
    names = [" ".join(arm.split()) for arm in arms]
    short = ", ".join(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names)
    return f"{column} ({short})" if column else "none"
