"""Random studies are played against the trial queue: every trial ends once, whatever ends, fails, rests or is killed.

Trials end in any order on several slots; some diverge or fail; a kill drops everything but the records. Nothing is
trained: the result of a trial is drawn from its key, so that it repeats.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.space.schema import Space
from scaling.space.search_settings import Budget, Tune
from scaling.study.config import Trial, cell_label
from scaling.study.learning_rates import rate_of
from scaling.study.records import Cost, Epoch, Record
from scaling.sweep.search.cell_run import Segment
from scaling.sweep.search.propose import propose
from scaling.sweep.search.trial_queue import TrialQueue
from tests.support.queues import FakeFeasibility, finished
from tests.support.queues import space as space_of

EPOCHS = 5


@dataclass(frozen=True)
class Nature:
    """Draws the end of each trial from its key.

    Attributes:
        trouble: fraction of trials that diverge or fail.
        is_mended: trials that would fail finish instead.
    """

    number: int
    trouble: float
    is_mended: bool = False

    def accuracies(self, trial: Trial) -> list[float]:
        drawn = random.Random(f"{self.number} {trial.key}")
        end = drawn.uniform(40, 90)
        return [end * epoch / (EPOCHS + 1) + drawn.uniform(0, 8) for epoch in range(1, EPOCHS + 1)]

    def end(self, trial: Trial) -> tuple[str, int]:
        """Status, and the number of epochs."""
        drawn = random.Random(f"{self.number} end {trial.key}")
        if drawn.random() >= self.trouble:
            return "finished", EPOCHS
        status, epochs = drawn.choice(["diverged", "failed"]), drawn.randrange(EPOCHS)
        return ("finished", EPOCHS) if status == "failed" and self.is_mended else (status, epochs)


@dataclass
class Played:
    """The result of a command."""

    records: dict[str, Record] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    was_killed: bool = False


def curve(nature: Nature, trial: Trial, epochs: int) -> list[Epoch]:
    return [
        Epoch(epoch=n, train_loss=1, val_loss=1, val_accuracy=accuracy, learning_rate=0.1, train_seconds=1)
        for n, accuracy in enumerate(nature.accuracies(trial)[:epochs], start=1)
    ]


def record(nature: Nature, trial: Trial, feasibility: FakeFeasibility) -> Record:
    status, epochs = nature.end(trial)
    if status != "finished":
        return Record.of(trial, status=status, reason="as drawn", curve=curve(nature, trial, epochs))
    left = finished(trial, nature.accuracies(trial)[-1])
    macs = feasibility.cost_table.of(trial.config).macs
    cost = Cost(params=1, macs=macs, fvcore_flops=1, activations=1)
    return left.model_copy(update={"curve": curve(nature, trial, EPOCHS), "cost": cost})


def play(
    asked: Space,
    nature: Nature,
    order: random.Random,
    *,
    before: Mapping[str, Record] | None = None,
    slots: int = 3,
    killed_after: int | None = None,
    budget: Budget | None = None,
) -> Played:
    """Run a command as an executor does, and check every step.

    Args:
        before: records of earlier commands.
        killed_after: events after which everything but the records is lost.
    """
    feasibility = FakeFeasibility(asked)
    settled = {key: one for key, one in (before or {}).items() if one.status != "failed"}
    queue = TrialQueue("study", feasibility, propose(asked, feasibility), settled, budget)  # pyright: ignore[reportArgumentType]
    played, running, rested, events = Played(), [], {}, 0
    while True:
        while len(running) < slots and (segment := queue.next()) is not None:
            key = segment.trial.key
            assert key not in settled, "it has a record"
            assert key not in played.records, "it has ended"
            assert key not in {other.trial.key for other in running}, "it is running"
            if key in rested:
                assert segment.until is None or segment.until > rested[key], "it has been there"
            running.append(segment)
            played.segments.append(segment)
            assert len(played.segments) < 3000, "it never ends"
        if not running:
            assert queue.is_over, "nothing runs and nothing is over"
            break
        segment = running.pop(order.randrange(len(running)))
        trial, (status, epochs) = segment.trial, nature.end(segment.trial)
        come_to = min(epochs, segment.until or EPOCHS)
        for epoch in curve(nature, trial, come_to):  # a resumed trial repeats its earlier epochs
            queue.epoch_ended(trial, epoch)
        if segment.until is None or (status != "finished" and epochs < segment.until):
            played.records[trial.key] = record(nature, trial, feasibility)
            queue.ended(trial, played.records[trial.key])
        else:
            rested[trial.key] = segment.until
            queue.rested(trial)
        queue.move()
        for other, left in queue.take_stopped():
            assert other.key not in settled
            assert other.key not in played.records, "it has ended"
            if killed_after is not None and events >= killed_after:
                break  # killed between two of a cell's records
            played.records[other.key] = left
            events += 1
        events += 1
        if killed_after is not None and events >= killed_after:
            played.was_killed = True
            return played
    for other, left in queue.take_stopped():
        assert other.key not in played.records
        played.records[other.key] = left
    if queue.spent is None:
        recorded = settled.keys() | played.records.keys()
        assert queue.planned.keys() <= recorded, "a planned trial has no record"
    return played


def assert_whole(asked: Space, records: Mapping[str, Record]) -> None:
    """Check that pairs have all their arms or none, and that cells are stopped in all arms."""
    arms = [str(arm) for arm in asked.arm_values]
    pairs: dict[tuple[str, int], list[Record]] = {}
    for one in records.values():
        pairs.setdefault((cell_label(one.cell), one.repetition), []).append(one)
    for (cell, repetition), found in pairs.items():
        over = {arm: [one.status for one in found if one.arm == arm] for arm in arms}
        speaks = [arm for arm in arms if "finished" in over[arm]]
        if asked.tune is None or repetition < asked.tune.choose_by:
            rates = asked.tune.lr if asked.tune else 1
            is_over = any(len(over[arm]) == rates for arm in arms)
            if speaks or is_over:
                assert all(len(over[arm]) == rates for arm in arms), f"half a pair: {cell} {repetition} {over}"
        else:
            with_rate = [arm for arm in arms if has_a_rate(arm, cell, asked.tune, pairs)]
            assert len(with_rate) >= 2, f"a lone arm: {cell} {repetition}"
            assert all(over[arm] for arm in with_rate), f"half a pair: {cell} {repetition} {over}"
        if any(one.status == "stopped" for one in found):
            assert repetition == 0
            assert (cell, 1) not in pairs
            assert not speaks, f"stopped in part: {cell} {over}"
            assert all("stopped" in over[arm] for arm in arms), f"stopped in part: {cell} {over}"
            assert len({len(one.curve) for one in found if one.status == "stopped"}) == 1


def has_a_rate(arm: str, cell: str, tune: Tune, pairs: Mapping[tuple[str, int], list[Record]]) -> bool:
    """Whether all runs that choose have finished at one of the arm's rates."""
    choosing = [one for repetition in range(tune.choose_by) for one in pairs[cell, repetition]]
    finished = [rate_of(one) for one in choosing if one.arm == arm and one.status == "finished"]
    return any(finished.count(rate) == tune.choose_by for rate in finished)


