"""Fronts with their uncertainty: the hypervolume of each arm's front, and the probability of each cell to be on it."""

import numpy as np

from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.table import Column, Table, ends, interval_columns, percent, plain, table
from scaling.statistics.front_noise import SURE
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, main_cost


@table
def fronts(analysis: Analysis) -> Table:
    """One row per cost and arm: the hypervolume of its front, and whether the front is stable under repetitions."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("stable", "stable under repetitions"),
        Column("agreement", "agreement of draws", percent),
        Column("volume", "hypervolume (points × decades)", percent),
        *interval_columns(percent),
        Column("against", "minus the baseline's", percent),
        *interval_columns(percent, "against_low", "against_high"),
        Column("reference_cost", "up to"),
        Column("reference_accuracy", "above (%)", percent),
        Column("missing", "why not"),
    ]
    rows = []
    for cost, odds in analysis.front_odds.items():
        metric = METRICS[cost]
        if isinstance(odds, Missing):
            rows.append([metric.title, None, None, *[None] * 9, odds.said])
            continue
        for arm, volume in odds.volumes.items():
            against = odds.differences.get(arm)
            rows.append(
                plain(
                    [
                        metric.title,
                        arm,
                        "yes" if odds.stable[arm] else "no",
                        odds.agreement[arm],
                        *ends(volume.volume),
                        *ends(against.volume if against else None),
                        metric.text(odds.reference[0]),
                        odds.reference[1],
                        None,
                    ]
                )
            )
    caption = (
        "Fronts of mean test accuracy, redrawn with the noise of repetitions and, where trials record it, of test"
        " images. Agreement: mean of |both| / |either| of a drawn and the observed front. Stable: every cell on the"
        f" front is on it in at least {100 * SURE:.0f} % of the draws, and every other one in at most"
        f" {100 * (1 - SURE):.0f} %."
    )
    return Table("Fronts", caption, columns, rows)


@table
def front_odds(analysis: Analysis) -> Table:
    """One row per cell and arm that may be on a front over the main cost, with the probability."""
    metric = METRICS[main_cost()]
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("cost", metric.label, metric.number),
        Column("accuracy", "test accuracy (%)", percent),
        Column("observed", "on its arm's front"),
        Column("own", "probability (%)", percent),
        Column("joint", "probability on the joint front (%)", percent),
    ]
    odds, cells = analysis.front_odds[metric.name], analysis.cells
    if isinstance(odds, Missing):
        return Table("Which cells are on the front", f"Not known: {odds.said}.", columns, [])
    likely = np.flatnonzero((odds.own > 0) | (odds.joint > 0))
    likely = likely[np.argsort(cells[metric.name].to_numpy(dtype=float)[likely], kind="stable")]
    values = zip(
        *(cells[name].to_numpy()[likely].tolist() for name in ("cell", "arm", metric.name, "test_accuracy")),
        ["yes" if on else "no" for on in odds.observed[likely]],
        (100 * odds.own[likely]).tolist(),
        (100 * odds.joint[likely]).tolist(),
        strict=True,
    )
    rows = [plain(row) for row in values]
    caption = f"Over {metric.title}; cells that were on no drawn front are left out."
    return Table("Which cells are on the front", caption, columns, rows)
