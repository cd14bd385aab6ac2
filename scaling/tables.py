"""Tables: one decorated function a table; its name is the file it writes, as CSV (numbers) and Markdown (readable)."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scaling.accounts import MEANINGS
from scaling.accounts import time_spent as add_up
from scaling.analysis import COSTS, Analysis, overheads
from scaling.metrics import METRICS
from scaling.statistics.verdict import arm_name, plural, points


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

    def texts(self) -> list[list[str]]:
        """The rows as a reader wants them."""
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
        lines = [[column.heading for column in self.columns], rule, *self.texts()]
        body = "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)
        return f"## {self.title}\n\n{self.caption}\n\n{body}\n"


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


@table
def verdicts(analysis: Analysis) -> Table:
    """One row a comparison: the answer in numbers."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("verdict", "verdict"),
        Column("difference", "difference (points)", difference),
        Column("low", "from", difference),
        Column("high", "to", difference),
        Column("cells", "cells", whole),
        Column("pairs", "pairs", whole),
        Column("seed_sd", "SD over seeds (points)", percent),
        Column("cell_sd", "SD over cells (points)", percent),
        Column("slope", "per doubling of MACs (points)", difference),
        Column("slope_low", "from", difference),
        Column("slope_high", "to", difference),
    ]
    rows, level = [], 0.95
    for verdict in analysis.verdicts:
        level = verdict.comparison.difference.level
        comparison, interval, trend = verdict.comparison, verdict.comparison.difference, verdict.trend
        slope = trend.slope if trend else None
        rows.append(
            [
                comparison.arm,
                comparison.baseline,
                verdict.kind,
                interval.estimate,
                interval.low,
                interval.high,
                len(comparison.cells),
                len(comparison.pairs),
                comparison.seed_sd,
                comparison.cell_sd,
                *((slope.estimate, slope.low, slope.high) if slope else (None, None, None)),
            ]
        )
    together = ", 95 % together" if len(rows) > 1 else ""
    caption = (
        "Test accuracy of each arm minus that of the baseline, mean over paired cells, with its interval"
        f" ({100 * level:.4g} %{together}). SD over seeds: of a pair's difference within a cell; over cells: of the"
        " true difference among cells."
    )
    return Table("Comparisons", caption, columns, rows)


