"""Tables: files of separated values as others write them, and the columns that are understood."""

import csv
import io
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling.errors import RecordError, unknown
from scaling.imports.quantities import FLOPS, FRACTION, LABELS, QUANTITIES, plain_name, read_numbers
from scaling.statistics.verdict import plural

FACTOR = re.compile(r"(?P<column>.+?)\s*(?P<sign>[*/])\s*(?P<factor>\d+\.?\d*(e[+-]?\d+)?)", re.I)
MOST_NAMED = 40  # columns in a message


@dataclass(frozen=True)
class RawTable:
    """A file's cells as text."""

    path: Path
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]

    def cells(self, column: str) -> list[str]:
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    @property
    def seen(self) -> str:
        """The columns, for a message."""
        more = ", …" if len(self.columns) > MOST_NAMED else ""
        return ", ".join(self.columns[:MOST_NAMED]) + more


@dataclass(frozen=True)
class Columns:
    """What a table's columns hold: numbers in this package's units (NaN where missing) and labels."""

    table: RawTable
    numbers: dict[str, list[float]]  # quantity → a value a row
    labels: dict[str, str]  # label of `LABELS` → column
    used: set[str]
    notes: list[str]

    @property
    def others(self) -> list[str]:
        """Columns that hold nothing that is understood."""
        return [column for column in self.table.columns if column not in self.used]


