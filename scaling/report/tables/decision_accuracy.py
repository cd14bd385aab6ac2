"""Whether small models decide as the largest do, and where the better arm changes at equal cost."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.small_models import changes_of_sign, small_models
from scaling.report.tables.table import Column, Table, difference, ends, interval_columns, percent, plain, table, whole
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, main_cost


@table
def decision_accuracy(analysis: Analysis) -> Table:
    """One row per comparison and kind of size: how many smaller sizes have the sign of the largest."""
    metric = METRICS[main_cost()]
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("unit", "compared"),
        Column("largest", "largest"),
        Column("difference", "difference at the largest (points)", difference),
        *interval_columns(difference),
        Column("smaller", "smaller ones", whole),
        Column("agreeing", "with its sign", whole),
        Column("share", "share (%)", percent),
        *interval_columns(percent, "share_low", "share_high"),
        Column("opposed", "decided against it", whole),
        Column("agrees_from", "all agree up from"),
        Column("missing", "why not"),
    ]
    rows, answers = [], small_models(analysis)
    for answer in answers:
        found, head = answer.found, [answer.arm, answer.baseline, answer.unit]
        if isinstance(found, Missing):
            rows.append([*head, *[None] * (len(columns) - len(head) - 1), found.said])
            continue
        first, share = found.agrees_from, found.share
        rows.append(
            plain(
                [
                    *head,
                    metric.text(found.largest.high_cost),
                    *ends(found.largest.interval),
                    len(found.smaller),
                    found.agreeing if share else None,
                    *([share.estimate, share.low, share.high] if share else [None] * 3),
                    found.opposed if share else None,
                    metric.text(first.low_cost) if first else None,
                    None if share else "the largest does not decide",
                ]
            )
        )
    said = " ".join(one.sentence for one in answers if one.unit == "size")
    caption = (
        f"{said} Share of the smaller ones whose difference has the sign of the largest's (decision accuracy,"
        " DataDecide, Magnusson et al. 2025), with its exact 95 % interval, which takes each for one draw of its kind."
        " Models whose baselines cost the same are one size. Where the interval of the largest includes"
        " zero, there is no decision to agree with."
    )
    return Table("Do small models decide as the largest?", caption.strip(), columns, rows)


@table
def sign_changes(analysis: Analysis) -> Table:
    """One row per comparison and cost: between which parts of the range the better arm changes, if it does."""
    columns = [
        Column("arm", "arm"),
        Column("baseline", "against"),
        Column("cost", "at equal"),
        Column("changes", "changes of sign", whole),
        Column("sentence", "where"),
    ]
    rows = [
        [one.arm, one.baseline, METRICS[one.cost].title, len(one.changes), one.sentence]
        for one in changes_of_sign(analysis)
    ]
    caption = (
        "A change lies between two parts of the range whose intervals leave out zero on different sides. At which cost"
        " between them it lies is not known."
    )
    return Table("Where the better arm changes", caption, columns, rows)
