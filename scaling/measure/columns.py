"""Columns of the tables of costs: their titles, order and units."""

from typing import Any

from scaling.study.metrics import METRICS, Metric, Role, predicted_costs

HOW = ("runs", "precision", "device")  # how times were measured; the last columns
OWN_TITLES = {
    "batch_size": "batch",
    "share": "of MACs",
    "gap": "off target",
    "latency_ms": "median ms",
    "low_ms": "quartile 1 ms",
    "high_ms": "quartile 3 ms",
    "images_per_second": "images/s",
}


def metrics_by_column() -> dict[str, Metric]:
    """Return the costs that are known before training, by name and by the field of a record that holds one."""
    metrics = [METRICS[name] for name in predicted_costs()]
    fields = {one.fields[0]: one for one in metrics if len(one.fields) == 1}
    return {**{one.name: one for one in metrics}, **{f: one for f, one in fields.items() if f not in METRICS}}


def title(column: str) -> str:
    """Return the heading of a column."""
    known = metrics_by_column()
    return known[column].title if column in known else OWN_TITLES.get(column, column)


def is_number(column: str) -> bool:
    """Return whether a column holds a cost, rather than a label or a way of measuring."""
    return column in OWN_TITLES or column in metrics_by_column()


def in_order(columns: list[str]) -> list[str]:
    """Return columns in the order of a table: labels, then numbers, then how they were measured."""
    return sorted(columns, key=lambda column: (column in HOW, is_number(column)))


def readable(column: str, value: Any) -> str:
    """Return a number with its unit and at most three decimals, and anything else as text."""
    if value is None or isinstance(value, str):
        return value or ""
    if column in ("share", "gap"):
        return f"{100 * value:+.1f} %" if column == "gap" else f"{100 * value:.1f} %"
    if column.endswith("_ms"):
        return f"{value:,.3f}"
    if not is_number(column) or column == "batch_size":
        return str(value)
    metric = metrics_by_column().get(column)
    if metric is not None and metric.role is Role.MEMORY:
        return f"{value / 2**30:,.2f} GiB" if value >= 2**30 else f"{value / 2**20:,.1f} MiB"
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:,.3f}{letter}"
    return f"{value:,.0f}"
