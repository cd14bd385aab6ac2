"""A few studies of the campaign of faults; `make campaign` runs many."""

import random
from pathlib import Path

import pytest

from tests.faults.campaign import SPACES, asked, run, study_of
from tests.faults.disk import Disk, Killed


@pytest.mark.parametrize("seed", range(9))
def test_a_study_ends_as_if_nothing_had_failed(seed: int, tmp_path: Path) -> None:
    found = run(seed, tmp_path)

    assert set(found.statuses.values()) <= {"finished", "stopped"}


def test_faults_of_every_kind_land(tmp_path: Path) -> None:
    landed = sum(
        (run(seed, tmp_path / str(seed)).faults for seed in (20, 21, 22)), start=run(23, tmp_path / "23").faults
    )

    assert {"kill", "full disk", "broken disk", "clock", "worker died"} <= set(landed)


@pytest.mark.parametrize("number", range(len(SPACES)))
def test_the_stand_in_gives_the_same_scores_twice(number: int, tmp_path: Path) -> None:
    once, again = (study_of(asked(number), tmp_path / name, random.Random(name), 0.0, 0) for name in ("once", "again"))

    assert once.scores == again.scores
    assert len(set(once.scores.values())) == len(once.scores) > 1


def test_a_renamed_file_that_was_not_synced_is_lost(tmp_path: Path) -> None:
    disk = Disk(tmp_path, random.Random(1), 0.0)
    with disk.attached():
        for name, syncs in (("safe", True), ("lost", False)):
            with (tmp_path / f".{name}").open("xb") as file:
                file.write(b"0123456789")
                if syncs:
                    file.flush()
                    file.fileno()
            (tmp_path / f".{name}").replace(tmp_path / name)
    disk.lose_what_was_not_synced()

    assert (tmp_path / "safe").read_bytes() == b"0123456789"
    assert disk.landed["unsynced rename"] == 1
    assert b"0123456789".startswith((tmp_path / "lost").read_bytes())


def test_every_operation_may_be_the_last(tmp_path: Path) -> None:
    disk = Disk(tmp_path, random.Random(0), 1.0)
    kinds = set()
    for _ in range(60):
        try:
            with disk.attached():
                (tmp_path / "file").write_bytes(b"0123456789")
        except Killed:
            kinds.add("kill")
        except OSError as error:
            kinds.add(error.strerror)

    assert kinds == {"kill", "No space left on device", "Input/output error"}
    assert disk.landed.total() >= 60
