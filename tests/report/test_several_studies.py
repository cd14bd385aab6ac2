"""Several studies in one report: joint, compared with an earlier one, beside published numbers."""

import csv
import dataclasses
from pathlib import Path

import pytest

from scaling.report import main
from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.changes import find_changes
from scaling.report.analysis.joint import Joint, Member, join
from scaling.study.reading import StudyRecords
from scaling.study.records import Record
from tests.support.page_reader import Page
from tests.support.studies import Truth, describe, failed, simulated_records, with_learning_rate_grid, write_simulation

TRUTH = Truth(depths=(2, 4), widths=(32, 64), seeds=2, effect=1.0, test_examples=500)
EVERYTHING = simulated_records(TRUTH)


def write(folder: Path, records: list[Record]) -> Path:
    return write_simulation(folder, records, describe(EVERYTHING, TRUTH, folder.name))


def analysis_of(records: list[Record], truth: Truth = TRUTH) -> Analysis:
    return analyse(describe(simulated_records(truth), truth), records)


def shifted(records: list[Record], points: float) -> list[Record]:
    """The same trials with test accuracies that are higher by `points`."""
    return [
        record.model_copy(
            update={"scores": record.scores.model_copy(update={"test_accuracy": record.scores.test_accuracy + points})}
        )
        for record in records
        if record.scores
    ]


def joined(records: list[Record], others: list[Record]) -> Joint:
    """Two studies of the same space, joined."""
    study = describe(EVERYTHING, TRUTH, "first")
    members = [
        Member(study, StudyRecords(records, [])),
        Member(
            study.model_copy(update={"name": "second", "planned": [other.key for other in others]}),
            StudyRecords(others, []),
        ),
    ]
    return join(members)


def test_studies_are_compared_in_their_shared_cells_and_arms() -> None:
    alone = EVERYTHING[:2]  # a cell that only the first study has

    both = joined(EVERYTHING, shifted([r for r in EVERYTHING if r.cell != alone[0].cell], 1.5))
    analysis = analyse(both.study, both.records)

    assert both.study.arms == ["first", "second"]
    assert both.study.axes == ["depth", "width", "pooling"]
    (verdict,) = analysis.verdicts
    assert len(verdict.cells) == 6  # three cells of two arms
    assert verdict.difference.estimate == pytest.approx(1.5)
    assert verdict.kind == "better"
    assert "6 cells with the same arm in all studies are compared" in both.notes[0]


def test_an_arm_that_no_rate_trains_is_lost_jointly() -> None:
    tuned = with_learning_rate_grid(EVERYTHING, rejected=4e-3, kept=2e-3)
    first = EVERYTHING[0]
    lost = [
        failed(record, "diverged") if (record.cell, record.arm) == (first.cell, first.arm) else record
        for record in tuned
        if not (record.cell == first.cell and record.arm == first.arm and record.repetition > 0)
    ]
    study = describe(EVERYTHING, TRUTH, "first").model_copy(update={"space": {"tune": {"lr": 3}}, "planned": []})
    second = study.model_copy(update={"name": "second"})

    both = join([Member(study, StudyRecords(tuned, [])), Member(second, StudyRecords(lost, []))])

    (verdict,) = analyse(both.study, both.records).verdicts
    assert verdict.found.assessment.losses.never == ("depth=2 width=32 pooling=average",)
    assert len(verdict.cells) == 7


@pytest.mark.parametrize(
    ("first", "second", "is_complete"),
    [(None, None, False), ("its budget", None, False), (None, "its budget", False), ("its budget", "its time", True)],
)
def test_a_study_that_ended_early_does_not_complete_the_other(
    first: str | None, second: str | None, is_complete: bool
) -> None:
    study = describe(EVERYTHING, TRUTH, "first")
    studies = [
        study.model_copy(update={"ended_by": first}),
        study.model_copy(update={"name": "second", "ended_by": second}),
    ]

    both = join([Member(one, StudyRecords(EVERYTHING[:-1], [])) for one in studies])

    analysis = analyse(both.study, both.records)
    assert analysis.progress.is_complete == is_complete
    assert (analysis.verdicts[0].found.reason == "incomplete") != is_complete


