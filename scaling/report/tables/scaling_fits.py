"""Scaling fits: the law of every arm along every cost, how exponents differ, how well the largest were foretold."""

import math

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.scaling_fits import number
from scaling.report.tables.registry import Column, Table, difference, percent, table, whole
from scaling.statistics.fits import FEWEST, Foretold, ScalingFit
from scaling.statistics.intervals import Interval
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS

FLOORED = "floor allowed"
UNFLOORED = "without a floor"


@table
def scaling_fits(analysis: Analysis) -> Table:
    """One row a cost and arm: error = E + A · (cost / reference)^−α."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("law", "law chosen by held-out error"),
        Column("alpha", "α", number),
        Column("alpha_low", "from", number),
        Column("alpha_high", "to", number),
        Column("floor", "E (%)", number),
        Column("floor_low", "from", number),
        Column("floor_high", "to", number),
        Column("amplitude", "A (points)", number),
        Column("amplitude_low", "from", number),
        Column("amplitude_high", "to", number),
        Column("reference", "A is at"),
        Column("plain_alpha", "α without a floor", number),
        Column("plain_low", "from", number),
        Column("plain_high", "to", number),
        Column("identified", "floor told from 0"),
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
                    *_ends(fit.alpha),
                    *(_ends(fit.floor) if fit.floor else (None,) * 3),
                    *_ends(fit.amplitude),
                    METRICS[cost].text(fit.reference),
                    *_ends(fit.plain_alpha),
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
        "Test error = E + A · (cost / reference)^−α, with 95 % profile likelihood intervals (E ≥ 0; ∞: the data leave"
        " the end open). Where the floor is not told from 0, α without a floor is the one to read: the slope over this"
        " range, which a floor further on would flatten. These are laws of tuned models only."
    )
    return Table("Scaling laws", caption, columns, rows)


@table
def exponent_differences(analysis: Analysis) -> Table:
    """One row an arm, cost and law: its exponent minus the baseline's."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("law", "law"),
        Column("difference", "difference of α", number),
        Column("low", "from", number),
        Column("high", "to", number),
        Column("missing", "why not"),
    ]
    rows = []
    for one in analysis.scaling_fits.differences:
        for law, found in ((FLOORED, one.alpha), (UNFLOORED, one.plain_alpha)):
            head = [METRICS[one.cost].title, one.arm, one.baseline, law]
            if isinstance(found, Interval):
                rows.append([*head, *_ends(found), None])
            elif found.why != "unknown cost" and not (law == UNFLOORED and isinstance(one.alpha, Missing)):
                rows.append([*head, None, None, None, found.said])
    caption = (
        "Above zero: the arm's error falls faster with cost. Intervals of all arms hold together with 95 % (Bonferroni)"
        " and come from those of both arms and from how far these err together in the cells that they share (MOVER)."
    )
    return Table("Difference of the exponents", caption, columns, rows)


@table
def scaling_predictions(analysis: Analysis) -> Table:
    """One row a cost and arm: the dearest costs foretold from the cheaper ones, and scored."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("law", "law of the cheaper"),
        Column("costs", "cheaper costs", whole),
        Column("until", "up to"),
        Column("foretold", "cells foretold", whole),
        Column("within", "within 95 % (%)", percent),
        Column("bias", "predicted − measured (points)", difference),
        Column("error", "root mean square (points)", percent),
        Column("largest", "dearest: predicted (%)", percent),
        Column("largest_low", "from", percent),
        Column("largest_high", "to", percent),
        Column("largest_measured", "measured (%)", percent),
        Column("missing", "why not"),
    ]
    rows = []
    for cost, arms in analysis.scaling_fits.fits.items():
        for arm, fit in arms.items():
            if not isinstance(fit, ScalingFit):
                continue
            head, told = [METRICS[cost].title, arm], fit.foretold
            if not isinstance(told, Foretold):
                rows.append([*head, *[None] * 11, told.said])
                continue
            miss, last = told.predicted - told.measured, int(told.cost.argmax())
            dearest = (told.predicted, told.low, told.high, told.measured)
            rows.append(
                [*head, told.law, told.costs, METRICS[cost].text(told.until), len(told.cost), 100 * told.within,
                 float(miss.mean()), math.sqrt(float((miss**2).mean())), *(float(of[last]) for of in dearest), None]
            )  # fmt: skip
    caption = (
        "Laws fitted to the cheaper two thirds of the distinct costs alone, and held against the cells of the dearest"
        " third. The prediction interval is of a single cell (mean over its seeds), the widest of what the laws say; of"
        " many cells about 95 % lie within where the law goes on."
    )
    return Table("The largest sizes, foretold", caption, columns, rows)


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high
