"""Context of a study: changes since an earlier study, and published numbers."""

from typing import Any

from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.table import Column, Table, cost_columns, difference, percent, table
from scaling.wording import plural, points


@table
def changed_verdicts(analysis: Analysis) -> Table:
    """One row per comparison: the verdict then and now."""
    columns = [Column("arm", "arm"), Column("before", "before"), Column("after", "now"), Column("changed", "changed")]
    changes = analysis.context.changes
    if changes is None:
        return Table("Verdicts then and now", "No earlier study was given.", columns, [])
    rows: list[list[Any]] = [
        [moved.arm, moved.before, moved.after, "changed" if moved.has_changed else "the same"]
        for moved in changes.verdicts
    ]
    caption = f"The verdict on each arm in {changes.earlier} and now: difference in points, from, to."
    return Table(f"Verdicts, against {changes.earlier}", caption, columns, rows)


@table
def changed_trials(analysis: Analysis) -> Table:
    """One row per trial whose score or status differs."""
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("repetition", "repetition", str),
        Column("before", "before (%)", percent),
        Column("after", "now (%)", percent),
        Column("change", "change (points)", difference),
        Column("moved", "moved"),
    ]
    changes = analysis.context.changes
    if changes is None:
        return Table("Trials then and now", "No earlier study was given.", columns, [])
    rows: list[list[Any]] = [
        [
            trial.cell, trial.arm, trial.repetition, trial.before, trial.after,
            None if trial.before is None or trial.after is None else trial.after - trial.before,
            "beyond noise" if trial.is_beyond_noise else "within noise",
        ]
        for trial in changes.trials
    ]  # fmt: skip
    limit = f"±{points(changes.noise)} points" if changes.noise is not None else "unknown"
    moved = sum(trial.is_beyond_noise for trial in changes.trials)
    caption = (
        f"Of {plural(changes.shared, 'trial')} in both studies, {len(changes.trials)} differ and {moved} moved beyond"
        f" noise, which is {limit}: {changes.how}. {changes.added} are new, {changes.gone} are gone."
    )
    return Table(f"Trials, against {changes.earlier}", caption, columns, rows)


@table
def references(analysis: Analysis) -> Table:
    """One row per published number."""
    columns = [
        Column("series", "series"),
        Column("model", "model"),
        Column("accuracy", "top-1 (%)", percent),
        *cost_columns(["params", "macs"]),
        Column("data", "data"),
        Column("source", "source"),
    ]
    series = analysis.context.references
    rows: list[list[Any]] = [
        [point.series, point.model, point.accuracy, point.params, point.macs, point.data, point.source]
        for one in series
        for point in one.points
    ]
    cited = " ".join(f"{one.series}: {one.citation}; its FLOPs are {one.counts}." for one in series)
    return Table("Published numbers", f"{cited} Shown as multiply-accumulates.", columns, rows)
