"""Registry: a table is a decorated function from an analysis to rows; its name is the file it writes."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.latex import escape
from scaling.wording import points

PAGE_ROWS = 40  # that a page of LaTeX has room for


@dataclass(frozen=True)
class Column:
    """A column: its name in the CSV, its heading with unit, and how its values are written."""

    name: str
    heading: str
    text: Callable[[Any], str] | None = None  # of a number; None for words

    @property
    def is_number(self) -> bool:
        return self.text is not None

    def cell(self, value: Any) -> str:
        """`value` as a reader wants it; what is missing is a dash."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "–"
        return self.text(value) if self.text else str(value)


@dataclass(frozen=True)
class Table:
    """Rows with what is said about them."""

    title: str
    caption: str
    columns: Sequence[Column]
    rows: list[list[Any]]

    @cached_property
    def texts(self) -> list[list[str]]:
        """The rows as a reader wants them, written once for all the files that hold them."""
        return [[column.cell(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    def csv(self) -> str:
        """Comma-separated values (RFC 4180) with ten digits; what is missing is empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([[_stored(value) for value in row] for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        """A GitHub table under its title."""
        rule = ["---:" if column.is_number else ":---" for column in self.columns]
        lines = [[column.heading for column in self.columns], rule, *self.texts]
        body = "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)
        return f"## {self.title}\n\n{self.caption}\n\n{body}\n"

    def latex(self) -> str:
        """A table for booktabs, numbers to the right; one of many rows goes on over pages, with longtable."""
        line = "  " + " & ".join(["{}"] * len(self.columns)) + " \\\\"
        head = line.format(*(escape(column.heading) for column in self.columns))
        rows = [line.format(*map(escape, row)) for row in self.texts]
        ends = "".join("r" if column.is_number else "l" for column in self.columns)
        caption = f"\\caption{{{escape(f'{self.title}. {self.caption}')}}}"
        if len(rows) > PAGE_ROWS:
            heads = ["\\toprule", head, "\\midrule"]
            first = [f"\\begin{{longtable}}{{{ends}}}", f"{caption} \\\\", *heads, "\\endfirsthead"]
            return "\n".join([*first, *heads, "\\endhead", "\\bottomrule", "\\endfoot", *rows, "\\end{longtable}", ""])
        opening = ["\\begin{table}", "\\centering", caption, f"\\begin{{tabular}}{{{ends}}}"]
        body = ["\\toprule", head, "\\midrule", *rows, "\\bottomrule"]
        return "\n".join([*opening, *body, "\\end{tabular}", "\\end{table}", ""])


def _stored(value: Any) -> Any:
    """`value` for the CSV: ten digits are more than any of these numbers has."""
    if isinstance(value, float):
        return None if math.isnan(value) else f"{value:.10g}"
    return value


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


TABLES: dict[str, Callable[[Analysis], Table]] = {}


def table(build: Callable[[Analysis], Table]) -> Callable[[Analysis], Table]:
    """Register a function as a table under its own name; to be used as a decorator."""
    name = build.__name__
    if name in TABLES:
        raise ValueError(f"a table named '{name}' is registered already")
    TABLES[name] = build
    return build


def whole(value: float) -> str:
    return f"{value:,.0f}"


def percent(value: float) -> str:
    return f"{value:.2f}"


def difference(value: float) -> str:
    return points(value, signed=True)


def extra(value: float) -> str:
    """A surplus in percent."""
    return points(value, signed=True, decimals=1)


def plain(values: Iterable[Any]) -> list[Any]:
    """Values without numpy's types, NaN as None."""
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    return [None if isinstance(value, float) and math.isnan(value) else value for value in plain]
