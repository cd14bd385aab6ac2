"""The difference at equal cost, and whether a gain is attention or capacity."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.table import Column, Table, difference, ends, extra, interval_columns, table, whole
from scaling.statistics.equal_cost import EqualCost
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS


@table
def equal_cost(analysis: Analysis) -> Table:
    """One row per comparison and cost: the difference at equal cost over the range that both arms cover."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("cost", "at equal"),
        Column("from_cost", "from"),
        Column("to_cost", "to"),
        Column("verdict", "verdict"),
        Column("difference", "mean difference (points)", difference),
        *interval_columns(difference),
        Column("sure_better", "band above zero"),
        Column("sure_worse", "band below zero"),
        Column("cells", "cells", whole),
        Column("params_more", "parameters more (%)", extra),
        Column("macs_more", "MACs more (%)", extra),
        Column("more_cells", "cells still needed (about)", whole),
        Column("missing", "why not"),
    ]
    rows, level = [], 0.95
    for answer in analysis.equal_cost:
        metric, result = METRICS[answer.cost], answer.result
        head = [answer.arm, answer.baseline, metric.title]
        if isinstance(result, Missing):
            rows.append([*head, None, None, answer.kind, *[None] * 9, result.said])
            continue
        level = result.mean.level
        rows.append(
            [
                *head,
                metric.text(float(result.cost[0])),
                metric.text(float(result.cost[-1])),
                answer.kind,
                *ends(result.mean),
                _ranges(result, answer.cost, result.above),
                _ranges(result, answer.cost, result.below),
                result.cells,
                answer.others.get("params"),
                answer.others.get("macs"),
                answer.more_cells,
                None,
            ]
        )
    caption = (
        "Distance between the arms' curves of test accuracy over log cost, mean over the range that both cover, with"
        f" its {100 * level:.4g} % interval. The band (simultaneous along the range, separate for each cost) shows"
        " where a difference is significant. More: how much more of the other cost the arm has at equal cost, mean"
        " over the range."
    )
    return Table("Difference at equal cost", caption, columns, rows)


def _ranges(result: EqualCost, cost: str, ranges: list[tuple[float, float]]) -> str | None:
    text = METRICS[cost].text
    return "; ".join(f"{text(low)} to {text(high)}" for low, high in ranges) or None


@table
def control(analysis: Analysis) -> Table:
    """One row per contrast among attention, average and the two controls; empty if no control is an arm."""
    columns = [
        Column("meaning", "what it shows"),
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("difference", "difference (points)", difference),
        *interval_columns(difference),
        Column("pairs", "pairs", whole),
    ]
    found = analysis.control
    rows = [
        [part.meaning, part.arm, part.baseline, *ends(part.difference), part.pairs]
        for part in (found.parts if found else [])
    ]  # fmt: skip
    caption = "Paired differences in the same cells, with simultaneous 95 % intervals."
    if found:
        caption = f"{found.sentence[:1].upper()}{found.sentence[1:].split(':')[0]}. {caption}"
    return Table("Attention or capacity", caption, columns, rows)