@table
def costs(analysis: Analysis) -> Table:
    """One row a comparison and cost: what the arm costs more than the baseline."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("cost", "cost"),
        Column("mean", "extra, mean (%)", extra),
        Column("low", "least (%)", extra),
        Column("high", "most (%)", extra),
    ]
    rows = [
        [verdict.comparison.arm, verdict.comparison.baseline, METRICS[o.cost].title, o.mean, o.low, o.high]
        for verdict in analysis.verdicts
        for o in overheads(analysis, verdict)
    ]
    caption = (
        "Cost of each arm over that of the baseline in the same cell: geometric mean over paired cells, and range."
    )
    return Table("What the arms cost", caption, columns, rows)


@table
def differences(analysis: Analysis) -> Table:
    """One row a paired cell of each comparison."""
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("pairs", "pairs", whole),
        Column("baseline_accuracy", f"{_baseline(analysis)} (%)", percent),
        Column("arm_accuracy", f"{_arm(analysis)} (%)", percent),
        Column("difference", "difference (points)", difference),
        Column("low", "from", difference),
        Column("high", "to", difference),
        Column("seed_sd", "SD over seeds (points)", percent),
    ]
    rows = [
        [cell, verdict.comparison.arm, int(pairs), *numbers]
        for verdict in analysis.verdicts
        for cell, (pairs, *numbers) in zip(
            verdict.comparison.cells.index, verdict.comparison.cells.to_numpy(dtype=float).tolist(), strict=True
        )
    ]
    caption = (
        "Mean test accuracy of paired seeds, and their difference with its 95 % interval over the seeds of the cell"
        " alone; none with one pair."
    )
    return Table("Paired difference in each cell", caption, columns, rows)


@table
def best(analysis: Analysis) -> Table:
    """One row an arm: its best cell, chosen on validation."""
    columns = [
        Column("arm", "arm"),
        Column("cell", "best cell"),
        Column("trials", "trials", whole),
        Column("val_accuracy", "validation accuracy (%)", percent),
        Column("test_accuracy", "test accuracy (%)", percent),
        Column("test_sd", "SD over seeds (points)", percent),
        *(Column(cost, METRICS[cost].label, METRICS[cost].number) for cost in COSTS),
    ]
    everything = analysis.cells.to_dict("records")
    rows = []
    for arm in analysis.arms:
        of_arm = [cell for cell in everything if cell["arm"] == arm and not math.isnan(cell["val_accuracy"])]
        if of_arm:
            chosen = max(of_arm, key=lambda cell: cell["val_accuracy"])
            names = ["arm", "cell", "n", "val_accuracy", "test_accuracy", "test_sd", *COSTS]
            rows.append(_plain(chosen[name] for name in names))
    caption = "The cell of each arm whose mean validation accuracy is highest. Chosen on validation, reported on test."
    return Table("Best cell of each arm", caption, columns, rows)


@table
def cells(analysis: Analysis) -> Table:
    """One row a cell and arm."""
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("trials", "trials", whole),
        Column("val_accuracy", "validation accuracy (%)", percent),
        Column("test_accuracy", "test accuracy (%)", percent),
        Column("test_sd", "SD over seeds (points)", percent),
        *(Column(cost, METRICS[cost].label, METRICS[cost].number) for cost in COSTS),
        *(
            Column(f"front_{cost}", f"front: {METRICS[cost].title}", lambda on_it: "●" if on_it else "")
            for cost in COSTS
        ),
    ]
    names = ["cell", "arm", "n", "val_accuracy", "test_accuracy", "test_sd", *COSTS]
    columns_of = [*(analysis.cells[name] for name in names), *(analysis.fronts[cost]["own"] for cost in COSTS)]
    rows = [_plain(values) for values in zip(*columns_of, strict=True)]
    caption = (
        "Means over the finished seeds of each cell and arm; costs of one image, batch size 1, forward pass. ●: on the"
        " Pareto front of its arm over that cost, by validation accuracy."
    )
    return Table("All cells", caption, columns, rows)


@table
def trials(analysis: Analysis) -> Table:
    """One row a trial, whatever became of it."""
    columns = [
        Column("key", "key"),
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("seed", "seed", str),
        Column("status", "status"),
        Column("reason", "reason"),
        Column("epochs", "epochs", whole),
        Column("val_accuracy", "validation accuracy (%)", percent),
        Column("test_accuracy", "test accuracy (%)", percent),
        *(Column(cost, METRICS[cost].label, METRICS[cost].number) for cost in COSTS),
        Column("device", "device"),
    ]
    names = [column.name for column in columns]
    rows = [_plain(values) for values in zip(*(analysis.table[name] for name in names), strict=True)]
    return Table("All trials", "Every record of the study.", columns, rows)


@table
def failures(analysis: Analysis) -> Table:
    """One row a trial that did not finish."""
    columns = [Column(name, name) for name in ("cell", "arm", "seed", "status", "reason")]
    bad = analysis.table[analysis.table["status"] != "finished"]
    rows = [_plain(values) for values in zip(*(bad[column.name] for column in columns), strict=True)]
    return Table("Trials that did not finish", "Failed ones run again with the same command.", columns, rows)


@table
def time_spent(analysis: Analysis) -> Table:
    """One row a heading that trials booked their seconds under."""
    columns = [
        Column("heading", "heading"),
        Column("seconds", "seconds", lambda value: f"{value:,.1f}"),
        Column("percent", "percent", lambda value: f"{value:.1f}"),
        Column("meaning", "what it is"),
    ]
    spent = add_up(analysis.records)
    title = "Where the time went"
    if spent is None:
        return Table(title, "No trial booked its seconds.", columns, [])
    rows: list[list[Any]] = [
        [heading, seconds, 100 * seconds / spent.paid, MEANINGS.get(heading)]
        for heading, seconds in spent.seconds.items()
    ]
    caption = (
        f"Seconds of {plural(spent.trials, 'trial')} added up, {METRICS['wall_seconds'].text(spent.paid)} in all: from"
        " building the network to its scores, whether the trial finished or not. Starting workers is not in it."
    )
    return Table(title, caption, columns, rows)


def _plain(values: Iterable[Any]) -> list[Any]:
    """Values without numpy's types, NaN as None."""
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    return [None if isinstance(value, float) and math.isnan(value) else value for value in plain]


def _baseline(analysis: Analysis) -> str:
    return arm_name(analysis.study.factor, analysis.arms[0]) if analysis.arms else "baseline"


def _arm(analysis: Analysis) -> str:
    return arm_name(analysis.study.factor, analysis.arms[1]) if len(analysis.arms) == 2 else "arm"
