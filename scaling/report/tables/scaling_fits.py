"""Scaling fits: the law of every arm along every cost, differences of exponents, and held-out predictions."""

import math

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.scaling_fits import number
from scaling.report.tables.table import Column, Table, difference, ends, interval_columns, percent, table, whole
from scaling.statistics.fits import FEWEST, HeldOutPrediction, ScalingFit
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS

FLOORED = "floor allowed"
UNFLOORED = "without a floor"


@table
def scaling_fits(analysis: Analysis) -> Table:
    """One row per cost and arm: error = E + A · (cost / reference)^−α."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("law", "law chosen by held-out error"),
        Column("alpha", "α", number),
        *interval_columns(number, "alpha_low", "alpha_high"),
        Column("floor", "E (%)", number),
        *interval_columns(number, "floor_low", "floor_high"),
        Column("amplitude", "A (points)", number),
        *interval_columns(number, "amplitude_low", "amplitude_high"),
        Column("reference", "A is at"),
        Column("plain_alpha", "α without a floor", number),
        *interval_columns(number, "plain_low", "plain_high"),
        Column("identified", "floor above 0"),
        Column("break_slopes", "α before and after the break"),
        Column("held_out_plain", "held out (points): no floor", number),
        Column("held_out_floor", "floor", number),
        Column("held_out_broken", "broken", number),
        Column("spread", "spread of cells (points)", percent),
        Column("costs", "distinct costs", whole),
        Column("cells", "cells", whole),
        Column("missing", "why not"),
    ]
    rows = []
    for cost, arms in analysis.scaling_fits.fits.items():
        for arm, fit in arms.items():
            head = [METRICS[cost].title, arm]
            if isinstance(fit, Missing):
                if fit.why != "unknown cost":
                    rows.append([*head, *[None] * (len(columns) - 3), fit.said])
                continue
            rows.append(
                [
                    *head,
                    fit.law,
                    *ends(fit.alpha),
                    *ends(fit.floor),
                    *ends(fit.amplitude),
                    METRICS[cost].text(fit.reference),
                    *ends(fit.plain_alpha),
                    "yes" if fit.floor_is_known else "no",
                    " → ".join(map(number, fit.slopes)) if fit.slopes else None,
                    *(fit.held_out.get(law) for law in FEWEST),
                    fit.spread,
                    fit.costs,
                    fit.cells,
                    None,
                ]
            )
    caption = (
        "Test error = E + A · (cost / reference)^−α, with 95 % profile likelihood intervals (E ≥ 0; ∞: the data do not"
        " bound this end). If the floor is not distinguishable from 0, use α without a floor: the slope over this"
        " range, which a floor beyond it would flatten. These laws hold for tuned models only."
    )
    return Table("Scaling laws", caption, columns, rows)


@table
def exponent_differences(analysis: Analysis) -> Table:
    """One row per arm, cost and law: its exponent minus the baseline's."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("law", "law"),
        Column("difference", "difference of α", number),
        *interval_columns(number),
        Column("missing", "why not"),
    ]
    rows = []
    for one in analysis.scaling_fits.differences:
        for law, found in ((FLOORED, one.alpha), (UNFLOORED, one.plain_alpha)):
            head = [METRICS[one.cost].title, one.arm, one.baseline, law]
            if isinstance(found, MeanInterval):
                rows.append([*head, *ends(found), None])
            elif found.why != "unknown cost" and not (law == UNFLOORED and isinstance(one.alpha, Missing)):
                rows.append([*head, None, None, None, found.said])
    caption = (
        "Above zero: the arm's error falls faster with cost. The intervals of all arms are simultaneous at 95 %"
        " (Bonferroni). They combine the intervals of both arms and the correlation of their errors in shared cells"
        " (MOVER)."
    )
    return Table("Difference of the exponents", caption, columns, rows)


@table
def scaling_predictions(analysis: Analysis) -> Table:
    """One row per cost and arm: the prediction of the largest costs from the smaller ones, and its errors."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("law", "law fitted"),
        Column("costs", "costs fitted", whole),
        Column("until", "up to"),
        Column("held_out", "cells held out", whole),
        Column("within", "within 95 % (%)", percent),
        Column("bias", "predicted − measured (points)", difference),
        Column("error", "root mean square (points)", percent),
        Column("largest", "largest cost: predicted (%)", percent),
        *interval_columns(percent, "largest_low", "largest_high"),
        Column("largest_measured", "measured (%)", percent),
        Column("missing", "why not"),
    ]
    rows = []
    for cost, arms in analysis.scaling_fits.fits.items():
        for arm, fit in arms.items():
            if not isinstance(fit, ScalingFit):
                continue
            head, held_out = [METRICS[cost].title, arm], fit.held_out_prediction
            if not isinstance(held_out, HeldOutPrediction):
                rows.append([*head, *[None] * 11, held_out.said])
                continue
            miss, last = held_out.predicted - held_out.measured, int(held_out.cost.argmax())
            largest = (held_out.predicted, held_out.low, held_out.high, held_out.measured)
            rows.append(
                [*head, held_out.law, held_out.costs, METRICS[cost].text(held_out.until), len(held_out.cost),
                 100 * held_out.within, float(miss.mean()), math.sqrt(float((miss**2).mean())),
                 *(float(of[last]) for of in largest), None]
            )  # fmt: skip
    caption = (
        "Laws fitted to the smaller two thirds of the distinct costs, compared with the cells of the largest third. The"
        " prediction interval is that of a single cell (mean over its seeds), the widest among the laws; it contains"
        " about 95 % of cells if the law continues."
    )
    return Table("Held-out prediction of the largest sizes", caption, columns, rows)
