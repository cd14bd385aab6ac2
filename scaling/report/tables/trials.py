"""Trials: all, and those that did not finish."""

from scaling.report.analysis.analysis import COSTS, Analysis
from scaling.report.tables.registry import Column, Table, percent, plain, table, whole
from scaling.study.learning_rates import rate_of
from scaling.study.metrics import METRICS


@table
def trials(analysis: Analysis) -> Table:
    """One row a trial, whatever became of it."""
    tuned = any(record.learning_rate_grid is not None for record in analysis.records)
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
    rows = [plain(values) for values in zip(*(analysis.table[name] for name in names), strict=True)]
    caption = "Every record of the study."
    if tuned:
        columns += [
            Column("learning_rate", "peak learning rate", _rate),
            Column("learning_rate_grid", "learning rates tried"),
            Column("rejected", "learning rate rejected"),
        ]
        caption += " Trials of rejected learning rates take part in no comparison."
        for row, record, rejected in zip(rows, analysis.records, analysis.table["rejected"], strict=True):
            tried = " ".join(map(_rate, record.learning_rate_grid)) if record.learning_rate_grid is not None else None
            row += [rate_of(record), tried, "yes" if rejected else "no"]
    return Table("All trials", caption, columns, rows)


def _rate(rate: float) -> str:
    return f"{rate:.3g}"


@table
def failures(analysis: Analysis) -> Table:
    """One row a trial that did not finish."""
    columns = [Column(name, name) for name in ("cell", "arm", "seed", "status", "reason")]
    bad = analysis.table[analysis.table["status"] != "finished"]
    rows = [plain(values) for values in zip(*(bad[column.name] for column in columns), strict=True)]
    return Table("Trials that did not finish", "Failed ones run again with the same command.", columns, rows)
