"""Designs keep every cell whole, propose none twice, respect limits and repeat their proposals."""

from collections import Counter
from collections.abc import Sequence

import optuna
import pytest

from scaling.space.design import Cell
from scaling.space.schema import Space
from scaling.space.search_settings import DESIGNS
from scaling.study.config import Trial
from scaling.study.errors import SpaceError
from scaling.study.records import Record
from scaling.sweep.search.propose import propose
from scaling.sweep.search.trial_queue import TrialQueue
from tests.support.queues import FakeFeasibility, play, space

SAMPLED = sorted(name for name, design in DESIGNS.items() if design.samples)
SEARCHED = sorted(name for name, design in DESIGNS.items() if design.searches)
AXES = {"depth": {"low": 1, "high": 12}, "width": {"low": 8, "high": 128, "step": 8}}


def asked(design: str, search: dict[str, object] | None = None, **parts: object) -> Space:
    return space(
        **{"axes": AXES, "repetitions": 2, **parts},
        search={"design": design, "cells": 16, "batch": 4, **(search or {})},
    )


def skill(trial: Trial) -> float:
    """Best at depth 6 and width 64."""
    arch = trial.config.arch
    return 90 - (arch["depth"] - 6) ** 2 / 2 - (arch["width"] / 16 - 4) ** 2 + trial.repetition / 10


class Limited(FakeFeasibility):
    """Wide models exceed the limit."""

    def excess(self, cell: Cell) -> dict[str, float]:
        return {"width": cell["width"] / 72 - 1}

    def feasible(self, points: Sequence[Cell]) -> list[Cell]:
        return [cell for cell in points if cell["width"] <= 72]

    def admit(self, points: Sequence[Cell]) -> list[Cell]:
        if kept := self.feasible(points):
            return kept
        raise SpaceError("the limit excludes all")


def made(wanted: Space, settled: dict[str, Record] | None = None) -> TrialQueue:
    feasibility = Limited(wanted)
    return TrialQueue("study", feasibility, propose(wanted, feasibility), settled or {})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("design", SAMPLED)
def test_every_cell_is_new_whole_and_within_the_limits(design: str) -> None:
    wanted = asked(design)

    segments, _ = play(made(wanted), skill, workers=3)

    cells = Counter(tuple(segment.trial.cell.items()) for segment in segments)
    assert len(cells) == 16
    assert set(cells.values()) == {2 * 2}  # arms and seeds, each once
    assert len({segment.trial.key for segment in segments}) == len(segments)
    assert all(segment.trial.cell["width"] <= 72 for segment in segments)


@pytest.mark.parametrize("design", SEARCHED)
def test_an_interrupted_search_repeats_its_proposals(design: str) -> None:
    wanted = asked(design)
    _, whole = play(made(wanted), skill, workers=2)

    _, before = play(made(wanted), skill, workers=2, stop_after=37)
    segments, after = play(made(wanted, before), skill, workers=5)

    assert {**before, **after}.keys() == whole.keys()
    assert not {segment.trial.key for segment in segments} & before.keys()


@pytest.mark.slow
@pytest.mark.parametrize("design", ["tpe"])
def test_a_search_for_accuracy_finds_better_cells_than_chance(design: str) -> None:
    searched = asked(design, search={"cells": 20, "objectives": ["val_accuracy"]})
    blind = asked("random", search={"cells": 20})

    found, by_chance = (
        sorted(
            (skill(segment.trial) for segment in play(made(w), skill)[0] if segment.trial.repetition == 0),
            reverse=True,
        )
        for w in (searched, blind)
    )

    assert sum(found) / len(found) > sum(by_chance) / len(by_chance)


def test_a_space_with_too_few_cells_is_used_up() -> None:
    wanted = space(axes={"depth": [1, 2], "width": [8, 16]}, repetitions=1, search={"design": "gp", "cells": 9})

    segments, _ = play(made(wanted), skill)

    assert len({tuple(segment.trial.cell.items()) for segment in segments}) == 4


def test_limits_that_exclude_every_cell_are_an_error() -> None:
    with pytest.raises(SpaceError, match="the limit excludes all"):
        made(space(axes={"width": [80, 96]}, search={"design": "tpe", "cells": 2}))


def test_words_on_an_axis_are_categories() -> None:
    wanted = space(
        axes={"width": [8, 16, 24], "stem": ["hard", "soft", "none"]},
        repetitions=1,
        search={"design": "tpe", "cells": 9},
    )

    segments, _ = play(made(wanted), lambda trial: 50.0)

    assert len({tuple(segment.trial.cell.items()) for segment in segments}) == 9


def test_optuna_receives_the_result_of_each_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """COMPLETE with the final score, PRUNED with the curve, FAIL for a failure; never a partial score as final."""
    studies = []
    create = optuna.create_study
    monkeypatch.setattr("optuna.create_study", lambda **given: studies.append(create(**given)) or studies[-1])
    search = {"cells": 12, "objectives": ["val_accuracy"], "stop": {"rule": "halving", "factor": 2}}
    wanted = asked("tpe", search=search, recipe={"epochs": 4}, repetitions=1)

    running = made(wanted)
    _, records = play(running, skill)

    states = Counter(trial.state.name for trial in studies[0].trials if trial.user_attrs.get("excess") != [])
    assert states["COMPLETE"] > 0
    for trial in studies[0].trials:
        cell = {"depth": 1 + trial.params["depth"], "width": 8 + 8 * trial.params["width"]}
        ours = [r for r in records.values() if r.cell == cell]
        if trial.state.name == "COMPLETE":
            assert {r.status for r in ours} == {"finished"}
            scores = [r.scores.val_accuracy for r in ours if r.scores]
            assert trial.value == pytest.approx(sum(scores) / len(scores))
            assert len(trial.intermediate_values) == 4
        elif ours:
            assert trial.state.name in ("PRUNED", "FAIL")
            if trial.state.name == "PRUNED":
                assert {r.status for r in ours} == {"stopped"}
                assert 0 < len(trial.intermediate_values) < 4
    assert {r.status for r in records.values()} == {"finished", "stopped"}


def test_designs_are_found_by_name_with_their_needs() -> None:
    assert {"grid", "random", "sobol", "tpe", "gp", "nsga2"} <= set(DESIGNS)
    assert not DESIGNS["grid"].samples
    assert {"tpe", "gp", "nsga2"} <= set(SEARCHED) <= set(SAMPLED)