RULES = [None, "halving", "asha", "dominance"]
DESIGNS: list[dict[str, Any]] = [
    {},
    {"design": "random", "cells": 4},
    {"design": "sobol", "cells": 5},
    {"design": "tpe", "cells": 4, "batch": 2},
    {"design": "nsga2", "cells": 4, "batch": 2},
]


@st.composite
def spaces(draw: st.DrawFn, rules: list[str | None], designs: list[dict[str, Any]], *, until: bool = False) -> Space:
    search = dict(draw(st.sampled_from(designs)))
    if rule := draw(st.sampled_from(rules)):
        search["stop"] = {"rule": rule, "first": draw(st.integers(1, 2)), "factor": 2}
    if until and draw(st.booleans()):
        search["until"] = "decided"
    arms = draw(st.sampled_from([["average", "attention"], ["average", "attention", "token"]]))
    choose_by = draw(st.sampled_from([0, 0, 1, 2]))
    parts: dict[str, Any] = {"tune": {"lr": 3, "choose_by": choose_by}} if choose_by else {}
    axes = {"depth": draw(st.sampled_from([[2], [2, 4]])), "width": [32, 64, 96]}
    if search.get("cells", 0) > 3:
        axes["depth"] = [2, 4]
    return space_of(
        axes=axes,
        arms={"pooling": arms[: 2 if parts else 3]},
        repetitions=choose_by + draw(st.integers(1, 3 - choose_by // 2)),
        recipe={"epochs": EPOCHS},
        search=search,
        **parts,
    )


natures = st.builds(Nature, st.integers(0, 10**6), st.sampled_from([0.0, 0.15, 0.5, 1.0]))
orders = st.integers(0, 10**6).map(random.Random)
slots = st.sampled_from([1, 2, 3, 8, 50])


def at_any_time(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None)


def undisturbed(asked: Space, nature: Nature, order: random.Random, slots: int) -> None:
    played = play(asked, nature, order, slots=slots)

    assert_whole(asked, played.records)


def killed(asked: Space, nature: Nature, order: random.Random, kills: list[int], slots: int, *, promises: bool) -> None:
    """Check that a killed and continued study is whole.

    Args:
        promises: it must also have the records of an undisturbed one.
    """
    whole = play(asked, nature, random.Random(1), slots=2)
    records: dict[str, Record] = {}
    for kill in [*kills, None]:
        records |= play(asked, nature, order, before=records, slots=slots, killed_after=kill).records

    assert_whole(asked, records)
    if promises:
        assert {k: r.status for k, r in records.items()} == {k: r.status for k, r in whole.records.items()}


def spent(asked: Space, nature: Nature, order: random.Random, budget: Budget, slots: int) -> None:
    """Check that a study is whole when its budget is spent, and when a larger budget has finished it."""
    first = play(asked, nature, order, slots=slots, budget=budget)
    assert_whole(asked, first.records)
    if budget.trials is not None:
        of_pair = len(asked.arm_values) * (asked.tune.lr if asked.tune else 1)
        assert len({segment.trial.key for segment in first.segments}) < budget.trials + of_pair

    records = first.records | play(asked, nature, order, before=first.records, slots=slots).records
    assert_whole(asked, records)


budgets = st.one_of(
    st.builds(Budget, trials=st.integers(1, 40)),
    st.builds(Budget, device_hours=st.floats(1, 200).map(lambda seconds: seconds / 3600)),
)
kills = st.lists(st.integers(1, 40), min_size=1, max_size=3)


@at_any_time(30)
@given(spaces(RULES, DESIGNS), natures, orders, slots)
def test_every_trial_ends_once_and_every_pair_is_whole(
    asked: Space, nature: Nature, order: random.Random, slots: int
) -> None:
    undisturbed(asked, nature, order, slots)


@at_any_time(24)
@given(spaces([None, "halving"], DESIGNS), natures, orders, kills, slots)
def test_a_study_killed_anywhere_ends_as_an_undisturbed_one(
    asked: Space, nature: Nature, order: random.Random, kills: list[int], slots: int
) -> None:
    killed(asked, nature, order, kills, slots, promises=True)


@at_any_time(20)
@given(spaces(["asha", "dominance"], DESIGNS[:2]), natures, orders, kills, slots)
def test_a_killed_study_is_whole_under_order_dependent_rules(
    asked: Space, nature: Nature, order: random.Random, kills: list[int], slots: int
) -> None:
    killed(asked, nature, order, kills, slots, promises=False)


@at_any_time(30)
@given(spaces(RULES, DESIGNS[:3]), natures, orders, budgets, slots)
def test_a_spent_budget_leaves_no_half_pair(
    asked: Space, nature: Nature, order: random.Random, budget: Budget, slots: int
) -> None:
    spent(asked, nature, order, budget, slots)


@at_any_time(10)
@given(spaces(RULES, [{"design": "sobol", "cells": 4}, {}], until=True), natures, orders, kills, slots)
def test_running_until_decided_survives_kills(
    asked: Space, nature: Nature, order: random.Random, kills: list[int], slots: int
) -> None:
    promises = asked.search.stop is None or asked.search.stop.rule == "halving"
    killed(asked, nature, order, kills, slots, promises=promises)


@at_any_time(30)
@given(spaces([None, "halving"], DESIGNS[:3]), natures, orders, kills, slots)
def test_failed_trials_run_again_and_leave_the_study_whole(
    asked: Space, nature: Nature, order: random.Random, kills: list[int], slots: int
) -> None:
    records: dict[str, Record] = {}
    for kill in kills:
        records |= play(asked, nature, order, before=records, slots=slots, killed_after=kill).records
    records |= play(asked, nature, order, before=records, slots=slots).records

    records |= play(asked, Nature(nature.number, nature.trouble, is_mended=True), order, before=records).records

    assert_whole(asked, records)
    assert not [one for one in records.values() if one.status == "failed"]


@pytest.mark.slow
@pytest.mark.parametrize("search", [{}, {"until": "decided"}])
def test_all_properties_hold_for_many_more_studies(search: dict[str, Any]) -> None:
    drawn = spaces(RULES, DESIGNS, until=bool(search))

    @at_any_time(30 if search else 120)
    @given(drawn, natures, orders, kills, slots, budgets)
    def holds(asked: Space, nature: Nature, order: random.Random, kills: list[int], slots: int, budget: Budget) -> None:
        promises = asked.search.stop is None or asked.search.stop.rule == "halving"
        killed(asked, nature, order, kills, slots, promises=promises)
        spent(asked, nature, order, budget, slots)

    holds()
