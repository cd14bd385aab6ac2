"""Comparisons of the arms: the verdict, the extra cost, and the difference in each cell."""

from scaling.report.analysis.analysis import Analysis, overheads
from scaling.report.tables.table import Column, Table, difference, ends, extra, interval_columns, percent, table, whole
from scaling.statistics.verdict import arm_name
from scaling.study.metrics import METRICS


@table
def verdicts(analysis: Analysis) -> Table:
    """One row per comparison: the verdict in numbers."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("verdict", "verdict"),
        Column("difference", "difference (points)", difference),
        *interval_columns(difference),
        Column("cells", "cells", whole),
        Column("pairs", "pairs", whole),
        Column("seed_sd", "SD over seeds (points)", percent),
        Column("cell_sd", "SD over cells (points)", percent),
        Column("slope", "per doubling of MACs (points)", difference),
        *interval_columns(difference, "slope_low", "slope_high"),
    ]
    rows, level = [], 0.95
    for verdict in analysis.verdicts:
        level = verdict.comparison.difference.level
        comparison, interval, trend = verdict.comparison, verdict.comparison.difference, verdict.trend
        rows.append(
            [
                comparison.arm,
                comparison.baseline,
                verdict.kind,
                *ends(interval),
                len(comparison.cells),
                len(comparison.pairs),
                comparison.seed_sd,
                comparison.cell_sd,
                *ends(trend.slope if trend else None),
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
    """One row per comparison and cost: the extra cost over the baseline."""
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
    caption = "Cost of each arm relative to the baseline in the same cell: geometric mean over paired cells, and range."
    return Table("What the arms cost", caption, columns, rows)


@table
def differences(analysis: Analysis) -> Table:
    """One row per paired cell of each comparison."""
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("pairs", "pairs", whole),
        Column("baseline_accuracy", f"{_baseline(analysis)} (%)", percent),
        Column("arm_accuracy", f"{_arm(analysis)} (%)", percent),
        Column("difference", "difference (points)", difference),
        *interval_columns(difference),
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
        " alone; one pair gives no interval."
    )
    return Table("Paired difference in each cell", caption, columns, rows)


def _baseline(analysis: Analysis) -> str:
    return arm_name(analysis.study.factor, analysis.arms[0]) if analysis.arms else "baseline"


def _arm(analysis: Analysis) -> str:
    return arm_name(analysis.study.factor, analysis.arms[1]) if len(analysis.arms) == 2 else "arm"
