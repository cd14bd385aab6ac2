"""Trials: all of them, and those that did not finish."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.table import Column, Table, cost_columns, percent, plain, table, whole
from scaling.study.learning_rates import rate_of
from scaling.study.metrics import METRICS, column_costs, column_scores


@table
def trials(analysis: Analysis) -> Table:
    """One row per trial, whatever its status."""
    tuned = any(record.learning_rate_grid is not None for record in analysis.records)
    columns = [
        Column("key", "key"),
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("repetition", "repetition", str),
        Column("seed", "seed", str),
        Column("status", "status"),
        Column("reason", "reason"),
        Column("epochs", "epochs", whole),
        Column("val_accuracy", "validation accuracy (%)", percent),
        Column("test_accuracy", "test accuracy (%)", percent),
        *cost_columns([*column_scores(), *column_costs()]),
        Column("device", "device"),
    ]
    names = [column.name for column in columns]
    values = (METRICS[name](analysis.table) if name in METRICS else analysis.table[name] for name in names)
    rows = [plain(row) for row in zip(*values, strict=True)]
    caption = "Every record of the study."
    if tuned:
        columns += [
            Column("learning_rate", "peak learning rate", _rate),
            Column("learning_rate_grid", "learning rates tried"),
            Column("rejected", "learning rate rejected"),
            Column("chooses", "chose the rate"),
        ]
        caption += " Trials of rejected learning rates, and those that chose one, are not compared."
        marks = zip(analysis.table["rejected"], analysis.table["chooses"], strict=True)
        for row, record, (rejected, chooses) in zip(rows, analysis.records, marks, strict=True):
            tried = " ".join(map(_rate, record.learning_rate_grid)) if record.learning_rate_grid is not None else None
            row += [rate_of(record), tried, *("yes" if mark else "no" for mark in (rejected, chooses))]
    if any(analysis.table["other_images"]):
        columns.append(Column("other_images", "other test images"))
        caption += " Trials that were scored on other test images than the rest are not compared."
        for row, other in zip(rows, analysis.table["other_images"], strict=True):
            row.append("yes" if other else "no")
    return Table("All trials", caption, columns, rows)


def _rate(rate: float) -> str:
    return f"{rate:.3g}"


@table
def failures(analysis: Analysis) -> Table:
    """One row per trial that did not finish."""
    columns = [Column(name, name) for name in ("cell", "arm", "repetition", "status", "reason")]
    bad = analysis.table[analysis.table["status"] != "finished"]
    rows = [plain(values) for values in zip(*(bad[column.name] for column in columns), strict=True)]
    return Table("Trials that did not finish", "Run the same command again to repeat the failed ones.", columns, rows)
