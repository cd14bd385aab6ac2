"""Tables of the comparisons: a row a verdict, a part, a look, a part at equal cost; as the analysis has them."""

import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.context import Context, KeptLook
from scaling.report.tables.table import Table, tables
from scaling.statistics.missing import Missing
from tests.support.studies import Truth, describe, failed, simulated_records

TRUTH = Truth(depths=(2, 4, 8, 16, 32), arms=("average", "attention", "average_mlp"), effect=1.0)
RECORDS = simulated_records(TRUTH)
LOOKS = [
    KeptLook(1, "2026-01-01T00:00:00", 60, 60, "01", 0.96, {"attention": "inconclusive", "average_mlp": "better"}),
    KeptLook(2, "2026-02-01T00:00:00", 90, 90, "23", 0.9939, {"attention": "better"}),
]


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    lost = [failed(record) if n == 1 else record for n, record in enumerate(RECORDS)]
    return analyse(describe(RECORDS, TRUTH), lost, context=Context(looks=LOOKS))


@pytest.fixture(scope="module")
def shown(analysis: Analysis) -> dict[str, Table]:
    return tables(analysis)


def rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows]


def test_a_verdict_has_its_two_intervals_and_losses(analysis: Analysis, shown: dict[str, Table]) -> None:
    for verdict, row in zip(analysis.verdicts, rows(shown["verdicts"]), strict=True):
        beyond = verdict.found.beyond
        assert beyond is not None
        assert (row["arm"], row["verdict"]) == (verdict.arm, str(verdict.kind))
        assert (row["low"], row["high"]) == (verdict.difference.low, verdict.difference.high)
        assert (row["other_low"], row["other_high"]) == (beyond.low, beyond.high)
        assert row["level"] == pytest.approx(98)  # two arms at the first look
    assert [(row["lost_arm"], row["lost_baseline"]) for row in rows(shown["verdicts"])] == [(1, 0), (0, 0)]


def test_parts_have_both_intervals_and_add_up_to_the_models(analysis: Analysis, shown: dict[str, Table]) -> None:
    found = rows(shown["parts"])

    assert [row["part"] for row in found] == [1, 2, 3, 1, 2, 3]
    parts = [part for verdict in analysis.verdicts for part in verdict.found.parts]
    for part, row in zip(parts, found, strict=True):
        assert (row["difference"], row["low"], row["high"]) == (
            part.interval.estimate,
            part.interval.low,
            part.interval.high,
        )
        assert (row["wide_low"], row["wide_high"]) == (part.wide.low, part.wide.high)
        assert part.wide.low <= part.interval.low
    models = [row["models"] for row in found]
    assert models == [4, 3, 3] * 2


def test_looks_have_a_row_each_with_every_arm(shown: dict[str, Table]) -> None:
    assert shown["looks"].rows == [
        [1, LOOKS[0].time, 60, 60, 96.0, "inconclusive", "better"],
        [2, LOOKS[1].time, 90, 90, 99.39, "better", None],
    ]


def test_parts_at_equal_cost_follow_their_answers(analysis: Analysis, shown: dict[str, Table]) -> None:
    found = rows(shown["equal_cost_parts"])

    expected = [
        (answer.arm, place, part.interval.low, part.interval.high)
        for answer in analysis.equal_cost
        if not isinstance(answer.result, Missing)
        for place, part in enumerate(answer.result.parts, start=1)
    ]
    assert [(row["arm"], row["part"], row["low"], row["high"]) for row in found] == expected
    assert {place for _, place, *_ in expected} == {1, 2, 3}


def test_the_shares_add_up_to_the_gain(shown: dict[str, Table]) -> None:
    points = {row["share"]: row["difference"] for row in rows(shown["control"])}

    assert points["attention"] + points["capacity"] == pytest.approx(points["the whole gain"])  # pyright: ignore[reportOperatorIssue]
    assert "more together than each by itself" not in points  # which needs all four arms
