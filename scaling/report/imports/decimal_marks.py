"""Decimal marks: whether commas in a table's numbers are decimal or separate thousands."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from scaling.report.imports.quantities import THOUSANDS, UNITS, bare, number
from scaling.wording import first_few

MOST_NAMED = 4  # columns in a note
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}(?![\d.,])")  # 2,048 may mean 2048 or 2.048
Comma = Literal["decimal", "thousands", "either", "point"]


def read_commas(
    columns: Sequence[str], rows: Sequence[Sequence[str]], separator: str
) -> tuple[list[list[str]], list[str]]:
    """Write decimal commas as points, and note what was assumed.

    An unambiguous number, such as 0,48 or 1,234,567, decides for its column. In files separated by semicolons or tabs,
    where commas need no quotes, an undecided column is read like the others; in comma-separated files, as thousands.

    Returns:
        the rows, and notes on ambiguous columns.
    """
    if not any("," in cell for row in rows for cell in row):
        return [list(row) for row in rows], []
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
    pointed_rows = [
        [cell.replace(",", ".") if place in decimal and _kind(cell) else cell for place, cell in enumerate(row)]
        for row in rows
    ]
    return pointed_rows, notes


def _kind(cell: str) -> Comma | None:
    """Classify the comma or point of a number; None if it has none, or is not a number."""
    text = bare(cell)
    if "," not in text:
        return "point" if "." in text and number(text, UNITS) is not None else None
    if number(text.replace(",", "."), UNITS) is None:
        return "thousands" if THOUSANDS.fullmatch(text) else None
    return "either" if EITHER.match(text) else "decimal"


def _named(columns: Sequence[str], places: Iterable[int]) -> str:
    return first_few([f"'{columns[place]}'" for place in sorted(places)], MOST_NAMED)
