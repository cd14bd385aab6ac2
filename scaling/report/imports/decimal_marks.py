"""Decimal marks: whether commas in a table's numbers are decimal or separate thousands."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from scaling.report.imports.quantities import LONGEST, THOUSANDS, UNITS, bare, number
from scaling.wording import first_few

MOST_NAMED = 4  # columns in a note
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}(?![\d.,])")  # 2,048 may mean 2048 or 2.048
POINTED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?\s*[a-zA-Z%]{0,6}")  # 1.234, or 1.234,5
GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3}){2,}(,\d+)?")  # 1.234.567
Comma = Literal["decimal", "thousands", "either", "point"]


def read_marks(
    columns: Sequence[str], rows: Sequence[Sequence[str]], separator: str
) -> tuple[list[list[str]], list[str]]:
    """Write decimal marks as points and leave out those of thousands, and note what was assumed.

    Returns:
        the rows, and notes on ambiguous columns.
    """
    taken = [list(row) for row in rows]
    decimal, notes = _decimal_commas(columns, rows, separator)
    pointed = _thousands_points(rows, decimal)
    if unsure := [place for place in pointed if not any(GROUPS.fullmatch(bare(row[place])) for row in rows)]:
        notes.append(f"Points in {_named(columns, unsure)} are read as separating thousands: commas are decimal here.")
    for row in taken:
        for place in pointed:
            row[place] = _without_points(row[place])
        for place in decimal:
            if _kind(row[place]):
                row[place] = row[place].replace(",", ".")
    return taken, notes


def _without_points(cell: str) -> str:
    """A number without the points between its thousands: 1234,5 for 1.234,5."""
    return cell.replace(".", "") if POINTED.fullmatch(bare(cell)) else cell


def _thousands_points(rows: Sequence[Sequence[str]], decimal: Iterable[int]) -> set[int]:
    """Columns whose points separate thousands, as in German: 1.234.567, 1.234,5, or 1.234 where commas are decimal.

    Every point of such a column stands before three digits.
    """
    found = set()
    decimal = set(decimal)
    for place in range(len(rows[0]) if rows else 0):
        cells = [text for row in rows if "." in (text := bare(row[place])) and len(text) <= LONGEST]
        if not cells or not all(POINTED.fullmatch(text) for text in cells):
            continue
        if decimal or any(GROUPS.fullmatch(text) or "," in text for text in cells):
            found.add(place)
    return found


def _decimal_commas(
    columns: Sequence[str], rows: Sequence[Sequence[str]], separator: str
) -> tuple[set[int], list[str]]:
    """Columns whose commas are decimal, and notes.

    An unambiguous number, such as 0,48 or 1,234,567, decides for its column. In files separated by semicolons or tabs,
    where commas need no quotes, an undecided column is read like the others; in comma-separated files, as thousands.
    """
    if not any("," in cell for row in rows for cell in row):
        return set(), []
    kinds = [{_kind(row[place]) for row in rows} - {None} for place in range(len(columns))]
    pointed = any(found & {"thousands", "point"} for found in kinds)
    decimal = {place for place, found in enumerate(kinds) if "decimal" in found and not found & {"thousands", "point"}}
    open_ = [place for place, found in enumerate(kinds) if found == {"either"}]
    doubtful = [place for place, found in enumerate(kinds) if {"decimal", "either"} <= found and place not in decimal]
    notes: list[str] = []
    if open_ and separator != "," and decimal and not pointed:
        notes.append(f"Commas in {_named(columns, open_)} are read as decimal, as in {_named(columns, decimal)}.")
        decimal |= set(open_)
    elif decimal or (separator != "," and not pointed):
        doubtful += open_
    if doubtful:
        example = next(bare(row[doubtful[0]]) for row in rows if _kind(row[doubtful[0]]) == "either")
        notes.append(
            f"Commas in {_named(columns, doubtful)} may be decimal or separate thousands; numbers such as {example} are"
            " read as thousands. If that is wrong, write decimal points."
        )
    return decimal, notes


def _kind(cell: str) -> Comma | None:
    """Classify the comma or point of a number; None if it has none, or is not a number."""
    if len(cell) > LONGEST:
        return None
    text = bare(cell)
    if POINTED.fullmatch(text) and "," in text:
        return "decimal"
    if "," not in text:
        return "point" if "." in text and number(text, UNITS) is not None else None
    if number(text.replace(",", "."), UNITS) is None:
        return "thousands" if THOUSANDS.fullmatch(text) else None
    return "either" if EITHER.match(text) else "decimal"


def _named(columns: Sequence[str], places: Iterable[int]) -> str:
    return first_few([f"'{columns[place]}'" for place in sorted(places)], MOST_NAMED)
