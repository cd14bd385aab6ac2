"""Files of tables as cells of text: separated values in the usual dialects, Markdown, Parquet and lines of JSON."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from scaling.report.imports.decimal_marks import read_marks
from scaling.study.errors import RecordError
from scaling.wording import plural

MOST_NAMED = 40  # columns in a message
SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.I)  # Excel's own line above the header
UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class RawTable:
    """A file's cells as text."""

    path: Path
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]
    left_out: list[list[str]] = field(default_factory=list)  # rows of trials that are no results

    def cells(self, column: str) -> list[str]:
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def cells_left_out(self, column: str) -> list[str]:
        """The cells of a column in rows that were left out."""
        place = self.columns.index(column)
        return [row[place] for row in self.left_out]

    @property
    def seen(self) -> str:
        """The columns, for a message."""
        more = ", …" if len(self.columns) > MOST_NAMED else ""
        return ", ".join(self.columns[:MOST_NAMED]) + more

    def without(self, reasons: Sequence[str | None]) -> "RawTable":
        """Leave out the rows that have a reason, and note how many there are of each."""
        counts = Counter(reason for reason in reasons if reason)
        if not counts:
            return self
        rows = [row for row, reason in zip(self.rows, reasons, strict=True) if reason is None]
        said = f"{self.path.name}: rows left out: " + ", ".join(f"{n} {reason}" for reason, n in counts.items()) + "."
        if not rows:
            raise RecordError(f"{self.path} has no row that is a result; " + said)
        left_out = [row for row, reason in zip(self.rows, reasons, strict=True) if reason]
        return replace(self, rows=rows, notes=[*self.notes, said], left_out=[*self.left_out, *left_out])


def read_table(path: Path) -> RawTable:
    """Read a table with column names in its first line, from text, Parquet or lines of JSON.

    Raises:
        RecordError: it cannot be read, is no table, or has no row.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror or error}") from None
    notes: list[str] = []
    separator = "\t"  # no cell of Parquet or JSON was split at a comma
    if content.startswith(b"PAR1"):
        lines = _frame_lines(path, _parquet(path, content))
    elif content.lstrip()[:1] == b"{" or content.lstrip()[:2] in (b"[{", b"[\n", b"[\r", b"[ "):
        lines = _frame_lines(path, _json(path, content))
    else:
        lines, separator = _text_lines(path, content, notes)
    columns, rows = _whole(path, lines, notes)
    rows, said = read_marks(columns, rows, separator)
    return RawTable(path, columns, rows, [f"{path.name}: {note}" for note in (*notes, *said)])


def _whole(path: Path, lines: list[list[str]], notes: list[str]) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and the rows that have a cell for each."""
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
    width = len(columns)
    rows: list[list[str]] = []
    left_out: Counter[str] = Counter()
    for line in lines[1:]:
        if len(line) < width:
            left_out["with fewer cells than columns"] += 1
        elif any(cell.strip() for cell in line[width:]):
            left_out["with more cells than columns"] += 1
        elif [cell.strip() for cell in line[:width]] == columns:
            left_out["that repeats the header"] += 1
        else:
            rows.append(line[:width])
    said = ", ".join(f"{plural(count, 'line')} {reason}" for reason, count in left_out.items())
    if not rows:
        raise RecordError(
            f"{path} has no whole row under its columns {', '.join(columns[:MOST_NAMED])} ({said}); a comma inside a"
            " cell needs quotes around the cell"
        )
    if said:
        notes.append(f"{said} left out.")
    return columns, rows


def _text_lines(path: Path, content: bytes, notes: list[str]) -> tuple[list[list[str]], str]:
    """The cells of each line that has any, and the separator."""
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecordError(f"{path} is not text; give a table of separated values (CSV), Parquet or lines of JSON")
    text = _decoded(content, notes).replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    lines = text.split("\n")
    rule = next((place for place, line in enumerate(lines) if place and _is_rule(line)), None)
    if rule is not None and "|" in lines[rule - 1]:
        return _markdown(lines, rule, notes), "\t"
    chosen = SEPARATOR_LINE.fullmatch(lines[0])
    if chosen:
        lines = lines[1:]
    first = re.sub(r'"[^"]*"', "", next((line for line in lines if line.strip()), ""))
    separator = chosen[1] if chosen else max(SEPARATORS, key=first.count)
    try:
        read = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    except csv.Error as error:
        raise RecordError(f"{path} is not a table of separated values: {error}") from None
    return [line for line in read if any(cell.strip() for cell in line)], separator


def _is_rule(line: str) -> bool:
    """Whether a line is that of Markdown between header and rows: `|---|:--:|`."""
    return {"-", "|"} <= set(line) <= set("|:- \t")


def _markdown(lines: list[str], rule: int, notes: list[str]) -> list[list[str]]:
    """The cells of the first table in a text of Markdown, without the marks of bold and code."""
    end = next((place for place in range(rule + 1, len(lines)) if "|" not in lines[place]), len(lines))
    if any(_is_rule(line) for line in lines[end:]):
        notes.append("The text has several tables; only the first is read.")

    def cells(line: str) -> list[str]:
        inner = re.sub(r"(?<!\\)\|$", "", line.strip().removeprefix("|"))
        return [cell.replace("\\|", "|").strip().strip("*`").strip() for cell in UNESCAPED_PIPE.split(inner)]

    return [cells(line) for place, line in enumerate(lines[rule - 1 : end]) if place != 1]


def _decoded(content: bytes, notes: list[str]) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.append("The text is not UTF-8 and is read in Windows' code page 1252.")
        return content.decode("cp1252", errors="replace")


def _parquet(path: Path, content: bytes) -> pd.DataFrame:
    import pyarrow  # late: takes long to import
    from pyarrow import parquet

    try:
        return parquet.read_table(io.BytesIO(content)).to_pandas()
    except (pyarrow.ArrowException, OSError) as error:
        raise RecordError(f"{path} is not whole Parquet: {str(error).splitlines()[0]}") from None


def _json(path: Path, content: bytes) -> pd.DataFrame:
    """A list of objects, or an object a line; nested names are joined by slashes."""
    text = content.decode("utf-8-sig", errors="replace").strip()
    try:
        parsed = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines() if line]
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not a JSON object a line: {error}") from None
    if not parsed or not all(isinstance(row, dict) for row in parsed):
        raise RecordError(f'{path} is not a JSON object a line; give one object a row, as {{"model": …, "acc": …}}')
    return pd.json_normalize(parsed, sep="/")


def _frame_lines(path: Path, frame: pd.DataFrame) -> list[list[str]]:
    """Names and cells of a frame as text, its index only if it has names; empty where a value is missing."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    columns = [[_text(value) for value in frame[column].tolist()] for column in frame.columns]
    return [[str(column) for column in frame.columns], *(list(row) for row in zip(*columns, strict=True))]


def _text(value: object) -> str:
    if value is None or value is pd.NaT or value != value:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return repr(value) if isinstance(value, float) else str(value)
