"""The difference at equal cost, and whether a gain is attention or capacity."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.table import Column, Table, difference, ends, extra, interval_columns, table, whole
from scaling.statistics.missing import Missing
from scaling.statistics.other_sentences import shares_sentence
from scaling.study.metrics import METRICS, column_costs


@table
def equal_cost(analysis: Analysis) -> Table:
    """One row per comparison and cost: the mean difference over the range of cost that both arms cover."""
    others = column_costs()
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("cost", "at equal"),
        Column("from_cost", "from"),
        Column("to_cost", "to"),
        Column("verdict", "verdict"),
        Column("difference", "mean difference (points)", difference),
        *interval_columns(difference),
        *(Column(f"{name}_more", f"{METRICS[name].title} more (%)", extra) for name in others),
        Column("missing", "why not"),
    ]
    rows = []
    for answer in analysis.equal_cost:
        metric, result = METRICS[answer.cost], answer.result
        head = [answer.arm, answer.baseline, metric.title]
        more = [answer.others.get(name) for name in others]
        if isinstance(result, Missing):
            rows.append([*head, None, None, str(answer.kind), None, None, None, *more, result.said])
            continue
        span = [metric.text(result.low_cost), metric.text(result.high_cost)]
        rows.append([*head, *span, str(answer.kind), *ends(result.mean), *more, None])
    caption = (
        "Distance between the arms' curves of test accuracy over log cost, mean over the range that both cover, with"
        " its interval. Nothing is claimed about single costs. More: how much more of another cost the arm has at equal"
        " cost, mean over the range."
    )
    return Table("Difference at equal cost", caption, columns, rows)


@table
def equal_cost_parts(analysis: Analysis) -> Table:
    """One row per comparison, cost and part of the range."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("cost", "at equal"),
        Column("part", "part, the cheapest first", whole),
        Column("from_cost", "from"),
        Column("to_cost", "to"),
        Column("difference", "mean difference (points)", difference),
        *interval_columns(difference),
    ]
    rows = []
    for answer in analysis.equal_cost:
        if isinstance(answer.result, Missing):
            continue
        metric = METRICS[answer.cost]
        for place, part in enumerate(answer.result.parts, start=1):
            span = [metric.text(end) for end in (part.low_cost or 0.0, part.high_cost or 0.0)]
            rows.append([answer.arm, answer.baseline, metric.title, place, *span, *ends(part.interval)])
    caption = (
        "The same over the halves or thirds of the range in log cost. The intervals of the parts of one row of"
        " “Difference at equal cost” hold together."
    )
    return Table("Difference at equal cost, by parts of the range", caption, columns, rows)


@table
def control(analysis: Analysis) -> Table:
    """The gain of attention pooling and its two shares; empty where the controls are no arms."""
    columns = [
        Column("share", "share"),
        Column("difference", "points", difference),
        *interval_columns(difference),
        Column("level", "level (%)", extra),
    ]
    found = analysis.shares
    if found is None:
        return Table("Attention or capacity", "No control is an arm.", columns, [])
    named = {
        "the whole gain": found.gain,
        "attention": found.attention,
        "capacity": found.capacity,
        "attention − capacity": found.difference,
        "more together than each by itself": found.interaction,
    }
    rows = [[name, *ends(one), 100 * one.level] for name, one in named.items() if one is not None]
    caption = (
        f"{shares_sentence(found)} Attention and capacity add up to the gain, over the {found.cells} models in which"
        " all these arms have finished; a share is a cause alone only if the other is within the margin."
    )
    return Table("Attention or capacity", caption, columns, rows)
