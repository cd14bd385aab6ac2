"""Looks at a study: no verdict before the plan is complete, and a stricter level at every further one."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from scaling.report import compare_studies, looks_file, main, write_report
from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.caveats import caveats
from scaling.report.looks_file import FILE, analyse_study, keep_look, read_looks
from scaling.report.page import words
from scaling.report.tables.table import tables
from scaling.report.verdict_file import verdict_document
from scaling.report.write import ReportOptions, write_one
from scaling.study.errors import RecordError, StorageError
from scaling.study.records import Record, Study, read_study, write_record, write_study
from tests.support.page_reader import Page, page_of
from tests.support.studies import Truth, describe, failed, simulated_records, write_simulation

TRUTH = Truth(depths=(2, 4), widths=(32,), seeds=3, effect=2.0)
RECORDS = simulated_records(TRUTH)


def study_of(folder: Path, records: list[Record], **changes: object) -> Path:
    study = describe(RECORDS, TRUTH, folder.name)
    return write_simulation(folder, records, study.model_copy(update=changes))


def with_settings(**settings: object) -> dict[str, object]:
    """The space of the study with further settings."""
    return {**describe(RECORDS, TRUTH).space, **settings}


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


def shown(folder: Path, verdict_now: bool = False) -> Analysis:
    """The analysis of a report, with its look kept."""
    analysis = analyse_study(folder, verdict_now=verdict_now)
    assert keep_look(folder, analysis) is None
    return analysis


def places_of_intervals(value: Any, where: str = "") -> set[str]:
    """Where a document holds an interval with known ends."""
    if isinstance(value, list):
        return set().union(*(places_of_intervals(one, where) for one in value))
    if not isinstance(value, dict):
        return set()
    found = {where} if value.get("low") is not None and value.get("high") is not None else set()
    return found.union(*(places_of_intervals(one, f"{where}.{name}") for name, one in value.items()))


def rows_with_intervals(analysis: Analysis) -> set[str]:
    """The tables of verdicts that hold a known interval."""
    wanted = ("verdicts", "parts", "equal_cost", "equal_cost_parts", "control")
    found = set()
    for name in wanted:
        table = tables(analysis)[name]
        ends = [place for place, column in enumerate(table.columns) if column.name.endswith(("low", "high"))]
        if any(row[place] is not None and math.isfinite(row[place]) for row in table.rows for place in ends):
            found.add(name)
    return found


def test_an_incomplete_plan_shows_no_interval_anywhere() -> None:
    truth = Truth(arms=("average", "attention", "average_mlp"), effect=2.0, seeds=2)
    records = simulated_records(truth)
    whole, part = (analyse(describe(records, truth), some) for some in (records, records[:-1]))
    about = ("verdicts", "equal_cost", "control")

    intervals = {name: [places_of_intervals(verdict_document(one)[name]) for one in (whole, part)] for name in about}

    assert {name: bool(found[0]) for name, found in intervals.items()} == dict.fromkeys(about, True)
    assert {name: found[1] for name, found in intervals.items()} == {name: set() for name in about}
    assert rows_with_intervals(whole) == {"verdicts", "parts", "equal_cost", "equal_cost_parts", "control"}
    assert rows_with_intervals(part) == set()
    assert " % interval" in whole.headline
    assert " % interval" not in part.headline
    assert all(line.endswith("no verdict before the plan is complete.") for line in part.headline.splitlines())
    assert [card.strip is None for card in words.verdict_cards(part)] == [True, True]
    before = page_of(part).words
    assert "12 of 12 pairs; no verdict before the plan is complete." in before
    assert "1 of 36 trials have not ended" in before
    assert "Of the gain of" in page_of(whole).words
    assert "Of the gain of" not in before
    for verdict, written in zip(part.verdicts, verdict_document(part)["verdicts"], strict=True):
        assert (written["kind"], written["reason"]) == ("unknown", "incomplete")
        assert written["here"]["estimate"] == pytest.approx(verdict.difference.estimate)


@pytest.mark.slow
def test_an_extended_study_is_judged_at_a_stricter_level(tmp_path: Path) -> None:
    folder, out = study_of(tmp_path / "grown", RECORDS[:6]), tmp_path / "out"

    assert shown(folder).verdicts[0].found.reason == "incomplete"
    assert not (folder / FILE).exists()

    for record in RECORDS[6:]:
        write_record(folder, record)
    for _ in range(3):  # a report without new records is no look
        first = shown(folder)
        assert first.verdicts[0].kind == "better"
        assert first.settings.level == first.verdicts[0].difference.level == pytest.approx(0.96)
        assert [look.number for look in read_looks(folder)] == [1]

    extended(folder, further(3))
    earlier = study_of(tmp_path / "earlier", RECORDS)
    write_one(folder, out, ReportOptions(baseline=earlier))
    second = document(out, "grown")
    assert second["look"]["number"] == 2
    assert second["look"]["verdict"] is True
    assert second["verdicts"][0]["here"]["level"] == pytest.approx(1 - 0.06 / math.pi**2)
    kept = read_looks(folder)
    assert [(look.number, look.trials, look.planned, look.kind) for look in kept] == [
        (1, 12, 12, {"attention": "better"}),
        (2, 16, 16, {"attention": "better"}),
    ]
    assert [look.level for look in kept] == pytest.approx([0.96, 1 - 0.06 / math.pi**2])
    page = Page(out / "grown" / "index.html").words
    assert "This is look 2 at the study" in page
    assert "Looks at this study" in page
    assert [look.number for look in read_looks(earlier)] == [1]  # its verdict is shown, too


def test_a_failed_trial_run_again_makes_a_further_look(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "again", [failed(RECORDS[0]), *RECORDS[1:]])

    before = shown(folder)
    write_record(folder, RECORDS[0])
    after = shown(folder)

    assert (before.look.number, after.look.number) == (1, 2)


def test_a_copy_of_a_record_is_nothing_new(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "copied", RECORDS)
    shown(folder)
    record = next((folder / "records").glob("*.json"))

    record.with_name("copy.json").write_bytes(record.read_bytes())

    assert shown(folder).look.number == 1


def test_a_verdict_may_be_asked_for_before_the_end(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "early", RECORDS[:8])

    assert not shown(folder).look.is_verdict
    asked = shown(folder, verdict_now=True)
    again = shown(folder)  # the same records need not be asked for again

    assert asked.look.is_verdict
    assert asked.settings.alpha == pytest.approx(0.04)
    assert [(look.number, look.trials, look.planned) for look in read_looks(folder)] == [(1, 8, 12)]
    assert (again.look, again.headline) == (asked.look, asked.headline)
    assert "was asked for before the plan was complete, and counts as a look" in " ".join(caveats(asked))
    for record in RECORDS[8:]:
        write_record(folder, record)
    assert shown(folder).look.number == 2


def test_every_planned_trial_counts_as_ended_whatever_its_status(tmp_path: Path) -> None:
    records = [failed(RECORDS[0]), failed(RECORDS[1], "diverged"), *RECORDS[2:]]
    stopped = [r.model_copy(update={"status": "stopped", "scores": None}) for r in records[-2:]]

    folder = study_of(tmp_path / "all", [*records[:-2], *stopped])

    assert shown(folder).look.is_verdict
    assert [look.trials for look in read_looks(folder)] == [12]


def test_one_look_is_at_95_percent_of_whole_plans(tmp_path: Path) -> None:
    whole = study_of(tmp_path / "whole", RECORDS, space=with_settings(looks=1))
    part = study_of(tmp_path / "part", RECORDS[:8], space=with_settings(looks=1))

    analysis = shown(whole)
    assert (analysis.settings.level, analysis.settings.is_last_look) == (pytest.approx(0.95), True)
    with pytest.raises(RecordError, match="`looks: 1` allows one verdict, on the complete plan") as refused:
        analyse_study(part, verdict_now=True)
    assert len(refused.value.problems) == 1
    assert not (part / FILE).exists()
    extended(whole, further(3))
    beyond = shown(whole)
    assert beyond.settings.level == pytest.approx(1 - 0.06 / math.pi**2)
    assert "The plan was fixed to one look, and this is look 2." in " ".join(caveats(beyond))


def test_a_study_until_decided_has_the_level_of_its_looks(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "decided", RECORDS, space=with_settings(search={"until": "decided"}))

    assert shown(folder).settings.level == pytest.approx(0.9869)
    extended(folder, further(3))
    assert shown(folder).settings.level == pytest.approx(0.9869)  # at each of its looks


@pytest.mark.slow
def test_imports_and_joint_reports_keep_no_looks(tmp_path: Path) -> None:
    read, run = (
        study_of(tmp_path / "read", RECORDS, imported=["Read from a table."]),
        study_of(tmp_path / "run", RECORDS),
    )

    imported = shown(read)
    compare_studies([read, run], tmp_path / "out")

    assert (imported.look.number, imported.settings.level) == (None, pytest.approx(0.95))
    assert "95 % interval" in imported.headline
    assert document(tmp_path / "out", "read+run")["look"] == {
        "number": None, "level": pytest.approx(0.95), "rule": "extending", "verdict": True, "kept": []
    }  # fmt: skip
    assert list(tmp_path.rglob(FILE)) == []


@pytest.mark.slow
def test_a_look_that_cannot_be_kept_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = study_of(tmp_path / "locked", RECORDS)

    def refuse(where: object, content: bytes) -> None:
        raise StorageError(f"{where} cannot be written: Read-only file system")

    monkeypatch.setattr(looks_file, "write_atomically", refuse)
    report = write_report(folder, tmp_path / "out")

    assert "96 % interval" in report.verdict
    assert not (folder / FILE).exists()
    said = Page(report.page).words
    assert "This verdict is look 1 at the study and was given at that look's level, but could not be kept" in said
    assert "Read-only file system" in said


@pytest.mark.parametrize("content", [b"{", b"[{}]", b'{"number": 1}', b"[1]", b"\xff", b"", None])
def test_damaged_looks_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None) -> None:
    folder = study_of(tmp_path / "results" / "torn", RECORDS)
    if content is None:
        (folder / FILE).mkdir()
    else:
        (folder / FILE).write_bytes(content)

    assert main(["torn", "--results", str(folder.parent), "--out", str(tmp_path / "out")]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {folder / FILE} ")
    assert ("cannot be read" if content is None else "is damaged") in line
    assert not (tmp_path / "out").exists()
