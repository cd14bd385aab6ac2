"""Scaling fits: the law of every arm along every cost, differences of exponents, and held-out predictions."""

import math

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.scaling_fits import number
from scaling.report.tables.table import Column, Table, difference, ends, interval_columns, percent, table, whole
from scaling.statistics.estimates import Interval
from scaling.statistics.held_out import HeldOut
from scaling.statistics.weighted_law import LawFit
from scaling.study.metrics import METRICS


@table
def scaling_fits(analysis: Analysis) -> Table:
    """One row per cost and arm that has a law: error = E + A · (cost / reference)^−α."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("alpha", "α", number),
        *interval_columns(number, "alpha_low", "alpha_high"),
        Column("floor", "E (%)", number),
        *interval_columns(number, "floor_low", "floor_high"),
        Column("floor_is_known", "floor told from a bend"),
        Column("amplitude", "A (points)", number),
        Column("reference", "A is at"),
        Column("rho", "ρ", number),
        Column("hinge_gain", "hinge better by", number),
        Column("from_cost", "from"),
        Column("to_cost", "to"),
        Column("cells", "cells", whole),
    ]
    rows, missing = [], {}
    for fit in analysis.scaling_fits.fits:
        metric, law = METRICS[fit.cost], fit.law
        if not isinstance(law, LawFit):
            missing.setdefault(law.said, []).append(f"{fit.arm} along {metric.title}")
            continue
        span = [metric.text(law.low_cost), metric.text(law.high_cost)]
        known = "yes" if law.floor_is_known else "no"
        rows.append(
            [
                metric.title,
                fit.arm,
                *ends(law.alpha),
                *ends(law.floor),
                known,
                law.amplitude,
                metric.text(law.reference),
                law.rho,
                law.hinge_gain,
                *span,
                fit.cells,
            ]
        )
    caption = (
        "Test error = E + A · (cost / reference)^−α, with 95 % profile likelihood intervals; the scatter of cells goes"
        " with error^ρ. E is known only if E = 0 is rejected and a bend in log-log is not the better law (hinge better"
        " by more than 2). These laws hold for tuned models only."
    )
    for said, where in missing.items():
        caption += f" No law of {', '.join(where)}: {said}."
    return Table("Scaling laws", caption, columns, rows)


@table
def exponent_differences(analysis: Analysis) -> Table:
    """One row per arm and cost: its exponent minus the baseline's."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("difference", "difference of α", number),
        *interval_columns(number),
    ]
    rows = [
        [METRICS[one.cost].title, one.arm, one.baseline, *ends(one.alpha)]
        for one in analysis.scaling_fits.differences
        if isinstance(one.alpha, Interval)
    ]
    caption = (
        "Above zero: the arm's error falls faster with cost. The intervals of all arms hold together with 95 %"
        " (Bonferroni); they are made from those of both arms (MOVER)."
    )
    return Table("Difference of the exponents", caption, columns, rows)


@table
def scaling_predictions(analysis: Analysis) -> Table:
    """One row per cost and arm: the prediction of the largest costs from the smaller ones, and its errors."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("costs", "costs fitted", whole),
        Column("until", "up to"),
        Column("held_out", "cells held out", whole),
        Column("within", "within 95 % (%)", percent),
        Column("bias", "predicted − measured (points)", difference),
        Column("error", "root mean square (points)", percent),
        Column("largest", "largest cost: predicted (%)", percent),
        *interval_columns(percent, "largest_low", "largest_high"),
        Column("largest_measured", "measured (%)", percent),
    ]
    rows = []
    for fit in analysis.scaling_fits.fits:
        held_out = fit.held_out
        if not isinstance(held_out, HeldOut):
            continue
        metric = METRICS[fit.cost]
        miss, last = held_out.predicted - held_out.measured, int(held_out.cost.argmax())
        largest = (held_out.predicted, held_out.low, held_out.high, held_out.measured)
        rows.append(
            [metric.title, fit.arm, held_out.costs, metric.text(held_out.until), len(held_out.cost)]
            + [100 * held_out.within, float(miss.mean()), math.sqrt(float((miss**2).mean()))]
            + [float(of[last]) for of in largest]
        )
    caption = (
        "Laws fitted to the smaller two thirds of the distinct costs, compared with the cells of the largest third. The"
        " prediction interval is that of a single cell (mean over its repetitions); it contains about 95 % of cells if"
        " the same law goes on."
    )
    return Table("Held-out prediction of the largest sizes", caption, columns, rows)
