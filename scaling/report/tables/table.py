"""The table of tables: how one is added, and how tables are written as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from scaling.report.tables.latex import escape
from scaling.statistics.intervals import Bounded
from scaling.study.metrics import METRICS
from scaling.study.registry import Registry
from scaling.wording import points

if TYPE_CHECKING:
    from scaling.report.analysis.analysis import Analysis

    Build = Callable[[Analysis], "Table"]

PAGE_ROWS = 40  # fit on one page of LaTeX


@dataclass(frozen=True)
class Column:
    """A column: its name in the CSV, its heading with unit, and how to write its values."""

    name: str
    heading: str
    text: Callable[[Any], str] | None = None  # writes a number; None for text

    @property
    def is_number(self) -> bool:
        return self.text is not None

    def cell(self, value: Any) -> str:
        """`value` for a reader; a missing value is a dash."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "–"
        return self.text(value) if self.text else str(value)


@dataclass(frozen=True)
class Table:
    """Rows with a title and a caption."""

    title: str
    caption: str
    columns: Sequence[Column]
    rows: list[list[Any]]

    @cached_property
    def texts(self) -> list[list[str]]:
        """The rows for a reader, computed once for all files that hold them."""
        return [[column.cell(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    def csv(self) -> str:
        """Comma-separated values (RFC 4180) with ten digits; missing values are empty."""
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
        """A table for booktabs, numbers right-aligned; a long one continues over pages with longtable."""
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
    """`value` for the CSV; ten digits exceed the precision of all these numbers."""
    if isinstance(value, float):
        return None if math.isnan(value) else f"{value:.10g}"
    return value


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


TABLES: Registry[Build] = Registry("table", "scaling.report.tables")


@overload
def table(build: Build, /) -> Build: ...
@overload
def table() -> Callable[[Build], Build]: ...
def table(build: Build | None = None, /) -> Any:
    """Register a function as a table under its own name, which is also the name of its files.

    The function receives an `Analysis` and returns a `Table`: title, caption, columns, rows with an entry per column.
    It must return a table for every study, without rows if there is nothing to show. Names of columns must be unique,
    and numbers plain Python numbers or None (`plain` converts them).
    """

    def register(build: Build) -> Build:
        TABLES.add(build.__name__, build, module=build.__module__)
        return build

    return register if build is None else register(build)


def tables(analysis: Analysis) -> dict[str, Table]:
    """All tables of a report by name.

    Raises:
        PluginError: a function returns something other than a table with an entry per column in every row.
    """
    found = {}
    for name, build in TABLES.items():
        made: Any = build(analysis)
        if not isinstance(made, Table):
            raise TABLES.refusal(name, made, "a Table, without rows where it has nothing to show")
        if uneven := [row for row in made.rows if len(row) != len(made.columns)]:
            raise TABLES.refusal(name, made, f"{len(made.columns)} entries in every row; one has {len(uneven[0])}")
        found[name] = made
    return found


def cost_columns(names: Sequence[str]) -> list[Column]:
    """Columns of metrics, with their labels and units."""
    return [Column(name, METRICS[name].label, METRICS[name].number) for name in names]


def interval_columns(text: Callable[[Any], str], low: str = "low", high: str = "high") -> list[Column]:
    """The two columns that hold the ends of an interval."""
    return [Column(low, "from", text), Column(high, "to", text)]


def ends(interval: Bounded | None) -> list[float | None]:
    """Estimate and ends of an interval, for an estimate's column and `interval_columns`."""
    return [interval.estimate, interval.low, interval.high] if interval else [None] * 3


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
    """Convert numpy's types to Python's, and NaN to None."""
    converted = [value.item() if hasattr(value, "item") else value for value in values]
    return [None if isinstance(value, float) and math.isnan(value) else value for value in converted]
