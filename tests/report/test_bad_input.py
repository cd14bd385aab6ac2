"""Bad input: a damaged study gives the report that is possible, with the reasons for what is missing."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from scaling.report import main
from scaling.study.errors import RecordError
from scaling.study.reading import read_what_can_be
from scaling.study.records import Record, read_records, write_record
from tests.support.page_reader import Page
from tests.support.studies import Truth, describe, failed, simulated_records, write_simulation

TRUTH = Truth(depths=(2, 4), widths=(32, 64), seeds=2, effect=1.0, test_examples=500)
EVERYTHING = simulated_records(TRUTH)
NAN = math.nan


def write(folder: Path, records: list[Record]) -> Path:
    return write_simulation(folder, records, describe(EVERYTHING, TRUTH, folder.name))


def unscored(record: Record) -> Record:
    assert record.scores
    return record.model_copy(
        update={"scores": record.scores.model_copy(update={"test_accuracy": NAN, "val_accuracy": NAN})}
    )


def diverging(record: Record) -> Record:
    """A finished trial whose losses are NaN and whose accuracies are numbers."""
    assert record.scores
    curve = [epoch.model_copy(update={"val_loss": NAN, "train_loss": math.inf}) for epoch in record.curve]
    return record.model_copy(update={"curve": curve, "scores": record.scores.model_copy(update={"test_loss": NAN})})


def change(**values: object) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(json.loads(content) | values).encode()


def change_scores(**values: object) -> Callable[[bytes], bytes]:
    return lambda content: change(scores=json.loads(content)["scores"] | values)(content)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "torn": (lambda content: content[: len(content) // 2], "cannot be read"),
    "empty": (lambda _: b"", "cannot be read"),
    "no text": (lambda _: b"\x80\x00\xff" * 9, "cannot be read"),
    "a list": (lambda _: b"[1, 2]", "is not a complete record"),
    "newer": (change(schema=99), "has schema 99, this version reads up to"),
    "words for numbers": (change(scores={"test_accuracy": "high"}), "is not a complete record: scores"),
    "an infinite score": (change_scores(test_accuracy="Infinity"), "has an impossible value: test_accuracy inf is not"),
    "a score above all": (change_scores(val_top5=250), "has an impossible value: val_top5 250 is not a percentage"),
    "a score below nothing": (change_scores(test_accuracy=-3), "has an impossible value: test_accuracy -3 is not"),
    "a cost below nothing": (
        lambda content: change(cost=json.loads(content)["cost"] | {"macs": -5})(content),
        "has an impossible value: macs is -5",
    ),
    "endless time": (change(train_seconds="Infinity"), "has an impossible value: train_seconds is inf"),
    "a seed of 80 bits": (change(seed=2**80), "has an impossible value: seed 1208925819614629174706176"),
    "brackets": (lambda _: b"[" * 100_000, "cannot be read"),
    "no key": (change(key=None), "is not a complete record: key"),
    "a status nobody knows": (change(status="paused"), "is not a complete record: status"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_report_omits_a_damaged_record_and_a_sweep_stops(tmp_path: Path, kind: str) -> None:
    study = write(tmp_path / "pools", EVERYTHING)
    damage, said = DAMAGE[kind]
    path = study / "records" / f"{EVERYTHING[0].key}.json"
    path.write_bytes(damage(path.read_bytes()))

    reading = read_what_can_be(study)

    assert {record.key for record in reading.records} == {record.key for record in EVERYTHING[1:]}
    (line,) = reading.left_out
    assert f"records/{EVERYTHING[0].key}.json" in line
    assert said in line
    assert "\n" not in line
    with pytest.raises(RecordError):
        read_records(study)


def test_both_ways_of_reading_agree(tmp_path: Path) -> None:
    study = write(tmp_path / "pools", [*EVERYTHING[:5], failed(EVERYTHING[5])])

    assert read_what_can_be(study).records == read_records(study)


def test_losses_that_are_no_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    path = write_record(tmp_path, diverging(EVERYTHING[0]))
    json.loads(path.read_bytes(), parse_constant=pytest.fail)  # JSON has no NaN

    for records in (read_what_can_be(tmp_path).records, read_records(tmp_path)):
        (record,) = records
        assert record.scores
        assert math.isnan(record.scores.test_loss)
        assert record.scores.test_accuracy == EVERYTHING[0].scores.test_accuracy if EVERYTHING[0].scores else False
        assert [epoch.train_loss for epoch in record.curve] == [math.inf] * TRUTH.epochs
    content = json.loads(path.read_bytes())
    content["scores"]["test_loss"] = content["curve"][0]["val_loss"] = None  # as written by an earlier version
    path.write_bytes(json.dumps(content).encode())

    assert read_what_can_be(tmp_path).left_out == []


@pytest.mark.slow
def test_the_page_and_the_terminal_name_what_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = write(tmp_path / "results" / "pools", EVERYTHING)
    path = study / "records" / f"{EVERYTHING[3].key}.json"
    path.write_text('{"schema": 1, "key": "tor')

    assert main(["pools", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "reports")]) == 0

    captured = capsys.readouterr()
    assert f"left out: records/{path.name} cannot be read" in captured.err
    assert "Traceback" not in captured.err
    page = Page(tmp_path / "reports" / "pools" / "index.html")
    assert path.name in page.text
    assert "15 of 16 trials finished" in page.text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema": 99}', "has schema 99, this version reads up to"),
        ("{", "the study cannot be reported without it"),
        ("[]", "is not a complete study: Input should be"),
        ('{"schema": 1, "name": "pools"}', "is not a complete study"),
    ],
)
def test_a_study_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    study = write(tmp_path / "results" / "pools", EVERYTHING[:2])
    (study / "study.json").write_text(content)

    assert main(["pools", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "reports")]) == 2

    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "reports").exists()


def test_an_output_path_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "results" / "pools", EVERYTHING)
    (tmp_path / "taken").write_text("a file")

    for out in ("taken", "taken/below"):
        assert main(["pools", "--results", str(tmp_path / "results"), "--out", str(tmp_path / out)]) == 2

        error = capsys.readouterr().err
        assert error.startswith(f"error: {tmp_path / out / 'pools'} cannot be created: ")
        assert error.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "a file"
