"""Trials that were scored on different test images are no repetitions of one cell, and are never averaged."""

from pathlib import Path
from typing import Any

import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.changes import find_changes
from scaling.report.analysis.context import Context
from scaling.report.analysis.scored_images import images_by_arm, on_other_images
from scaling.report.caveats import CAVEATS
from scaling.report.tables import TABLES
from scaling.report.write import compare_studies, write_report
from scaling.study.data_fingerprint import DataFingerprint, SetFingerprint, StudyData, UsedData, UsedSet
from scaling.study.records import Record, Study
from tests.support.studies import Truth, describe, simulated_records, write_simulation

TRUTH = Truth(depths=(2, 4), widths=(32,), seeds=3, effect=1.0, test_examples=500)
RECORDS = simulated_records(TRUTH)
STUDY = describe(RECORDS, TRUTH)


def scored(record: Record, images: int, digest: str | None = None, whole: str = "whole") -> Record:
    """The record, scored on so many test images; with a digest, as records have it today."""
    assert record.scores is not None
    scores = record.scores.model_copy(update={"test_examples": images})
    data = UsedData(fingerprint=whole, sets={"test": UsedSet(images=images, classes=2, digest=digest or "")})
    return record.model_copy(update={"scores": scores, "data": data if digest else None})


def of_repetition(repetition: int, *now: Any) -> list[Record]:
    """The records, those of one repetition scored on something else."""
    return [scored(record, *now) if record.repetition == repetition else record for record in RECORDS]


def keys(records: list[Record], repetition: int) -> set[str]:
    return {record.key for record in records if record.repetition == repetition}


def left_out(analysis: Analysis) -> set[str]:
    return set(analysis.table.loc[analysis.table["other_images"].to_numpy(dtype=bool), "key"])


def test_an_earlier_record_is_known_by_its_number_of_images() -> None:
    records = of_repetition(2, 529)

    analysis = analyse(STUDY, records)

    assert left_out(analysis) == keys(records, 2)
    others = [record for record in records if record.repetition != 2]
    without = analyse(describe(others, TRUTH), others)
    assert analysis.cells[["n", "test_accuracy"]].equals(without.cells[["n", "test_accuracy"]])
    assert analysis.verdicts[0].difference == without.verdicts[0].difference
    assert analysis.test_examples == 500


@pytest.mark.parametrize("digests", [("old", "new"), (None, "new")])
def test_equal_numbers_of_other_images_differ_by_digest(digests: tuple[str | None, str]) -> None:
    ours, other = digests
    records = [scored(record, 500, other if record.repetition == 1 else ours) for record in RECORDS]

    found = left_out(analyse(STUDY, records))

    assert found == (keys(records, 1) if ours else set())  # without a digest, an equal number is all that is known


def test_of_two_halves_that_of_the_present_data_counts() -> None:
    records = [scored(r, 500, f"test{r.repetition}", f"whole{r.repetition}") for r in RECORDS if r.repetition < 2]
    sets = {"train": SetFingerprint(images=1, classes={"a": 1}, names="", sizes="", content="")}
    present = DataFingerprint(sets=sets)
    data = [StudyData(source="folder:photos", fingerprint=present)]

    def kept(repetition: int) -> Study:
        for index, record in enumerate(records):
            if record.repetition == repetition and record.data:
                used = record.data.model_copy(update={"fingerprint": present.digest})
                records[index] = record.model_copy(update={"data": used})
        return STUDY.model_copy(update={"data": data})

    assert set(on_other_images(STUDY, records)) == keys(records, 1)  # the first, where nothing tells
    assert set(on_other_images(kept(1), records)) == keys(records, 0)


def test_an_axis_over_sources_has_test_images_of_each() -> None:
    axis = {2: "folder:photos", 4: "folder:flowers"}
    records = [
        scored(record, 100 * record.cell["depth"], axis[record.cell["depth"]]).model_copy(
            update={"cell": {"data.source": axis[record.cell["depth"]], "depth": record.cell["depth"]}}
        )
        for record in RECORDS
    ]
    study = STUDY.model_copy(update={"axes": ["data.source", "depth"]})
    assert on_other_images(study, records) == {}

    records[0] = scored(records[0], 999, "other")

    assert on_other_images(study, records) == {records[0].key: (999, 200)}


