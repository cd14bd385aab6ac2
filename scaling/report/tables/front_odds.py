"""Fronts with their uncertainty: what each arm's front covers, and how surely a configuration is on it."""

import numpy as np

from scaling.report.analysis.analysis import MAIN_COST, Analysis
from scaling.report.tables.registry import Column, Table, percent, plain, table
from scaling.statistics.front_noise import SURE
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS


@table
def fronts(analysis: Analysis) -> Table:
    """One row a cost and arm: the hypervolume of its front, and whether the front is stable under seeds."""
    columns = [
        Column("cost", "cost"),
        Column("arm", "arm"),
        Column("stable", "stable under seeds"),
        Column("agreement", "agreement of draws", percent),
        Column("volume", "hypervolume (points × decades)", percent),
        Column("low", "from", percent),
        Column("high", "to", percent),
        Column("against", "minus the baseline's", percent),
        Column("against_low", "from", percent),
        Column("against_high", "to", percent),
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
            own, against = volume.volume, odds.differences.get(arm)
            difference = against.volume if against else None
            rows.append(
                plain(
                    [
                        metric.title,
                        arm,
                        "yes" if odds.stable[arm] else "no",
                        odds.agreement[arm],
                        *(own.estimate, own.low, own.high),
                        *((difference.estimate, difference.low, difference.high) if difference else [None] * 3),
                        metric.text(odds.reference[0]),
                        odds.reference[1],
                        None,
                    ]
                )
            )
    caption = (
        "Fronts of mean test accuracy, drawn anew with the luck of seeds and, where trials tell, of test images."
        " Agreement: mean of |both| / |either| of a drawn and the observed front. Stable: every configuration on the"
        f" front is there in at least {100 * SURE:.0f} % of the draws, and every other one in at most"
        f" {100 * (1 - SURE):.0f} %."
    )
    return Table("Fronts", caption, columns, rows)


@table
def front_odds(analysis: Analysis) -> Table:
    """One row a configuration that may be on a front over MACs: how likely."""
    metric = METRICS[MAIN_COST]
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("cost", metric.label, metric.number),
        Column("accuracy", "test accuracy (%)", percent),
        Column("observed", "on its arm's front"),
        Column("own", "probability of that (%)", percent),
        Column("joint", "on the joint front (%)", percent),
    ]
    odds, cells = analysis.front_odds[MAIN_COST], analysis.cells
    if isinstance(odds, Missing):
        return Table("Who is on the front", f"Not known: {odds.said}.", columns, [])
    likely = np.flatnonzero((odds.own > 0) | (odds.joint > 0))
    likely = likely[np.argsort(cells[MAIN_COST].to_numpy(dtype=float)[likely], kind="stable")]
    values = zip(
        *(cells[name].to_numpy()[likely].tolist() for name in ("cell", "arm", MAIN_COST, "test_accuracy")),
        ["yes" if on else "no" for on in odds.observed[likely]],
        (100 * odds.own[likely]).tolist(),
        (100 * odds.joint[likely]).tolist(),
        strict=True,
    )
    rows = [plain(row) for row in values]
    caption = f"Over {metric.title}; configurations that were on no drawn front are left out."
    return Table("Who is on the front", caption, columns, rows)
