"""A study goes on as it was begun: with its kind of seeds, and within the plan that one look fixed."""

from pathlib import Path
from typing import Any

import pytest

from scaling.space.design import Design, cells
from scaling.space.schema import Space
from scaling.study.errors import RecordError
from scaling.study.records import read_study, write_study
from scaling.sweep.study_folder import describe, previous, seeding_in, tidy
from tests.support import RECORDS_V1
from tests.support.queues import space

ONE_LOOK: dict[str, Any] = {"looks": 1, "repetitions": 3, "limits": {"macs": 1e9}}


def begun(folder: Path, **parts: Any) -> Path:
    """A study of this space without records."""
    design = Design(space(**parts))
    trials = [design.trial("s", cell, arm, 0) for cell in cells(design.space) for arm in design.space.arm_values]
    write_study(folder, describe("s", design, trials, None))
    return folder


def test_a_new_study_gives_every_cell_its_own_seeds(tmp_path: Path) -> None:
    assert seeding_in(tmp_path) == "own"
    assert seeding_in(begun(tmp_path)) == "own"
    assert read_study(tmp_path).seeding == "own"


@pytest.mark.parametrize("name", ["example", "patchconvnet_cifar10_subset"])
def test_an_earlier_study_keeps_sharing_seeds(name: str, tmp_path: Path) -> None:
    folder = RECORDS_V1 / name
    before = read_study(folder)
    grown = Space.model_validate(before.space).model_copy(update={"repetitions": 9})

    assert previous(folder, grown) == before
    written = describe(name, Design(grown, seeding=seeding_in(folder)), [], before)
    write_study(tmp_path, written)

    assert (seeding_in(tmp_path), written.repetitions) == ("shared", 9)
    assert set(before.planned) <= set(written.planned)


EXTENSIONS: dict[str, dict[str, Any]] = {
    "more repetitions": {"repetitions": 4},
    "another cell": {"axes": {"depth": [2, 4, 8], "width": [32, 64, 96]}},
    "another arm": {"arms": {"pooling": ["average", "attention", "max"]}},
    "sampled cells": {"search": {"design": "sobol", "cells": 3}},
    "a wider limit": {"limits": {"macs": 1e12}},
    "no limit": {"limits": {}},
    "more looks": {"looks": None},
}


@pytest.mark.parametrize("changes", EXTENSIONS.values(), ids=EXTENSIONS)
def test_one_look_refuses_further_runs(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = begun(tmp_path, **ONE_LOOK)

    with pytest.raises(RecordError) as caught:
        previous(folder, space(**{**ONE_LOOK, **changes}))

    (line,) = caught.value.problems
    assert "looks: 1 fixed the plan; further runs are a new study, so give it a --name of its own (" in line
    assert next(iter(changes)) in line.partition("(")[2]


@pytest.mark.parametrize("changes", [{}, {"budget": {"trials": 5}}, {"search": {"margin": 1.0}}, {"question": "?"}])
def test_one_look_lets_its_plan_go_on(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = begun(tmp_path, **ONE_LOOK)

    assert previous(folder, space(**{**ONE_LOOK, **changes})) == read_study(folder)


def test_a_begun_study_cannot_be_fixed_to_one_look(tmp_path: Path) -> None:
    folder = begun(tmp_path)

    with pytest.raises(RecordError, match="was begun without looks: 1, which fixes a plan from its start; leave it"):
        previous(folder, space(looks=1))
    assert previous(folder, space(repetitions=9)) == read_study(folder)


def test_another_seed_is_another_study(tmp_path: Path) -> None:
    folder = begun(tmp_path)

    with pytest.raises(RecordError, match=r"holds another study .*seed is the default there, 5 here"):
        previous(folder, space(seed=5))


def test_a_start_removes_what_kills_left_and_nothing_else(tmp_path: Path) -> None:
    kept = [
        "study.json",
        ".lock",
        ".lease",
        "records/a.json",
        "records/.hidden",
        "checkpoints/failed/state.pt",
        "weights/a.pt",
    ]
    left = ["checkpoints/a/state.pt", "records/.b.json.0123456789abcdef", ".study.json.fedcba9876543210"]
    for name in (*kept, *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    tidy(tmp_path, {"a"})

    assert sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()) == sorted(kept)
