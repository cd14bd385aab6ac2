"""Looks at a study: no verdict before the plan is complete, and a stricter level at every further one."""

import json
from pathlib import Path
from typing import Any

import pytest

from scaling.report import main, write_report
from scaling.report.looks_file import FILE, analyse_study, read_looks
from scaling.study.errors import RecordError
from scaling.study.records import Record, Study, read_study, write_record, write_study
from tests.support.page_reader import Page
from tests.support.studies import Truth, describe, failed, simulated_records, write_simulation

TRUTH = Truth(depths=(2, 4), widths=(32,), seeds=3, effect=2.0)
RECORDS = simulated_records(TRUTH)


def study_of(folder: Path, records: list[Record], **changes: object) -> Path:
    study = describe(RECORDS, TRUTH, folder.name)
    changes["space"] = {**study.space, **dict(changes.pop("space", {}))}  # pyright: ignore[reportArgumentType]
    return write_simulation(folder, records, study.model_copy(update=changes))


def extended(folder: Path, records: list[Record]) -> None:
    """Plan more and run it."""
    study: Study = read_study(folder)
    write_study(folder, study.model_copy(update={"planned": [*study.planned, *(record.key for record in records)]}))
    for record in records:
        write_record(folder, record)


def further(number: int) -> list[Record]:
    """Records of a further repetition of every cell and arm."""
    return [
        record.model_copy(update={"key": f"{record.key}{number}", "repetition": number})
        for record in RECORDS
        if record.repetition == 0
    ]


def document(out: Path, name: str) -> dict[str, Any]:
    return json.loads((out / name / "verdict.json").read_text())


@pytest.mark.slow
def test_an_extended_study_is_judged_at_a_stricter_level(tmp_path: Path) -> None:
    folder, out = study_of(tmp_path / "grown", RECORDS[:6]), tmp_path / "out"

    write_report(folder, out)
    before = document(out, "grown")["verdicts"][0]
    assert (before["kind"], before["reason"]) == ("unknown", "incomplete")
    assert before["here"]["low"] is None
    assert not (folder / FILE).exists()
    assert "no verdict before the plan is complete" in Page(out / "grown" / "index.html").text.replace("\xa0", " ")

    for record in RECORDS[6:]:
        write_record(folder, record)
    for _ in range(2):  # a report without new records is no look
        write_report(folder, out)
        first = document(out, "grown")
        assert first["verdicts"][0]["kind"] == "better"
        assert first["verdicts"][0]["here"]["level"] == pytest.approx(0.96)
        assert [look["number"] for look in first["look"]["kept"]] == [1]

    extended(folder, further(3))
    write_report(folder, out)
    second = document(out, "grown")
    assert second["look"]["number"] == 2
    assert second["verdicts"][0]["here"]["level"] == pytest.approx(1 - 0.06 / 3.141592653589793**2)
    kept = read_looks(folder)
    assert [(look.number, look.trials, look.kind) for look in kept] == [
        (1, 12, {"attention": "better"}),
        (2, 16, {"attention": "better"}),
    ]
    page = Page(out / "grown" / "index.html").text.replace("\xa0", " ")
    assert "This is look 2 at the study" in page
    assert "Looks at this study" in page


def test_a_verdict_may_be_asked_for_before_the_end(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "early", RECORDS[:8])

    assert not analyse_study(folder).look.is_verdict
    asked = analyse_study(folder, verdict_now=True)

    assert asked.look.is_verdict
    assert asked.settings.alpha == pytest.approx(0.04)


def test_every_planned_trial_counts_as_ended_whatever_its_status(tmp_path: Path) -> None:
    records = [failed(RECORDS[0]), failed(RECORDS[1], "diverged"), *RECORDS[2:]]
    stopped = [r.model_copy(update={"status": "stopped", "scores": None}) for r in records[-2:]]

    folder = study_of(tmp_path / "all", [*records[:-2], *stopped])

    assert analyse_study(folder).look.is_verdict


def test_one_look_is_at_95_percent_and_on_the_whole_plan(tmp_path: Path) -> None:
    whole = study_of(tmp_path / "whole", RECORDS, space={"looks": 1})
    part = study_of(tmp_path / "part", RECORDS[:8], space={"looks": 1})

    assert analyse_study(whole).settings.level == pytest.approx(0.95)
    with pytest.raises(RecordError, match="`looks: 1` allows one verdict, on the complete plan"):
        analyse_study(part, verdict_now=True)


def test_a_study_until_decided_has_the_level_of_its_looks(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "decided", RECORDS, space={"search": {"until": "decided"}})

    assert analyse_study(folder).settings.level == pytest.approx(0.9869)


@pytest.mark.slow
def test_imports_and_joint_reports_keep_no_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    study_of(results / "read", RECORDS, imported=["Read from a table."])
    study_of(results / "run", RECORDS)

    assert main(["read", "run", "--results", str(results), "--out", str(tmp_path / "out")]) == 0

    assert "95 % interval" in capsys.readouterr().out
    assert not (results / "read" / FILE).exists()
    assert (results / "run" / FILE).exists()
    assert document(tmp_path / "out", "read")["look"]["number"] is None
    assert document(tmp_path / "out", "read+run")["look"]["number"] is None


def test_a_look_that_cannot_be_kept_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scaling.report import looks_file
    from scaling.study.errors import StorageError

    folder = study_of(tmp_path / "locked", RECORDS)

    def refuse(where: object, content: bytes) -> None:
        raise StorageError(f"{where} cannot be written: Read-only file system")

    monkeypatch.setattr(looks_file, "write_atomically", refuse)
    analysis = analyse_study(folder)
    said = looks_file.keep_look(folder, analysis)

    assert analysis.settings.level == pytest.approx(0.96)
    assert said is not None
    assert "could not be kept" in said
    assert "Read-only file system" in said


@pytest.mark.parametrize("content", [b"{", b"[{}]", b'{"number": 1}', b"[1]"])
def test_a_damaged_file_of_looks_is_one_line(tmp_path: Path, content: bytes) -> None:
    folder = study_of(tmp_path / "torn", RECORDS)
    (folder / FILE).write_bytes(content)

    with pytest.raises(RecordError, match=r"looks\.json is damaged"):
        analyse_study(folder)
