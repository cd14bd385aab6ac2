"""Which learning rate is chosen, by which runs, and which runs are scored."""

import itertools
from typing import Any

import pytest

from scaling.study.learning_rates import chosen_rates, rejected_keys, scored, without_rejected
from scaling.study.records import Record, Scores

GRID = [1.0, 2.0, 4.0]


def run(rate: float, repetition: int, accuracy: float | None, *, arm: str = "average", tuned: bool = True) -> Record:
    """A run of one cell; an accuracy of None is that of a run that diverged."""
    numbers: dict[str, Any] = {"val_loss": 1, "test_loss": 1, "val_examples": 10, "test_examples": 10}
    scores = None if accuracy is None else Scores(val_accuracy=accuracy, test_accuracy=accuracy, **numbers)
    return Record(
        key=f"{arm} {rate} {repetition}",
        study="s",
        cell={"depth": 2},
        arm=arm,
        repetition=repetition,
        seed=1337 + repetition,  # the repetition counts, not the seed
        status="finished" if scores else "diverged",
        learning_rate_grid=GRID if tuned else None,
        config={"recipe": {"learning_rate": rate}},
        scores=scores,
    )


def rate_chosen(records: list[Record], choose_by: int) -> float | None:
    return chosen_rates(records, choose_by).get(("depth=2", "average"))


def test_the_mean_over_the_choosing_runs_decides() -> None:
    first, second = {1.0: 90, 2.0: 80, 4.0: 70}, {1.0: 50, 2.0: 75, 4.0: 60}
    records = [run(rate, r, of[rate]) for r, of in enumerate((first, second)) for rate in GRID]

    assert rate_chosen(records, 1) == 1.0
    assert rate_chosen(records, 2) == 2.0


def test_later_repetitions_cannot_change_the_choice() -> None:
    choosing = [run(rate, 0, 60 + rate) for rate in GRID]

    assert rate_chosen([*choosing, run(1.0, 1, 99), run(4.0, 1, 0)], 1) == 4.0


@pytest.mark.parametrize("bad", [0, 1])
def test_a_rate_with_a_diverged_choosing_run_is_never_chosen(bad: int) -> None:
    records = [run(rate, r, None if (rate, r) == (4.0, bad) else 60 + rate) for rate in GRID for r in (0, 1)]

    assert rate_chosen(records, 2) == 2.0


def test_a_rate_without_all_its_choosing_runs_waits() -> None:
    assert rate_chosen([run(1.0, 0, 50), run(1.0, 1, 50), run(2.0, 0, 90)], 2) == 1.0
    assert rate_chosen([run(1.0, 0, 50), run(2.0, 0, 90)], 2) is None


@pytest.mark.parametrize("order", list(itertools.permutations(GRID)))
def test_ties_go_to_the_smaller_rate(order: tuple[float, ...]) -> None:
    accuracies = [0.1, 0.2, 0.3]  # their sum depends on their order in floating point
    records = [run(rate, r, accuracies[(r + i) % 3]) for i, rate in enumerate(order) for r in range(3)]

    assert rate_chosen(records, 3) == 1.0


@pytest.mark.parametrize("choose_by", [1, 2])
def test_only_runs_at_the_chosen_rate_after_it_are_scored(choose_by: int) -> None:
    choosing = [run(rate, r, 60 + rate) for rate in GRID for r in range(choose_by)]
    others = [run(4.0, r, 65) for r in range(choose_by, 4)] + [run(2.0, choose_by, 99)]  # of an earlier choice
    lost = run(4.0, 4, None)  # a lost run counts as lost, it does not vanish

    found = scored([*choosing, *others, lost], choose_by)

    assert [record.repetition for record in found] == [*range(choose_by, 4), 4]
    assert {record.config["recipe"]["learning_rate"] for record in found} == {4.0}


def test_rejected_trials_have_other_rates_than_the_chosen() -> None:
    records = [run(rate, 0, 60 + rate) for rate in GRID] + [run(4.0, 1, 65)]

    assert rejected_keys(records) == {"average 1.0 0", "average 2.0 0"}
    assert [record.key for record in without_rejected(records)] == ["average 4.0 0", "average 4.0 1"]


@pytest.mark.parametrize("choose_by", [0, 1])
def test_without_a_grid_every_run_is_scored(choose_by: int) -> None:
    records = [run(1.0, r, 60, tuned=False) for r in range(3)]

    assert scored(records, choose_by) == records


def test_arms_choose_on_their_own() -> None:
    records = [run(rate, 0, 60 + sign * rate, arm=arm) for arm, sign in (("a", 1), ("b", -1)) for rate in GRID]

    assert chosen_rates(records) == {("depth=2", "a"): 4.0, ("depth=2", "b"): 1.0}
