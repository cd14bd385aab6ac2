"""The score table: scores, losses, costs and axes at the places of their arm, cell and repetition."""

import math

import numpy as np
import pandas as pd
import pytest

from scaling.statistics.comparison import VerdictSettings, assess
from scaling.statistics.score_table import ScoreTable, numeric, score_table

ARMS = ("average", "attention")
NAN = math.nan


def frame(*rows: tuple[str, str, object, float]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["cell", "arm", "repetition", "test_accuracy"])


def grid(scores: np.ndarray, labels: list[object] | None = None) -> pd.DataFrame:
    """Rows of an array (arms, cells, repetitions)."""
    labels = labels or list(range(scores.shape[2]))
    rows = [(f"cell {c}", ARMS[a], labels[r], float(scores[a, c, r])) for a, c, r in np.ndindex(*scores.shape)]
    return frame(*rows)


def same(found: ScoreTable, scores: np.ndarray) -> bool:
    return bool(((found.scores == scores) | (np.isnan(found.scores) & np.isnan(scores))).all())


def test_every_score_is_at_its_place_with_its_row() -> None:
    table = frame(
        ("b", "attention", 1, 71.0),
        ("a", "average", 0, 60.0),
        ("b", "average", 1, 70.0),
        ("b", "attention", 0, NAN),
    )

    found = score_table(table, ARMS)

    assert found.cells == ["b", "a"]
    assert same(found, np.array([[[NAN, 70.0], [60.0, NAN]], [[NAN, 71.0], [NAN, NAN]]]))
    assert found.rows.tolist() == [[[-1, 2], [1, -1]], [[-1, 0], [-1, -1]]]
    assert found.lost.tolist() == [[[False, False], [False, False]], [[True, False], [False, False]]]
    assert found.costs is None


def test_a_trial_that_never_ran_is_not_lost() -> None:
    found = score_table(
        frame(("a", "average", 0, NAN), ("a", "attention", 0, 50.0), ("a", "average", 1, math.inf)), ARMS
    )

    contrast = found.contrast(*ARMS)

    assert [int(lost.sum()) for lost in contrast.lost()] == [2, 0]
    assert len(contrast.paired()) == 0


def test_of_two_rows_of_one_trial_the_last_counts() -> None:
    found = score_table(frame(("a", "average", 0, 50.0), ("a", "average", 0, 55.0), ("a", "attention", 0, 60.0)), ARMS)

    assert found.scores[0, 0, 0] == 55.0
    assert found.rows[0, 0, 0] == 1


@pytest.mark.parametrize("labels", [[0, 1, 2], [1337, 42, 7], ["x", "y", "z"], [0, 5, 10**12]])
def test_labels_of_repetitions_are_no_counts(labels: list[object]) -> None:
    scores = np.random.default_rng(0).normal(70, 1, (2, 4, 3))

    found = score_table(grid(scores, labels), ARMS)

    assert found.scores.shape == (2, 4, 3)
    assert (found.scores[1] - found.scores[0]).sum() == pytest.approx((scores[1] - scores[0]).sum())


def test_pairs_keep_their_label_when_repetitions_differ_between_arms() -> None:
    found = score_table(
        frame(
            ("a", "average", 3, 50.0),
            ("a", "average", 4, 51.0),
            ("a", "attention", 4, 61.0),
            ("a", "attention", 9, 7.0),
        ),
        ARMS,
    )

    differences = found.contrast(*ARMS).differences().values

    assert differences[np.isfinite(differences)].tolist() == [10.0]


def test_shared_seeds_have_one_place_in_all_cells() -> None:
    table = frame(
        ("a", "average", 1, 50.0), ("a", "attention", 1, 51.0), ("b", "average", 2, 60.0), ("b", "attention", 2, 62.0)
    )

    own, shared = score_table(table, ARMS), score_table(table, ARMS, shared_seeds=True)

    assert own.scores.shape == (2, 2, 1)
    assert shared.scores.shape == (2, 2, 2)
    assert np.isfinite(shared.scores[0]).tolist() == [[True, False], [False, True]]


def test_costs_are_means_of_what_is_known() -> None:
    table = frame(
        ("a", "average", 0, 1.0), ("a", "average", 1, 2.0), ("a", "attention", 0, 3.0), ("b", "average", 0, 4.0)
    )
    table["macs"] = [100.0, 300.0, NAN, 50.0]

    found = score_table(table, ARMS)

    assert found.costs is not None
    assert found.costs[0].tolist() == [200.0, 50.0]
    assert np.isnan(found.costs[1]).all()
    assert found.contrast(*ARMS).cost == pytest.approx([200.0, 50.0])  # of the baseline


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2, 4], [2.0, 4.0]),
        ([0.5, 1], [0.5, 1.0]),
        (["2", "4"], None),
        ([True, False], None),
        (["small", "large"], None),
        ([2, None], None),
        ([2, math.inf], None),
        ([2, True], None),
    ],
)
def test_only_numbers_are_an_axis(values: list[object], expected: list[float] | None) -> None:
    found = numeric(pd.Series(values, dtype=object))

    assert (None if found is None else found.tolist()) == expected


def test_axes_have_a_value_a_cell() -> None:
    table = grid(np.ones((2, 2, 2)))
    table["depth"] = np.where(table["cell"] == "cell 0", 2, 8)
    table["pool"] = "flat"

    assert {
        name: values.tolist() for name, values in score_table(table, ARMS, axes=["depth", "pool"]).axes.items()
    } == {"depth": [2.0, 8.0]}


def test_no_rows_have_no_pairs() -> None:
    found = score_table(frame(), ARMS, axes=[])

    assert found.scores.shape[:2] == (2, 0)
    assert len(found.contrast(*ARMS).paired()) == 0
    assert not math.isfinite(assess(found.contrast(*ARMS), VerdictSettings()).here.estimate)


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_rows_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(70, 1, (2, 3, 3))
    scores[rng.random(scores.shape) < 0.2] = NAN
    table = grid(scores).sample(frac=1, random_state=seed)

    one, other = (
        assess(score_table(rows, ARMS).contrast(*ARMS), VerdictSettings()).here for rows in (grid(scores), table)
    )

    assert (one.estimate, one.low, one.high) == pytest.approx((other.estimate, other.low, other.high), nan_ok=True)