def test_one_test_set_is_asked_of_all_cells() -> None:
    records = [scored(record, 500 if record.cell["depth"] == 2 or record.repetition else 529) for record in RECORDS]

    assert set(on_other_images(STUDY, records)) == {r.key for r in records if r.cell["depth"] == 4 and not r.repetition}


def test_arms_that_are_data_have_test_images_each() -> None:
    study = STUDY.model_copy(update={"factor": "data.source"})
    records = [scored(record, 500 + 29 * (record.arm == "attention")) for record in RECORDS]

    assert on_other_images(study, records) == {}
    assert {arm: one.images for arm, one in images_by_arm(study, records).items()} == {"average": 500, "attention": 529}
    said = CAVEATS["arms_on_other_images"](analyse(study, records))
    assert said is not None
    assert "(average on 500 and attention on 529)" in said


def test_imported_results_and_failed_trials_are_left_alone() -> None:
    failed = [record.model_copy(update={"status": "failed", "scores": None}) for record in RECORDS[:3]]

    assert on_other_images(STUDY, [*failed, *RECORDS[3:]]) == {}
    assert on_other_images(STUDY.model_copy(update={"imported": ["a table"]}), of_repetition(2, 529)) == {}


def test_a_report_names_what_it_leaves_out(tmp_path: Path) -> None:
    records = of_repetition(2, 529)
    folder = write_simulation(tmp_path / "results" / "mixed", records, describe(RECORDS, TRUTH, "mixed"))
    analysis = analyse(STUDY, records)

    caveat = CAVEATS["different_test_images"](analysis)
    report = write_report(folder, tmp_path / "reports")

    assert caveat is not None
    assert caveat.startswith("4 trials were scored on different test images from most of the study (depth=2")
    assert "average repetition 2 on 529, not 500 images" in caveat
    assert [line for line in report.missing if line.startswith("4 trials were scored on different test images")]
    table = TABLES["trials"](analysis)
    assert [row[-1] for row in table.rows].count("yes") == 4
    assert CAVEATS["different_test_images"](analyse(STUDY, RECORDS)) is None


def test_trials_of_other_images_are_not_compared_over_time() -> None:
    now = analyse(STUDY, [scored(record, 500, "new") for record in RECORDS])
    before = analyse(STUDY, [scored(r, 500, "old" if r.repetition == 0 else "new") for r in RECORDS])

    changes = find_changes(now, before)

    assert (changes.shared, changes.on_other_images, changes.added, changes.gone) == (8, 4, 0, 0)
    said = CAVEATS["changed"](analyse(STUDY, RECORDS, context=Context(changes=changes)))
    assert said is not None
    assert said.endswith("4 trials of both studies were scored on different test images and are not compared.")


def data_of(content: str) -> list[StudyData]:
    part = SetFingerprint(images=5, classes={"cat": 5}, names="n", sizes="s", content=content)
    return [StudyData(source="folder:photos", fingerprint=DataFingerprint(sets={"train": part}))]


@pytest.mark.parametrize(
    ("source", "content", "said"),
    [
        ("folder:elsewhere", "one", ""),
        ("folder:photos", "other", "the same source of data, with different content (train: the same names and sizes"),
        ("folder:elsewhere", "other", "data.source folder:photos → folder:elsewhere"),
    ],
)
def test_studies_side_by_side_are_compared_by_content(tmp_path: Path, source: str, content: str, said: str) -> None:
    from scaling.report.analysis.joint import Member, join
    from scaling.study.reading import StudyRecords

    def member(name: str, source: str, content: str) -> Member:
        conditions = {"family": "patchconvnet", "data": {"source": source}}
        study = describe(RECORDS, TRUTH, name).model_copy(update={"conditions": conditions, "data": data_of(content)})
        return Member(study, StudyRecords(RECORDS, []))

    notes = " ".join(join([member("first", "folder:photos", "one"), member("second", source, content)]).notes)

    assert said in notes
    assert bool(said) == ("differ" in notes)


def test_studies_on_other_test_images_are_compared_with_a_caveat(tmp_path: Path) -> None:
    first = write_simulation(tmp_path / "results" / "first", RECORDS, describe(RECORDS, TRUTH, "first"))
    others = [scored(record, 529) for record in RECORDS]
    second = write_simulation(tmp_path / "results" / "second", others, describe(RECORDS, TRUTH, "second"))

    report = compare_studies([first, second], tmp_path / "reports")

    assert "different test images (first on 500 and second on 529)" in report.page.read_text()
    assert report.missing == ()
