"""Mistakes in reports: overlaps of arms, sizes and runs, from the images that records hold."""

import base64
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.mistakes import ARMS, RUNS, SIZES, averaged, mistakes_of
from scaling.report.tables import TABLES
from scaling.study.records import Record
from tests.support.studies import Truth, describe, simulated_records

TRUTH = Truth(depths=(2, 4), widths=(32,), seeds=2, test_examples=100)
WRONG = dict[tuple[int, str, int], set[int]]  # depth, arm and repetition → wrong images

# of each depth: the arms share an image in repetition 0 and two in repetition 1
BY_HAND: WRONG = {
    (2, "average", 0): {0, 1, 2, 3}, (2, "attention", 0): {3, 4, 5, 6},
    (2, "average", 1): {0, 1, 2, 3}, (2, "attention", 1): {2, 3, 4, 5},
    (4, "average", 0): {0}, (4, "attention", 0): {0},
    (4, "average", 1): {0}, (4, "attention", 1): set(),
}  # fmt: skip


def with_wrong(record: Record, wrong: set[int], images: int) -> Record:
    right = np.ones(images, dtype=bool)
    right[list(wrong)] = False
    assert record.scores
    update = {
        "test_correct": base64.b64encode(np.packbits(right).tobytes()).decode(),
        "test_accuracy": 100 * right.mean(),
        "test_examples": images,
    }
    return record.model_copy(update={"scores": record.scores.model_copy(update=update)})


def analysed(wrong: Callable[[Record], set[int]], truth: Truth = TRUTH) -> Analysis:
    records = [with_wrong(one, wrong(one), truth.test_examples) for one in simulated_records(truth)]
    return analyse(describe(records, truth), records)


def by_hand(record: Record) -> set[int]:
    return BY_HAND[record.cell["depth"], record.arm, record.repetition]


def rows(analysis: Analysis) -> list[dict[str, Any]]:
    table = TABLES["mistake_overlap"](analysis)
    return [dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows]


def test_arms_of_a_cell_are_compared_repetition_by_repetition() -> None:
    small, large = mistakes_of(analysed(by_hand)).of(ARMS)

    assert (small.one, small.other, small.cell) == ("average", "attention", "depth=2 width=32")
    assert small.overlap.jaccard == pytest.approx((1 / 7 + 2 / 6) / 2)
    assert (small.overlap.one_wrong, small.overlap.both_wrong) == (4, 1.5)
    assert large.overlap.jaccard == pytest.approx((1 + 0) / 2)


def test_sizes_and_runs_of_an_arm_take_all_pairs() -> None:
    found = mistakes_of(analysed(by_hand))
    sizes = {one.one: one for one in found.of(SIZES)}
    runs = {(one.one, one.cell): one.overlap for one in found.of(RUNS)}

    assert (sizes["average"].cell, sizes["average"].other_cell) == ("depth=2 width=32", "depth=4 width=32")
    assert (sizes["average"].overlap.pairs, sizes["average"].overlap.jaccard) == (4, 1 / 4)
    assert sizes["attention"].overlap.jaccard == 0
    assert runs["average", "depth=2 width=32"].jaccard == 1
    assert runs["attention", "depth=2 width=32"].jaccard == pytest.approx(3 / 5)


def test_the_table_averages_over_cells() -> None:
    analysis = analysed(by_hand)
    shown = rows(analysis)

    first = shown[0]
    assert (first["between"], first["cell"], first["pairs"]) == (ARMS, "mean over cells", 4)
    assert first["jaccard"] == pytest.approx(((1 / 7 + 2 / 6) / 2 + 1 / 2) / 2)
    assert averaged(mistakes_of(analysis).of(ARMS)).jaccard == first["jaccard"]
    assert [row["between"] for row in shown] == [ARMS] * 3 + [SIZES] * 2 + [RUNS] * 2


def test_independent_mistakes_are_as_expected() -> None:
    rng = np.random.default_rng(0)
    truth = Truth(depths=(2, 4, 8), widths=(32, 64), seeds=4, test_examples=600)
    analysis = analysed(lambda _: set(np.flatnonzero(rng.random(600) < 0.3).tolist()), truth)

    for row in rows(analysis):
        if row["cell"] == "mean over cells":
            assert row["jaccard"] == pytest.approx(row["expected"], abs=0.02)


def test_faultless_models_have_no_overlap() -> None:
    found = mistakes_of(analysed(lambda _: set()))

    assert all(one.overlap.pairs == 0 and math.isnan(one.overlap.jaccard) for one in found.overlaps)
    assert rows(analysed(lambda _: set()))[0]["jaccard"] is None


def test_records_without_images_give_no_rows() -> None:
    records = simulated_records(TRUTH)
    analysis = analyse(describe(records, TRUTH), records)

    assert rows(analysis) == []
    assert TABLES["mistake_overlap"](analysis).caption.startswith("Not known: not all trials record")


def test_one_arm_in_one_cell_leaves_its_runs() -> None:
    truth = Truth(depths=(2,), widths=(32,), arms=("average",), seeds=3, test_examples=100)

    found = mistakes_of(analysed(lambda record: {record.repetition, 9}, truth))

    assert [one.between for one in found.overlaps] == [RUNS]
    assert found.overlaps[0].overlap.jaccard == pytest.approx(1 / 3)


def test_many_cells_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.report.analysis.mistakes.MOST_CELLS", 3)
    truth = Truth(depths=(2, 4, 6, 8, 10), widths=(32,), seeds=2, test_examples=100)
    analysis = analysed(lambda record: {record.repetition, 9}, truth)

    found = mistakes_of(analysis)

    assert [one.cell for one in found.of(ARMS)] == ["depth=2 width=32", "depth=6 width=32", "depth=10 width=32"]
    assert found.of(SIZES)[0].other_cell == "depth=10 width=32"
    assert TABLES["mistake_overlap"](analysis).caption.endswith("Means are over an even sample of 3 cells.")


def test_unknown_costs_name_no_smallest_model() -> None:
    records = [with_wrong(one, {1}, 100).model_copy(update={"cost": None}) for one in simulated_records(TRUTH)]

    assert mistakes_of(analyse(describe(records, TRUTH), records)).of(SIZES) == []
