"""A trial queue hands out whole, balanced cells, whatever is decided on the way, and continues where it was."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.space.design import Design, cells
from scaling.space.search_settings import STOPPING_RULES, Budget, Tune
from scaling.study.config import Trial, cell_label
from scaling.study.errors import SpaceError
from scaling.study.learning_rates import at_edge, chosen_rates, scored, without_rejected
from scaling.sweep.search.cell_run import Segment
from scaling.sweep.search.proposals import Wanted
from tests.support.queues import FakeCostTable, all_cells, finished, play, queue, space


def skill(trial: Trial) -> float:
    """Larger models are better, width 64 is bad, and a learning rate of 0.004 is best."""
    arch, rate = trial.config.arch, trial.config.recipe.learning_rate
    base = 50 + 3 * arch["depth"] + arch["width"] / 8 - (20 if arch["width"] == 64 else 0)
    return base - (5 if rate != 0.004 else 0) + trial.repetition / 10


@given(st.integers(1, 36))
def test_a_study_stopped_anywhere_is_nearly_balanced(stop: int) -> None:
    asked = space(repetitions=3)

    done = [segment.trial for segment in play(queue(asked, all_cells(asked, cells(asked))), skill)[0]][:stop]

    counts: Counter[tuple[object, ...]] = Counter((t.arm, *t.cell.values()) for t in done)
    of_each = [counts[arm, *cell.values()] for arm in asked.arm_values for cell in cells(asked)]
    assert max(of_each) - min(of_each) <= 1


def test_expensive_cells_and_arms_come_first_without_a_stopping_rule() -> None:
    asked = space(repetitions=2)
    segments, _ = play(queue(asked, all_cells(asked, cells(asked))), skill)

    rounds = [[segment.trial for segment in segments if segment.trial.repetition == seed] for seed in (0, 1)]
    assert [segment.trial for segment in segments] == [*rounds[0], *rounds[1]]
    for trials in rounds:
        assert [t.arm for t in trials] == ["attention", "average"] * 6  # attention costs a tenth more
        assert all(one.cell == other.cell for one, other in zip(trials[::2], trials[1::2], strict=True))
        costs = [FakeCostTable().of(t.config).macs for t in trials[::2]]
        assert costs == sorted(costs, reverse=True)

    stopping = space(repetitions=1, recipe={"epochs": 9}, search={"stop": {"rule": "dominance"}})
    segments, _ = play(queue(stopping, all_cells(stopping, cells(stopping))), skill)
    first = list(dict.fromkeys(str(segment.trial.cell) for segment in segments))
    costs = [
        {str(segment.trial.cell): FakeCostTable().of(segment.trial.config).macs for segment in segments[::2]}[cell]
        for cell in first
    ]
    assert costs[0] == min(costs)
    assert [segment.trial.arm for segment in segments[:2]] == ["average", "attention"]  # as the space has them


def test_the_best_learning_rate_gets_the_other_seeds() -> None:
    asked = space(repetitions=3, tune={"lr": 3}, recipe={"learning_rate": 0.002})

    segments, records = play(queue(asked, all_cells(asked, cells(asked))), skill, workers=3)

    first = Counter(
        (t.arm, *t.cell.values(), t.config.recipe.learning_rate) for t, s in repetitions(segments) if s == 0
    )
    assert len(first) == 6 * 2 * 3
    assert set(first.values()) == {1}
    assert {segment.trial.config.recipe.learning_rate for segment in segments if segment.trial.repetition > 0} == {
        0.004
    }
    assert set(chosen_rates(records.values()).values()) == {0.004}
    assert len(without_rejected(list(records.values()))) == 6 * 2 * 3
    assert at_edge([0.001, 0.002, 0.004], 0.004)
    assert not at_edge([0.001, 0.002, 0.004], 0.002)


def test_several_repetitions_choose_and_the_others_are_scored() -> None:
    asked = space(repetitions=4, tune={"lr": 3, "choose_by": 2}, recipe={"learning_rate": 0.002})

    def luck(trial: Trial) -> float:  # the first repetition alone would choose 0.001, both together 0.004
        lucky = trial.repetition == 0 and trial.config.recipe.learning_rate == 0.001
        return skill(trial) + (7 if lucky else 0)

    segments, records = play(queue(asked, all_cells(asked, cells(asked))), luck, workers=3)

    runs = Counter((t.repetition, t.config.recipe.learning_rate) for t in (segment.trial for segment in segments))
    grid = {(repetition, rate): 6 * 2 for repetition in (0, 1) for rate in (0.001, 0.002, 0.004)}
    assert runs == {**grid, (2, 0.004): 6 * 2, (3, 0.004): 6 * 2}
    assert set(chosen_rates(records.values(), 1).values()) == {0.001}
    assert {record.repetition for record in scored(list(records.values()), 2)} == {2, 3}
    assert len(scored(list(records.values()), 2)) == 6 * 2 * 2


def test_an_earlier_tuned_study_goes_on_from_its_first_repetition() -> None:
    asked = space(repetitions=2, tune={"lr": 3}, recipe={"learning_rate": 0.002})
    design = Design(asked, seeding="shared")
    grid = (0.001, 0.002, 0.004)
    ran = [
        design.trial("study", c, arm, 0, rate=rate) for c in cells(asked) for arm in asked.arm_values for rate in grid
    ]
    settled = {trial.key: finished(trial, skill(trial)) for trial in ran}

    made = queue(asked, all_cells(asked, cells(asked)), settled, seeding="shared")
    segments, _ = play(made, skill)

    assert {(s.trial.config.seed, s.trial.config.recipe.learning_rate) for s in segments} == {(1, 0.004)}
    assert len(segments) == 6 * 2


@pytest.mark.parametrize("rule", ["asha", "halving"])
def test_a_stopping_rule_judges_before_other_repetitions_choose(rule: str) -> None:
    asked = space(
        repetitions=3,
        tune={"lr": 3, "choose_by": 2},
        recipe={"epochs": 9},
        search={"stop": {"rule": rule, "factor": 2}},
    )

    _, records = play(queue(asked, all_cells(asked, cells(asked))), skill, workers=2)

    for label in {cell_label(record.cell) for record in records.values()}:
        of_cell = [record for record in records.values() if cell_label(record.cell) == label]
        is_stopped = any(record.status == "stopped" for record in of_cell)
        assert Counter(r.repetition for r in of_cell) == ({0: 6} if is_stopped else {0: 6, 1: 6, 2: 2})
    assert any(record.status == "stopped" for record in records.values())


def repetitions(segments: list[Segment]) -> list[tuple[Trial, int]]:
    return [(segment.trial, segment.trial.repetition) for segment in segments]


@pytest.mark.parametrize("rule", ["asha", "halving"])
@pytest.mark.parametrize("workers", [1, 4])
def test_cells_are_stopped_in_all_their_arms(rule: str, workers: int) -> None:
    asked = space(repetitions=2, recipe={"epochs": 9}, search={"stop": {"rule": rule, "first": 1, "factor": 2}})

    _, records = play(queue(asked, all_cells(asked, cells(asked))), skill, workers=workers)

    status: dict[tuple[object, ...], set[str]] = {}
    for record in records.values():
        status.setdefault(tuple(record.cell.values()), set()).add(record.status)
    assert all(len(kinds) == 1 for kinds in status.values())  # never one arm of a cell
    stopped = [cell for cell, kinds in status.items() if kinds == {"stopped"}]
    assert 0 < len(stopped) < len(status)
    assert not [cell for cell in status if cell not in stopped and cell[1] == 64]  # the bad width does not survive
    for record in records.values():
        seeds_run = {r.repetition for r in records.values() if r.cell == record.cell}
        assert seeds_run == ({0} if record.status == "stopped" else {0, 1})
        if record.status == "stopped":
            assert record.reason
            assert len(record.curve) in (1, 2, 4, 8)
            assert record.scores is None
            assert record.wall_seconds == len(record.curve)  # a second an epoch


def test_halving_does_not_depend_on_the_order_of_trials() -> None:
    asked = space(repetitions=1, recipe={"epochs": 9}, search={"stop": {"rule": "halving", "factor": 2}})

    outcomes = [
        {
            key: record.status
            for key, record in play(queue(asked, all_cells(asked, cells(asked))), skill, workers=n)[1].items()
        }
        for n in (1, 2, 5, 12)
    ]

    assert all(outcome == outcomes[0] for outcome in outcomes)


@pytest.mark.parametrize("rule", [None, *sorted(STOPPING_RULES)])
@pytest.mark.parametrize("tune", [None, {"lr": 3}])
@pytest.mark.parametrize("killed_after", [1, 4, 9, 17, 30])
def test_a_killed_study_has_the_trials_of_an_undisturbed_one(
    rule: str | None, tune: dict[str, int] | None, killed_after: int
) -> None:
    search = {"stop": {"rule": rule, "factor": 2}} if rule else {}
    asked = space(repetitions=2, recipe={"epochs": 5}, search=search, **({"tune": tune} if tune else {}))
    _, whole = play(queue(asked, all_cells(asked, cells(asked))), skill, workers=2)

    _, before = play(queue(asked, all_cells(asked, cells(asked))), skill, workers=2, stop_after=killed_after)
    segments, after = play(queue(asked, all_cells(asked, cells(asked)), before), skill, workers=2)

    assert {**before, **after}.keys() == whole.keys()
    assert not {segment.trial.key for segment in segments} & before.keys()  # nothing runs twice
    assert {k: r.status for k, r in {**before, **after}.items()} == {k: r.status for k, r in whole.items()}


def test_a_design_receives_the_records_after_each_batch() -> None:
    asked = space(repetitions=1)
    seen = []

    def two_batches(points):
        records = yield [Wanted(points[0], 2)]
        seen.append({record.key for record in records})
        records = yield [Wanted(points[1], 1), Wanted(points[0], 3)]  # a cell may get more seeds later
        seen.append({record.key for record in records})

    segments, records = play(queue(asked, two_batches(cells(asked))), skill, workers=3)

    assert [len(keys) for keys in seen] == [4, 8]
    assert len(segments) == len(records) == 8  # nothing of the first cell ran twice


def test_a_budget_ends_between_whole_pairs() -> None:
    asked = space(repetitions=2)

    made = queue(asked, all_cells(asked, cells(asked)), budget=Budget(trials=7))
    segments, _ = play(made, skill)

    assert len(segments) == 8  # four whole pairs
    assert made.spent == "its budget of 7 trials"
    made = queue(asked, all_cells(asked, cells(asked)), budget=Budget(device_hours=1 / 60))
    segments, _ = play(made, skill)
    assert len(segments) == 6  # of ten seconds each, on one core
    assert made.spent == "its budget of 0.0166667 device-hours"


def test_two_cells_of_the_same_network_are_refused() -> None:
    asked = space(axes={"depth": [2]}, repetitions=1)

    twins = [{"depth": 2}, {"depth": 2, "recipe.epochs": asked.recipe.epochs}]
    with pytest.raises(SpaceError, match="train the same network; put the values of the axes further apart"):
        queue(asked, all_cells(asked, twins))


def test_a_learning_rate_grid_is_centred_on_the_recipes_rate() -> None:
    assert Tune(lr=3, factor=2).rates(0.003) == [0.0015, 0.003, 0.006]
    assert Tune(lr=5, factor=3).rates(0.9) == [0.1, 0.3, 0.9, 2.7, 8.1]
    assert Tune(lr=1).rates(0.1) == [0.1]
    with pytest.raises(ValueError, match="give an odd number"):
        Tune(lr=2)