def test_a_value_that_one_study_fixes_matches_an_axis() -> None:
    fixed = [r.model_copy(update={"cell": {"width": r.cell["width"]}}) for r in EVERYTHING if r.cell["depth"] == 2]
    study = describe(EVERYTHING, TRUTH, "first")
    other = study.model_copy(update={"name": "second", "axes": ["width"]})

    both = join([Member(study, StudyRecords(EVERYTHING, [])), Member(other, StudyRecords(fixed, []))])

    (verdict,) = analyse(both.study, both.records).verdicts
    assert len(verdict.cells) == 4  # depth 2, two widths, two arms
    assert verdict.difference.estimate == 0


def test_conditions_that_differ_between_studies_are_named() -> None:
    first = describe(EVERYTHING, TRUTH, "first").model_copy(update={"conditions": {"recipe": {"epochs": 10}}})
    second = first.model_copy(update={"name": "second", "conditions": {"recipe": {"epochs": 30}}})

    both = join([Member(first, StudyRecords(EVERYTHING, [])), Member(second, StudyRecords(EVERYTHING, []))])

    assert any("recipe.epochs 10 → 30" in note for note in both.notes)


def test_changes_tell_what_moved_beyond_noise() -> None:
    before = analysis_of(EVERYTHING)
    one = next(place for place, record in enumerate(EVERYTHING) if record.arm == "attention")
    moved = [*EVERYTHING[:one], *shifted(EVERYTHING[one : one + 1], -20), *EVERYTHING[one + 1 :]]

    same, other = find_changes(analysis_of(EVERYTHING), before), find_changes(analysis_of(moved), before)
    slightly = find_changes(analysis_of(shifted(EVERYTHING, 0.01)), before)

    assert (same.shared, list(same.trials), same.added, same.gone) == (16, [], 0, 0)
    assert not any(verdict.has_changed for verdict in same.verdicts)
    assert [(trial.cell, trial.arm, trial.repetition) for trial in other.trials if trial.is_beyond_noise] == [
        ("depth=2 width=32", "attention", 0)
    ]
    assert len(slightly.trials) == 16
    assert not any(trial.is_beyond_noise for trial in slightly.trials)


@pytest.mark.slow
def test_noise_of_repeated_studies_is_seldom_called_a_change() -> None:
    truth = dataclasses.replace(TRUTH, seeds=3, test_examples=100_000, seed_sd=0.5)
    moved = 0
    for draw in range(20):
        now, before = (analysis_of(simulated_records(truth, seed), truth) for seed in (2 * draw, 2 * draw + 1))
        moved += any(trial.is_beyond_noise for trial in find_changes(now, before).trials)

    assert moved <= 5  # 5 % of studies may; of twenty, more than five has a probability below 0.0004


@pytest.mark.slow
def test_two_studies_a_baseline_and_published_numbers_stand_in_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "first", EVERYTHING)
    write(tmp_path / "second", shifted(EVERYTHING, 1.5))
    places = ["--results", str(tmp_path), "--out", str(tmp_path / "out")]

    assert main(["first", "second", "--baseline", "first", "--reference", "attention_augmented", *places]) == 0

    assert "second beats first by 1.50 points" in capsys.readouterr().out
    page = Page(tmp_path / "out" / "first+second" / "index.html").text.replace("\N{NO-BREAK SPACE}", " ")
    assert "second" in page
    second = Page(tmp_path / "out" / "second" / "index.html").text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Compared with first: " in second
    assert "its FLOPs are 2×MACs, shown as MACs" in second
    with (tmp_path / "out" / "second" / "tables" / "references.csv").open() as file:
        resnet = next(row for row in csv.DictReader(file) if row["model"] == "ResNet-50")
    assert float(resnet["macs"]) == pytest.approx(4.1e9)
