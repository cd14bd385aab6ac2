"""Records that were changed or copied: a flipped bit is refused, a copy is left out by name."""

import json
import random
import shutil
from pathlib import Path

import pytest

from scaling import load_study
from scaling.study.errors import RecordError
from scaling.study.reading import read_what_can_be
from scaling.study.records import Record, read_records, write_record, write_study
from scaling.study.seal import is_intact, sealed
from tests.study.test_records import STUDY, record


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_study(tmp_path, STUDY)
    for number, key in enumerate("abc"):
        write_record(tmp_path, record(key, repetition=number))
    return tmp_path


def test_a_sealed_record_is_json_with_its_checksum_last(study: Path) -> None:
    content = json.loads((study / "records" / "a.json").read_bytes())

    assert list(content)[-1] == "checksum"
    assert Record.model_validate(content) == record("a")


def test_every_flip_of_a_bit_is_refused_or_changes_nothing(study: Path) -> None:
    file = study / "records" / "a.json"
    sound, whole = file.read_bytes(), read_records(study)
    dice = random.Random(0)
    refused = []
    for _ in range(600):
        flipped = bytearray(sound)
        flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
        file.write_bytes(bytes(flipped))
        lenient = read_what_can_be(study)
        if lenient.left_out:
            refused += lenient.left_out
            assert [one.key for one in lenient.records] == ["b", "c"]
            with pytest.raises(RecordError, match=r"a\.json"):
                read_records(study)
        else:
            assert lenient.records == read_records(study) == whole
    assert len(refused) > 400  # the rest hit blanks, or the name of the checksum


@pytest.mark.parametrize("cut", [1, 2, 5, 40, 400])
def test_a_torn_record_is_refused(study: Path, cut: int) -> None:
    file = study / "records" / "a.json"
    file.write_bytes(file.read_bytes()[:-cut])

    with pytest.raises(RecordError, match=r"a\.json"):
        read_records(study)


def test_an_edit_is_refused_with_the_way_out(study: Path) -> None:
    file = study / "records" / "a.json"
    file.write_text(file.read_text().replace('"test_accuracy": 80.0', '"test_accuracy": 90.0'))

    with pytest.raises(
        RecordError, match="changed after it was written, as its checksum does not fit; delete it to run"
    ):
        read_records(study)


def test_a_record_laid_out_anew_is_read(study: Path) -> None:
    file = study / "records" / "a.json"
    content = json.loads(file.read_bytes())
    for laid_out in (json.dumps(content), json.dumps(content, indent=4), json.dumps(content, sort_keys=True)):
        file.write_text(laid_out)
        assert [one.key for one in read_records(study)] == ["a", "b", "c"]
        assert read_what_can_be(study).left_out == []
    file.write_text(json.dumps({**content, "seed": 1, "checksum": content.pop("checksum")}))
    with pytest.raises(RecordError, match="its checksum does not fit"):
        read_records(study)


def test_other_line_ends_and_no_checksum_are_read(study: Path) -> None:
    file = study / "records" / "a.json"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_records(study)) == 3

    plain = record("b", repetition=1).model_dump_json(by_alias=True, indent=1)  # as earlier versions wrote it
    (study / "records" / "b.json").write_text(plain)
    assert is_intact(plain.encode())
    assert not is_intact(sealed(plain.encode()).replace(b"finished", b"finishee"))
    assert len(read_records(study)) == 3


@pytest.mark.parametrize(
    "name", ["a (conflicted copy).json", "a (1).json", "Copy of a.json", "a-DESKTOP.json", "A.json"]
)
def test_a_copy_is_left_out_by_name(study: Path, name: str) -> None:
    shutil.copy(study / "records" / "a.json", study / "records" / name)
    lines: list[str] = []

    assert [one.key for one in read_records(study, lines)] == ["a", "b", "c"]
    assert len(lines) == 1
    assert f"{name} is a copy of the record a.json" in lines[0]
    assert [name in line for line in read_what_can_be(study).left_out] == [True]
    with pytest.warns(UserWarning, match="is a copy of the record"):
        assert list(load_study(study).key) == ["a", "b", "c"]


def test_a_record_in_another_s_place_counts_once(study: Path) -> None:
    shutil.copy(study / "records" / "a.json", study / "records" / "b.json")

    assert [one.key for one in read_records(study)] == ["a", "c"]
    assert [one.key for one in read_what_can_be(study).records] == ["a", "c"]


def test_other_files_beside_records_are_no_records(study: Path) -> None:
    for name in ("a.json.bak", "notes.txt", ".a.json.0123456789abcdef"):
        shutil.copy(study / "records" / "a.json", study / "records" / name)

    assert len(read_records(study)) == 3
