"""What a trial queue must not do, in rare situations in which it would go unnoticed."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.space.design import cells
from scaling.space.schema import Space
from scaling.space.search_settings import Budget
from scaling.study.config import Resources, Trial
from scaling.study.records import Record
from scaling.sweep.search.budget import device_hours
from scaling.sweep.search.cell_run import Segment
from scaling.sweep.search.decisions import RungResult
from scaling.sweep.search.proposals import Wanted
from scaling.sweep.search.rungs import Rungs, ranks
from scaling.sweep.search.trial_queue import TrialQueue
from tests.support.queues import all_cells, curve, finished, play, queue, space

HALVING = {"stop": {"rule": "halving", "factor": 2}}
ASHA = {"stop": {"rule": "asha", "factor": 2}}


def skill(trial: Trial) -> float:
    return 50 + 3 * trial.config.arch["depth"] - trial.config.arch["width"] / 8 + trial.repetition / 10


def six(**parts: object) -> Space:
    return space(**{"repetitions": 1, "recipe": {"epochs": 5}, **parts})


def begun(asked: TrialQueue) -> list[Segment]:
    """All segments that it hands out at the moment."""
    return list(iter(asked.next, None))


def rest(asked: TrialQueue, segments: Sequence[Segment]) -> None:
    for segment in segments:
        for epoch in curve(segment.trial, skill(segment.trial), segment.until or 0):
            asked.epoch_ended(segment.trial, epoch)
        asked.rested(segment.trial)


def cells_of(segments: Sequence[Segment]) -> set[tuple[object, ...]]:
    return {tuple(segment.trial.cell.values()) for segment in segments}


def test_halving_continues_the_best_cells_at_once() -> None:
    asked = six(search=HALVING)
    made = queue(asked, all_cells(asked, cells(asked)))
    rest(made, begun(made))

    assert len(cells_of(begun(made))) == 3


def test_halving_does_not_await_a_cell_without_an_arm() -> None:
    asked = six(search=HALVING)
    made = queue(asked, all_cells(asked, cells(asked)))
    segments = begun(made)
    lost = Record.of(segments[0].trial, status="diverged", reason="as drawn")
    made.ended(segments[0].trial, lost)
    rest(made, segments[1:])

    going = begun(made)  # the other arm of the lost cell runs to its end, and two of the other five cells continue

    assert {segment.until for segment in going if segment.trial.cell == segments[0].trial.cell} == {None}
    assert len(cells_of(going)) == 3


@pytest.mark.parametrize("search", [HALVING, ASHA])
def test_cells_stopped_before_a_kill_still_count_in_rankings(search: dict) -> None:
    asked = six(search=search)
    _, whole = play(queue(asked, all_cells(asked, cells(asked))), skill, workers=12)
    stopped = {k: record for k, record in whole.items() if record.status == "stopped" and len(record.curve) == 1}
    assert 0 < len(stopped) < len(whole)

    _, rest = play(queue(asked, all_cells(asked, cells(asked)), stopped), skill, workers=12)

    ends = {key: (record.status, len(record.curve)) for key, record in {**stopped, **rest}.items()}
    assert ends == {key: (record.status, len(record.curve)) for key, record in whole.items()}


def test_a_kill_between_records_of_a_stopped_cell_is_repaired() -> None:
    asked = six(search=HALVING)
    _, whole = play(queue(asked, all_cells(asked, cells(asked))), skill)
    lost = next(key for key, record in whole.items() if record.status == "stopped" and len(record.curve) > 1)
    before = {key: record for key, record in whole.items() if key != lost}

    segments, records = play(queue(asked, all_cells(asked, cells(asked)), before), skill)

    assert records.keys() == {lost}
    assert {segment.trial.key for segment in segments} == {lost}
    assert records[lost].reason == whole[lost].reason
    assert records[lost].curve == whole[lost].curve


def test_a_cell_with_later_seeds_is_not_stopped() -> None:
    asked = six(search=ASHA, repetitions=3)
    worst = min(cells(asked), key=lambda cell: 3 * cell["depth"] - cell["width"] / 8)
    alone = queue(asked, all_cells(asked, [worst]))  # alone, it continues
    _, before = play(alone, skill)
    half = {k: r for k, r in before.items() if (r.arm, r.repetition) not in {("attention", 1), ("average", 2)}}

    _, after = play(queue(asked, all_cells(asked, cells(asked)), half), skill, workers=4)

    of_worst = [r for r in {**half, **after}.values() if r.cell == worst]
    assert Counter((r.arm, r.repetition) for r in of_worst) == Counter((r.arm, r.repetition) for r in before.values())
    assert {r.status for r in of_worst} == {"finished"}


def test_more_seeds_of_a_continued_cell_run_despite_the_rule() -> None:
    asked = six(search=ASHA)
    worst = min(cells(asked), key=lambda cell: 3 * cell["depth"] - cell["width"] / 8)

    def proposals():
        yield [Wanted(worst, 1)]
        yield [Wanted(cell, 2) for cell in cells(asked)]

    _, records = play(queue(asked, proposals()), skill, workers=12)

    assert [r.status for r in records.values() if r.cell == worst] == ["finished"] * 4


@pytest.mark.parametrize(("arms", "without", "expected"), [
    (["average", "attention"], "attention", set()),
    (["average", "attention", "token"], "token", {"average", "attention"}),
    (["average", "attention", "token"], "average", set()),
])  # fmt: skip
def test_other_seeds_go_to_comparable_arms_only(arms: list[str], without: str, expected: set[str]) -> None:
    asked = six(axes={"depth": [2], "width": [32]}, arms={"pooling": arms}, repetitions=2, tune={"lr": 3})
    made = queue(asked, all_cells(asked, cells(asked)))
    for segment in begun(made):
        end = finished(segment.trial, 50)
        if segment.trial.arm == without:
            end = Record.of(segment.trial, status="diverged", reason="as drawn")
        made.ended(segment.trial, end)

    assert {segment.trial.arm for segment in begun(made)} == expected


def test_a_pair_halved_by_a_kill_completes_beyond_the_budget() -> None:
    asked = six()
    budget = Budget(trials=5)
    _, undisturbed = play(queue(asked, all_cells(asked, cells(asked)), budget=budget), skill)
    assert len(undisturbed) == 6

    before = dict(list(undisturbed.items())[:5])
    segments, after = play(queue(asked, all_cells(asked, cells(asked)), before, budget), skill)

    assert {**before, **after}.keys() == undisturbed.keys()
    assert len(segments) == 1


def test_a_budget_does_not_split_a_later_seed_s_arms() -> None:
    asked = six(axes={"depth": [2, 4], "width": [32]}, repetitions=2, tune={"lr": 1})
    budget = Budget(trials=5)
    made = queue(asked, all_cells(asked, cells(asked)), budget=budget)
    first = begun(made)
    late = [segment for segment in first if segment.trial.cell == first[0].trial.cell]
    for segment in first:
        if segment not in late:
            made.ended(segment.trial, finished(segment.trial, 50))
    one = made.next()  # an arm of the second cell's second seed
    assert one is not None
    for segment in late:
        made.ended(segment.trial, finished(segment.trial, 50))

    after = begun(made)  # that of the first cell comes first, and exceeds the budget

    assert [(segment.trial.cell, segment.trial.repetition) for segment in after] == [(one.trial.cell, 1)]
    assert after[0].trial.arm != one.trial.arm


def test_the_budget_counts_trials_of_earlier_commands() -> None:
    asked = six()
    _, before = play(queue(asked, all_cells(asked, cells(asked))), skill, stop_after=4)
    assert len(before) == 4

    budget = Budget(trials=8)
    made = queue(asked, all_cells(asked, cells(asked)), before, budget)

    assert len(begun(made)) == 4
    assert made.spent == "its budget of 8 trials"


def test_a_budget_of_trials_lets_started_cells_continue() -> None:
    asked = six(search=HALVING)
    budget = Budget(trials=7)

    made = queue(asked, all_cells(asked, cells(asked)), budget=budget)
    _, records = play(made, skill, workers=12)

    assert made.spent == "its budget of 7 trials"
    assert Counter(record.status for record in records.values()) == {"finished": 2, "stopped": 6}


def test_a_budget_of_time_also_holds_between_rungs() -> None:
    asked = six(search=HALVING)  # 12 s at the first rung, 6 at the next
    budget = Budget(device_hours=17 / 3600)

    made = queue(asked, all_cells(asked, cells(asked)), budget=budget)
    segments, _ = play(made, skill)

    assert max(segment.until or 9 for segment in segments) == 2
    assert made.spent
    assert made.is_over
    _, records = play(queue(asked, all_cells(asked, cells(asked))), skill)  # with a larger budget it continues
    assert len(records) == 12


def test_time_of_stopped_trials_counts_on_the_usual_device() -> None:
    asked = six(search=HALVING)
    _, records = play(queue(asked, all_cells(asked, cells(asked))), skill)
    brief = queue(asked, all_cells(asked, cells(asked)), records)
    brief.move()

    seconds = sum(10 if r.status == "finished" else len(r.curve) for r in records.values())
    assert device_hours(brief.outcomes.records(), Resources(cpus=2)) == pytest.approx(2 * seconds / 3600)

    named = {"environment": {"device": "cuda"}}
    on_gpu = [r.model_copy(update=named if r.scores else {}) for r in brief.outcomes.records()]
    assert device_hours(on_gpu, Resources(cpus=2, gpus=0.25)) == pytest.approx(seconds / 4 / 3600)


def test_unused_curves_are_not_kept() -> None:
    for search, kept in (({}, 0), (HALVING, 5)):
        asked = six(search=search)
        made = queue(asked, all_cells(asked, cells(asked)))
        play(made, skill)

        assert max(len(made.outcomes[key].curve) for key in made.planned) == kept
        assert max(len(record.curve) for record in made.outcomes.records()) == kept


points = st.tuples(st.sampled_from([10.0, 20.0, 20.5, 30.0]), st.integers(1, 4))


@given(st.lists(points, min_size=1, max_size=12))
def test_ranks_follow_their_definition(drawn: list[tuple[float, int]]) -> None:
    here = [RungResult(f"c{n}", 0, 1, {"a": x, "b": x}, {"a": c, "b": c}) for n, (x, c) in enumerate(drawn)]

    def order(number: int) -> tuple[int, float, str]:
        x, c = drawn[number]
        beaten = sum(x2 >= x and c2 <= c and (x2 > x or c2 < c) for x2, c2 in drawn)
        return beaten, -x, f"c{number}"

    expected = sorted(range(len(drawn)), key=order)
    assert ranks(here) == {f"c{number}": rank for rank, number in enumerate(expected)}


def test_rungs_count_the_cells_that_may_still_arrive() -> None:
    rungs = Rungs()
    for number in range(4):
        rungs.starts(number)
    assert rungs.arrives(0, RungResult("c0", 0, 1, {"a": 1.0}, {"a": 1})) == {0}
    assert rungs.arrives(1, RungResult("c1", 0, 1, {"a": 2.0}, {"a": 1})) == {0, 1}
    assert rungs.coming(0) == 2
    rungs.decided(1)
    rungs.starts(1)
    assert (rungs.arrived(0), rungs.coming(0), rungs.waiting) == (2, 2, 1)
    assert rungs.leaves(2) == {0}
    assert rungs.coming(0) == 1
    assert rungs.leaves(2) == set()
