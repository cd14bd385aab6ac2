"""Comparisons of the arms: the verdict, its parts, the looks, the extra cost, and the difference in each cell."""

from scaling.report.analysis.analysis import Analysis, overheads
from scaling.report.analysis.arm_names import arm_name
from scaling.report.tables.table import Column, Table, difference, ends, extra, interval_columns, percent, table, whole
from scaling.study.metrics import METRICS, main_cost


@table
def verdicts(analysis: Analysis) -> Table:
    """One row per comparison: the verdict in numbers."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("verdict", "verdict"),
        Column("difference", "difference (points)", difference),
        *interval_columns(difference),
        Column("level", "level (%)", percent),
        Column("df", "degrees of freedom", lambda value: f"{value:.1f}"),
        Column("other_low", "other models: from", difference),
        Column("other_high", "to", difference),
        Column("cells", "cells", whole),
        Column("pairs", "pairs", whole),
        Column("lost_arm", "lost, arm", whole),
        Column("lost_baseline", "lost, baseline", whole),
        Column("margin", "margin (points)", percent),
        Column("reason", "why no verdict"),
    ]
    rows = []
    for verdict in analysis.verdicts:
        here, beyond, losses = verdict.difference, verdict.found.beyond, verdict.found.assessment.losses
        rows.append(
            [
                verdict.arm,
                verdict.baseline,
                str(verdict.kind),
                *ends(here),
                100 * here.level,
                here.df,
                *(ends(beyond)[1:]),
                len(verdict.cells),
                verdict.pairs,
                losses.arm,
                losses.baseline,
                verdict.margin,
                verdict.found.reason,
            ]
        )
    caption = (
        "Test accuracy of each arm minus that of the baseline, mean over the models that were run, with the interval of"
        " the luck of training; and the interval of the same mean for other models between these sizes. Intervals of"
        " all arms and looks hold together with 95 %."
    )
    return Table("Comparisons", caption, columns, rows)


@table
def parts(analysis: Analysis) -> Table:
    """One row per comparison and part of the models by size."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("part", "part, the cheapest first", whole),
        Column("from_cost", "from"),
        Column("to_cost", "to"),
        Column("models", "models", whole),
        Column("difference", "difference (points)", difference),
        *interval_columns(difference),
        Column("wide_low", "with scatter: from", difference),
        Column("wide_high", "to", difference),
    ]
    cost = METRICS[main_cost()]
    rows = [
        [
            verdict.arm,
            verdict.baseline,
            place,
            None if part.low_cost is None else cost.text(part.low_cost),
            None if part.high_cost is None else cost.text(part.high_cost),
            len(part.cells),
            *ends(part.interval),
            *(ends(part.wide)[1:]),
        ]
        for verdict in analysis.verdicts
        for place, part in enumerate(verdict.found.parts, start=1)
    ]
    caption = (
        "The models by their cost in the baseline, in halves or thirds, with the mean difference of each. The intervals"
        " of the parts of an arm hold together; those with scatter also allow for single models that are off a smooth"
        " course, and alone decide whether the difference depends on size."
    )
    return Table("Difference by size", caption, columns, rows)


@table
def looks(analysis: Analysis) -> Table:
    """One row per verdict that was given on this study."""
    columns = [
        Column("look", "look", whole),
        Column("time", "time"),
        Column("trials", "trials", whole),
        Column("planned", "planned", whole),
        Column("level", "level (%)", percent),
        *(Column(f"verdict_{arm}", arm) for arm in analysis.arms[1:]),
    ]
    rows = [
        [one.number, one.time, one.trials, one.planned, 100 * one.level]
        + [one.kind.get(arm) for arm in analysis.arms[1:]]
        for one in analysis.context.looks
    ]
    caption = (
        "Every verdict on a complete plan, or one that was asked for before, is a look. Each has its own level, so that"
        " all of them together are wrong in at most 5 % of studies."
    )
    return Table("Looks at this study", caption, columns, rows)


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
        [verdict.arm, verdict.baseline, METRICS[o.cost].title, o.mean, o.low, o.high]
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
        Column("sd", "SD over repetitions (points)", percent),
    ]
    rows = [
        [cell, verdict.arm, int(pairs), *numbers]
        for verdict in analysis.verdicts
        for cell, (pairs, *numbers) in zip(
            verdict.cells.index, verdict.cells.to_numpy(dtype=float).tolist(), strict=True
        )
    ]
    caption = (
        "Mean test accuracy of paired repetitions, and their difference with its 95 % interval over the repetitions of"
        " the cell alone; one pair gives no interval."
    )
    return Table("Paired difference in each cell", caption, columns, rows)


def _baseline(analysis: Analysis) -> str:
    return arm_name(analysis.study.factor, analysis.arms[0]) if analysis.arms else "baseline"


def _arm(analysis: Analysis) -> str:
    return arm_name(analysis.study.factor, analysis.arms[1]) if len(analysis.arms) == 2 else "arm"
