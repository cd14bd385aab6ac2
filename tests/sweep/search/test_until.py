"""Running until the verdict is decided: it stops in time, spends where it helps, and finds no false difference."""

import numpy as np
import pytest

from scaling.space.schema import Space
from scaling.space.search_settings import Budget
from scaling.statistics.looks import GROWTH, LOOK_LEVEL, MOST_LOOKS, look_level
from scaling.study.config import Trial
from scaling.sweep.search.propose import propose
from scaling.sweep.search.trial_queue import TrialQueue
from scaling.sweep.search.until import RepeatedCell, Variances, allocate, assessments, squared_width
from tests.support.queues import FakeFeasibility, play, space

SPACE = {
    "axes": {"depth": {"low": 1, "high": 40}, "width": {"low": 8, "high": 256, "step": 8}},
    "repetitions": 2,
}


def study(cells: int = 5, **search: object) -> Space:
    return space(**SPACE, search={"design": "sobol", "cells": cells, "until": "decided", **search})


class Nature:
    """Accuracies with a known difference between the arms."""

    def __init__(self, effect: float, *, cell: float = 0.3, seed: float = 0.4, number: int = 0) -> None:
        self.effect, self.cell, self.seed, self.number = effect, cell, seed, number

    def difference(self, depth: int, width: int) -> float:
        """The true difference in a cell, in points."""
        return float(np.random.default_rng((self.number, 1, depth, width)).normal(self.effect, self.cell))

    def __call__(self, trial: Trial) -> float:
        place = (trial.cell["depth"], trial.cell["width"])
        of_cell = self.difference(*place)
        arm = trial.arm == "attention"
        noise = np.random.default_rng((self.number, 2, *place, trial.repetition, arm)).normal(0, self.seed)
        return 70 + (of_cell if arm else 0.0) + noise


def run(asked: Space, nature: Nature, budget: Budget | None = None) -> tuple[TrialQueue, dict[str, int], int]:
    """Play a study; return its queue, the repetitions of each cell, and the number of trials."""
    feasibility = FakeFeasibility(asked)
    made = TrialQueue("study", feasibility, propose(asked, feasibility), {}, budget)  # pyright: ignore[reportArgumentType]
    _, records = play(made, nature)
    seeds: dict[str, set[int]] = {}
    for record in records.values():
        seeds.setdefault(str(record.cell), set()).add(record.repetition)
    return made, {cell: len(found) for cell, found in seeds.items()}, len(records)


def test_a_clear_difference_is_decided_at_the_first_look() -> None:
    _, seeds, trials = run(study(), Nature(6.0))

    assert (len(seeds), trials) == (5, 5 * 2 * 2)


def test_an_open_question_gets_more_trials_until_decided() -> None:
    _, repetitions, trials = run(study(), Nature(0.3, number=1))

    assert trials > 5 * 2 * 2
    assert trials == 2 * sum(repetitions.values())  # whole pairs


def test_a_budget_ends_a_question_that_stays_open() -> None:
    made, _, trials = run(study(), Nature(0.21, cell=0.0), Budget(trials=24))

    assert trials == 24
    assert made.spent == "its budget of 24 trials"


def test_the_larger_variance_decides_between_repetitions_and_cells() -> None:
    known = [RepeatedCell({"n": n}, 2, 1.0) for n in range(6)]
    new = [RepeatedCell({"n": n}, 2, 9.0) for n in range(6, 40)]  # more expensive

    more_repetitions = allocate(known, new, Variances(cell=0.0, repetition=4.0))
    more_cells = allocate(known, new, Variances(cell=4.0, repetition=0.0001))

    assert all(w.cell["n"] < 6 for w in more_repetitions)
    assert all(w.cell["n"] >= 6 for w in more_cells)
    assert sum(w.repetitions for w in more_cells) >= (GROWTH - 1) * 12


def width(cells: list[RepeatedCell]) -> float:
    pairs, inverse = sum(one.repetitions for one in cells), sum(1 / one.repetitions for one in cells)
    return squared_width(len(cells), pairs, inverse, Variances(0.0, 4.0))


def test_cheap_cells_get_the_repetitions() -> None:
    known = [RepeatedCell({"n": n}, 2, cost) for n, cost in enumerate((1.0, 1.0, 50.0, 50.0))]

    chosen = allocate(known, [], Variances(cell=0.0, repetition=4.0))

    assert {w.cell["n"] for w in chosen} == {0, 1}
    grown = [RepeatedCell(w.cell, w.repetitions, 1.0) for w in chosen] + known[2:]
    assert width(grown) < width(known)


@pytest.mark.slow
def test_the_level_of_each_look_keeps_the_overall_level() -> None:
    assert look_level(MOST_LOOKS) == pytest.approx(LOOK_LEVEL, abs=2e-4)
    assert look_level(2, growth=1.0001) == pytest.approx(0.95, abs=0.003)  # the same data twice
    assert look_level(2, growth=1e6) == pytest.approx(0.95**0.5, abs=1e-3)  # two independent studies


@pytest.mark.slow
def test_the_last_look_holds_the_true_difference() -> None:
    """The interval at the last look holds the mean over the cells that were run, whatever was added on the way."""
    wrong = 0
    runs = 60
    for number in range(runs):
        asked = study(cells=4)
        feasibility = FakeFeasibility(asked)
        made = TrialQueue("study", feasibility, propose(asked, feasibility), {})  # pyright: ignore[reportArgumentType]
        nature = Nature(0.0, number=number, cell=0.2, seed=0.8)
        _, records = play(made, nature)
        (found,) = assessments(asked, list(records.values()), MOST_LOOKS, "own")
        cells = {(r.cell["depth"], r.cell["width"]) for r in records.values()}
        truth = float(np.mean([nature.difference(*cell) for cell in cells]))
        wrong += not found.here.low <= truth <= found.here.high
    assert wrong <= 0.05 * runs + 2 * (0.05 * 0.95 * runs) ** 0.5


def test_the_report_uses_the_level_of_a_look() -> None:
    from scaling.report.analysis.analysis import analyse
    from scaling.report.caveats.caveat import caveats
    from scaling.sweep.study_folder import describe

    asked = study()
    feasibility = FakeFeasibility(asked)
    made = TrialQueue("study", feasibility, propose(asked, feasibility), {})  # pyright: ignore[reportArgumentType]
    _, records = play(made, Nature(0.6))

    said = analyse(describe("s", feasibility.design, list(made.planned.values()), None), list(records.values()))

    assert said.verdicts[0].difference.level == pytest.approx(LOOK_LEVEL)
    assert "98.7 % interval" in said.headline
    assert any("up to 6 looks" in caveat for caveat in caveats(said))
