"""Time spent by the trials."""

from typing import Any

from scaling.report.analysis.accounts import MEANINGS
from scaling.report.analysis.accounts import time_spent as add_up
from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.table import Column, Table, table
from scaling.study.metrics import METRICS
from scaling.wording import plural


@table
def time_spent(analysis: Analysis) -> Table:
    """One row per category of the seconds that trials recorded."""
    columns = [
        Column("heading", "category"),
        Column("seconds", "seconds", lambda value: f"{value:,.1f}"),
        Column("percent", "percent", lambda value: f"{value:.1f}"),
        Column("meaning", "what it is"),
    ]
    spent = add_up(analysis.records)
    title = "Where the time went"
    if spent is None:
        return Table(title, "No trial recorded its seconds.", columns, [])
    rows: list[list[Any]] = [
        [heading, seconds, 100 * seconds / spent.paid, MEANINGS.get(heading)]
        for heading, seconds in spent.seconds.items()
    ]
    caption = (
        f"Total seconds of {plural(spent.trials, 'trial')}, {METRICS['wall_seconds'].text(spent.paid)} in all: from"
        " building the network to its scores, whether or not the trial finished. Starting workers is not included."
    )
    return Table(title, caption, columns, rows)
