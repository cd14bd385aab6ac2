"""The design space in numbers: distances between error distributions, and agreement of costs."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.design_space import PLAIN
from scaling.report.tables.table import Column, Table, ends, interval_columns, percent, plain, table
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS


@table
def error_distributions(analysis: Analysis) -> Table:
    """One row per weighting and arm: median error, and distance of the distribution to the baseline's."""
    columns = [
        Column("weighted_for", "weighted for"),
        Column("arm", "arm"),
        Column("cells", "cells"),
        Column("median_error", "median test error (%)", percent),
        Column("distance", "KS distance (points of share)", percent),
        Column("at_error", "at error (%)", percent),
        Column("p_value", "p", lambda value: f"{value:.3g}"),
        Column("missing", "why not"),
    ]
    rows = []
    for cost, spread in analysis.design_space.spreads.items():
        name = "nothing" if cost == PLAIN else METRICS[cost].title
        if isinstance(spread, Missing):
            rows.append([name, *[None] * 6, spread.said])
            continue
        for arm in analysis.arms:
            found, apart = spread.arms[arm], spread.separations.get(arm)
            if isinstance(found, Missing):
                rows.append([name, arm, *[None] * 5, found.said])
                continue
            median = float(found.errors[int((found.share >= 0.5 - 1e-12).argmax())])
            distance = (
                [100 * apart.distance, apart.at_error, apart.p_value, None]
                if apart is not None and not isinstance(apart, Missing)
                else [None, None, None, apart.said if isinstance(apart, Missing) else None]
            )
            rows.append(plain([name, arm, found.n, median, *distance]))
    caption = (
        "Distance: the largest difference between the arm's error distribution function and the baseline's"
        " (Kolmogorov–Smirnov), with p from swapping arms within cells. Each row is a separate test: about one in"
        " twenty without any difference has p < 0.05."
    )
    return Table("Distributions of errors", caption, columns, rows)


@table
def cost_agreement(analysis: Analysis) -> Table:
    """One row for every two costs: how similarly they rank the models."""
    columns = [
        Column("cost", "cost"),
        Column("other", "and"),
        Column("tau", "Kendall's τ-b", _tau),
        *interval_columns(_tau),
        Column("models", "models"),
    ]
    rows = [
        plain([METRICS[one].title, METRICS[other].title, *ends(tau), tau.n])
        for (one, other), tau in sorted(analysis.design_space.agreement.items(), key=lambda item: item[1].estimate)
    ]
    caption = (
        "How similarly two costs rank the models (a model is a cell and arm): 1 the same order, 0 unrelated; with 95 %"
        " intervals."
    )
    return Table("Where costs disagree", caption, columns, rows)


def _tau(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


@table
def cost_movers(analysis: Analysis) -> Table:
    """The models whose rank depends most on the choice of cost."""
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("cheapest_by", "cheapest by"),
        Column("cheapest_rank", "rank"),
        Column("most_expensive_by", "most expensive by"),
        Column("most_expensive_rank", "rank"),
    ]
    cells = analysis.cells
    rows = [
        [
            str(cells["cell"].iloc[mover.model]),
            str(cells["arm"].iloc[mover.model]),
            METRICS[mover.cheap_by].title,
            mover.cheap_place,
            METRICS[mover.expensive_by].title,
            mover.expensive_place,
        ]
        for mover in analysis.design_space.movers
    ]
    caption = f"Ranks among {len(cells)} models, 1 the cheapest; the models whose rank differs most."
    return Table("Models that costs rank differently", caption, columns, rows)