def read_table(path: Path) -> RawTable:
    """Read a file of values separated by commas, semicolons or tabs, with names in its first line.

    Raises:
        RecordError: it cannot be read, is no text, or has no row.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror or error}") from None
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecordError(f"{path} is no text; a table of separated values is wanted (CSV)")
    text = _decoded(content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=first.count)
    try:
        lines = [
            line for line in csv.reader(io.StringIO(text), delimiter=separator) if any(cell.strip() for cell in line)
        ]
    except csv.Error as error:
        raise RecordError(f"{path} is no table of separated values: {error}") from None
    if len(lines) < 2:
        raise RecordError(
            f"{path} has no rows" + (f" under its columns {', '.join(lines[0])}" if lines else "; it is empty")
        )
    columns = [name.strip() for name in lines[0]]
    while columns and not columns[-1]:
        columns.pop()
    columns = [name or f"column {place}" for place, name in enumerate(columns, 1)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise RecordError(f"{path} has two columns named {', '.join(twice)}; rename one")
    rows = [line[: len(columns)] for line in lines[1:] if len(line) >= len(columns)]
    torn = len(lines) - 1 - len(rows)
    notes = [f"{path.name}: {plural(torn, 'line')} with fewer cells than columns left out."] if torn else []
    if not rows:
        raise RecordError(f"{path} has no whole row under its columns {', '.join(columns)}")
    return RawTable(path, columns, rows, notes)


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def understand(table: RawTable, chosen: Mapping[str, str] | None = None) -> Columns:
    """Find the columns of quantities and labels, by what `chosen` says and else by their names.

    Args:
        chosen: quantity or label → `COLUMN`, `COLUMN*FACTOR` or `COLUMN/FACTOR`.

    Raises:
        RecordError: a chosen column that the table has not; the columns seen are named.
    """
    chosen = chosen or {}
    by_plain: dict[str, str] = {}
    for column in table.columns:
        by_plain.setdefault(plain_name(column), column)
    numbers: dict[str, list[float]] = {}
    notes: list[str] = list(table.notes)
    used: set[str] = set()
    for quantity, kind in QUANTITIES.items():
        if quantity in chosen:
            column, factor = _chosen(table, quantity, chosen[quantity])
            found = [(column, factor, False)]
        else:
            found = [(by_plain[name], factor, False) for name, factor in kind.aliases.items() if name in by_plain]
            found += [(by_plain[name], factor, True) for name, factor in kind.errors.items() if name in by_plain]
        found = [entry for entry in found if quantity in chosen or entry[0] not in used]
        for column, factor, is_error in found:
            values = _values(table, quantity, column, factor, is_error, notes)
            used.add(column)
            if quantity not in numbers:
                numbers[quantity] = values
            else:  # a second name of the same, such as the error beside the accuracy, fills gaps
                numbers[quantity] = [b if math.isnan(a) else a for a, b in zip(numbers[quantity], values, strict=True)]
    labels: dict[str, str] = {}
    for label, names in LABELS.items():
        if label in chosen:
            labels[label] = _known(table, label, chosen[label])
        elif column := next(
            (by_plain[name] for name in names if name in by_plain and by_plain[name] not in used), None
        ):
            labels[label] = column
    used |= set(labels.values())
    return Columns(table, numbers, labels, used, notes)


def _known(table: RawTable, what: str, column: str) -> str:
    if column not in table.columns:
        raise RecordError(f"{table.path.name}: {what}: {unknown('column', column, table.columns)}")
    return column


def _chosen(table: RawTable, quantity: str, text: str) -> tuple[str, float]:
    """Column and factor that the user named; a factor of 0 where its unit is to be found."""
    match = None if text in table.columns else FACTOR.fullmatch(text)
    if match is None:
        column = _known(table, quantity, text)
        return column, QUANTITIES[quantity].aliases.get(plain_name(column), 0 if QUANTITIES[quantity].unsaid else 1)
    factor = float(match["factor"])
    if factor == 0:
        raise RecordError(f"{table.path.name}: {quantity}: a factor of 0 in '{text}'")
    return _known(table, quantity, match["column"].strip()), factor if match["sign"] == "*" else 1 / factor


def _values(
    table: RawTable, quantity: str, column: str, factor: float, is_error: bool, notes: list[str]
) -> list[float]:
    """A column in this package's unit; what had to be assumed goes into `notes`."""
    kind, name = QUANTITIES[quantity], table.path.name
    read = read_numbers(table.cells(column))
    known = [value for value in read.values if not math.isnan(value)]
    if read.words:
        notes.append(
            f"{name}: column '{column}' holds words where numbers belong, such as “{read.words[0][:40]}”;"
            f" {plural(len(read.words), 'cell')} taken as missing."
        )
    if not known:
        return read.values
    if kind.high == 100:
        if not read.percents and max(known) <= FRACTION and min(known) >= 0 and factor == 1:
            factor = 100
            notes.append(f"{name}: '{column}' nowhere exceeds 1, so it is taken as parts of one, not percent.")
    elif read.suffixed:
        factor = 1  # the cells tell their unit
    elif factor == 0:
        assert kind.unsaid
        limit, large = kind.unsaid
        factor = large if statistics.median(known) < limit else 1
        unit = {1e6: f"millions of {kind.unit}", 1e9: f"billions of {kind.unit}"}.get(factor, kind.unit)
        if factor != 1:
            notes.append(f"{name}: '{column}' names no unit; by its size it is taken as {unit}.")
    if quantity == "macs" and FLOPS.search(plain_name(column)):
        notes.append(
            f"{name}: '{column}' is taken as multiply-accumulates, which most papers call FLOPs. Where it counts"
            f" two for each, import with macs={column}*{factor / 2:g}."
        )
    values = [100 - value * factor if is_error else value * factor for value in read.values]
    out = sum(not kind.low <= value <= kind.high for value in values if not math.isnan(value))
    if out:
        limits = f"between {kind.low:g} and {kind.high:g}" if math.isfinite(kind.high) else f"of {kind.low:g} or more"
        notes.append(f"{name}: {plural(out, 'number')} of '{column}' not {limits} {kind.unit}; taken as missing.")
    return [value if kind.low <= value <= kind.high else math.nan for value in values]


def split_arms(
    values: Sequence[str], wanted: Sequence[str], column: str, most: int
) -> tuple[list[str], list[str | None], list[str]]:
    """Arms in order, the arm of each row (None: left out), and notes.

    Where none is wanted, the `most` commonest values are arms, the commonest the baseline; the rest is one arm, other.

    Raises:
        RecordError: a wanted value that no row has.
    """
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    if wanted:
        bad = [
            f"--arm {column}: {unknown('value', value, list(counts)[:MOST_NAMED])}"
            for value in wanted
            if value not in counts
        ]
        if bad:
            raise RecordError(bad)
        of = [value if value in wanted else None for value in values]
        left = sum(arm is None for arm in of)
        return list(wanted), of, [f"{plural(left, 'row')} with another {column} left out."] if left else []
    common = sorted(counts, key=lambda value: -counts[value])
    if len(common) <= most:
        return common, list(values), []
    named = common[: most - 1]
    note = f"{len(common)} values of {column}: the {most - 1} commonest are arms, the others one arm, “other”."
    return [*named, "other"], [value if value in named else "other" for value in values], [note]
