"""Records read back equal, and what this version cannot read is refused."""

import json
from pathlib import Path

import pandas as pd
import pytest

from scaling import load_study
from scaling.study.errors import RecordError
from scaling.study.reading import read_what_can_be
from scaling.study.records import (
    SCHEMA,
    Cost,
    Epoch,
    Record,
    Scores,
    Study,
    read_records,
    read_study,
    write_record,
    write_study,
)

STUDY = Study(
    name="s", question="?", factor="pooling", arms=["average", "attention"], axes=["depth"], repetitions=1,
    conditions={}, space={}, planned=["a", "b"],
)  # fmt: skip


def record(key: str, **changes: object) -> Record:
    curve = [Epoch(epoch=1, train_loss=1, val_loss=1, val_accuracy=50, learning_rate=0.1, train_seconds=2)]
    scores = Scores(val_accuracy=90, val_loss=1, test_accuracy=80, test_loss=1, val_examples=10, test_examples=20)
    return Record(
        **{
            "key": key, "study": "s", "cell": {"depth": 2}, "arm": "average", "repetition": 0, "seed": 0,
            "status": "finished",
            "config": {"family": "f"}, "cost": Cost(params=1, macs=2, fvcore_flops=3, activations=4),
            "curve": curve, "scores": scores, "train_seconds": 2.0, "wall_seconds": 3.0,
            "environment": {"device": "cpu"}, **changes,
        }
    )  # fmt: skip


def test_a_record_reads_back_equal(tmp_path: Path) -> None:
    written = record("a")

    write_record(tmp_path, written)

    assert read_records(tmp_path) == [written]


def test_a_record_written_again_replaces_the_earlier_one(tmp_path: Path) -> None:
    write_record(tmp_path, record("a", status="failed", scores=None))
    write_record(tmp_path, record("a"))

    assert [r.status for r in read_records(tmp_path)] == ["finished"]


def test_a_study_is_a_table_with_one_row_a_trial(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY)
    write_record(tmp_path, record("a"))
    write_record(tmp_path, record("b", status="failed", reason="x", scores=None, cost=None, curve=[], arm="attention"))

    table = load_study(tmp_path)

    wanted = "key study cell arm repetition seed status epochs params macs val_accuracy test_accuracy train_seconds"
    assert set(wanted.split()) <= set(table.columns)
    finished, failed = table.sort_values("key").to_dict("records")
    assert (finished["cell"], finished["depth"], finished["epochs"], finished["test_accuracy"]) == ("depth=2", 2, 1, 80)
    assert failed["reason"] == "x"
    assert pd.isna(failed["test_accuracy"])
    assert pd.isna(failed["params"])


def test_a_study_without_records_is_an_empty_table(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY)
    empty = load_study(tmp_path)
    write_record(tmp_path, record("a"))

    assert len(empty) == 0
    assert list(empty.columns) == list(load_study(tmp_path).columns)


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = Path(str(write_record(tmp_path, record("a"))))
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": SCHEMA + 1}))

    with pytest.raises(
        RecordError, match=rf"has schema {SCHEMA + 1}, this version reads up to {SCHEMA}; update scaling"
    ):
        read_records(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": 1, "key": 3}', "\x00"])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "records" / "a.json"
    path.parent.mkdir()
    path.write_text(content)

    with pytest.raises(RecordError, match=str(path)):
        read_records(tmp_path)


def test_a_folder_without_a_study_names_the_studies_beside_it(tmp_path: Path) -> None:
    write_study(tmp_path / "other", STUDY)

    with pytest.raises(RecordError, match=r"is not a study .*studies in .*: other; run"):
        read_study(tmp_path / "none")


def test_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    path = Path(str(write_record(tmp_path, record("a"))))
    path.write_text(json.dumps({**json.loads(path.read_text()), "added_later": 1}))

    assert read_records(tmp_path) == [record("a")]


def test_records_are_sorted_by_repetition(tmp_path: Path) -> None:
    for repetition, seed in ((0, 900), (1, 5), (2, 70)):
        write_record(tmp_path, record(f"k{seed}", repetition=repetition, seed=seed))

    assert [(r.repetition, r.seed) for r in read_records(tmp_path)] == [(0, 900), (1, 5), (2, 70)]


def test_a_record_without_a_repetition_has_its_seed_there(tmp_path: Path) -> None:
    path = Path(str(write_record(tmp_path, record("a", repetition=0, seed=3))))
    stored = json.loads(path.read_text())
    del stored["repetition"], stored["checksum"]
    path.write_text(json.dumps(stored))

    (read,) = read_records(tmp_path)

    assert (read.repetition, read.seed) == (3, 3)
    assert read_what_can_be(tmp_path).records == [read]


@pytest.mark.parametrize(
    ("changes", "seeding"),
    [
        ({}, "shared"),
        ({"imported": ["a table"]}, "own"),
        ({"seeding": "own"}, "own"),
        ({"seeding": "shared"}, "shared"),
    ],
)
def test_a_study_says_whether_its_cells_share_seeds(tmp_path: Path, changes: dict, seeding: str) -> None:
    write_study(tmp_path, STUDY)
    path = tmp_path / "study.json"
    stored = {**json.loads(path.read_text()), "imported": None, **changes}
    path.write_text(json.dumps({name: value for name, value in stored.items() if name != "seeding" or name in changes}))

    assert read_study(tmp_path).seeding == seeding


@pytest.mark.parametrize(
    ("space", "settings"),
    [
        ({}, (None, None, 0)),
        ({"looks": 1, "detect": 0.5, "tune": {"lr": 3, "choose_by": 2}}, (1, 0.5, 2)),
        ({"tune": {"lr": 3, "factor": 2.0}}, (None, None, 1)),  # older than `choose_by`
        ({"tune": None, "looks": None, "detect": None}, (None, None, 0)),
    ],
)
def test_a_study_knows_the_settings_of_its_verdict(space: dict, settings: tuple) -> None:
    study = STUDY.model_copy(update={"space": space})

    assert (study.looks, study.detect, study.choose_by) == settings
