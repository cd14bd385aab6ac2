"""Resources: predicted against measured memory, and the seconds of all trials."""

import re
from pathlib import Path

import pytest

import scaling
from scaling.report.analysis.accounts import MEANINGS, check_memory, memory_note, time_note, time_spent
from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.figures import FIGURES
from scaling.report.figures.memory_prediction import arm_memory
from scaling.report.tables import TABLES
from scaling.study.records import Record
from tests.support.studies import Truth, describe, failed, simulated_records

TRUTH = Truth(depths=(2, 4), widths=(32, 64), seeds=2)
EVERYTHING = simulated_records(TRUTH)


def analysis_of(records: list[Record]) -> Analysis:
    return analyse(describe(EVERYTHING, TRUTH), records)


def remembering(predicted: list[int], measured: list[int | None]) -> list[Record]:
    """Trials of one arm and seed, one per cell, with known memory in bytes."""
    trials = [record for record in EVERYTHING if record.arm == "attention" and record.seed == 0]
    found = []
    for record, bytes_predicted, bytes_measured in zip(trials, predicted, measured, strict=True):
        assert record.cost
        cost = record.cost.model_copy(
            update={"training_memory_bytes": bytes_predicted, "measured_memory_bytes": bytes_measured}
        )
        found.append(record.model_copy(update={"cost": cost}))
    return found


def test_memory_errors_are_relative_to_what_was_measured() -> None:
    analysis = analysis_of(remembering([110, 198, 300, 400], [100, 200, 300, 400]))

    check = check_memory(analysis)

    assert check is not None
    assert check.errors == pytest.approx([10, -1, 0, 0])
    assert memory_note(analysis) == (
        "The memory of a training step was predicted with a median relative error of 0.5 % and at most +10.0 %"
        " (attention, depth=2 width=32); n = 4 models (a model is a cell and arm)."
    )


def test_an_exact_prediction_names_no_worst_cell() -> None:
    note = memory_note(analysis_of(remembering([100, 200, 300, 400], [100, 200, 300, 400])))

    assert note is not None
    assert "a median relative error of 0.0 % and at most 0.0 %; n = 4 models" in note


def test_models_whose_memory_was_not_measured_are_left_out() -> None:
    check = check_memory(analysis_of(remembering([110, 198, 300, 400], [100, None, None, 400])))

    assert check is not None
    assert check.cells == ["depth=2 width=32", "depth=4 width=64"]


def test_a_study_without_measured_memory_shows_none() -> None:
    analysis = analysis_of(remembering([110, 198, 300, 400], [None] * 4))

    assert memory_note(analysis) is None
    assert arm_memory(analysis) is None
    assert FIGURES["memory_prediction"](analysis) is None


def test_the_memory_figure_has_a_point_per_cell_and_arm() -> None:
    shown = arm_memory(analysis_of(EVERYTHING))

    assert shown is not None
    assert [arm.label for arm in shown.arms] == ["average (4 cells)", "attention (4 cells)"]
    for arm in shown.arms:  # the simulation measures 65 bytes per parameter and predicts 64
        params = (arm.measured - 4e6) / 65
        assert arm.predicted == pytest.approx(64 * params + 4e6)


def test_both_axes_of_the_memory_figure_have_one_range() -> None:
    drawing = FIGURES["memory_prediction"](analysis_of(EVERYTHING))

    assert drawing is not None
    [axes] = drawing.figure.axes
    assert axes.get_xlim() == axes.get_ylim()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_the_seconds_of_all_headings_are_those_of_all_trials() -> None:
    spent = time_spent(EVERYTHING)

    assert spent is not None
    assert spent.trials == 16
    assert spent.paid == pytest.approx(sum(record.wall_seconds or 0 for record in EVERYTHING))
    assert spent.seconds["setup"] == pytest.approx(16 * 0.75)
    assert list(spent.seconds.values()) == sorted(spent.seconds.values(), reverse=True)
    rows = TABLES["time_spent"](analysis_of(EVERYTHING)).rows
    assert sum(row[1] for row in rows) == pytest.approx(spent.paid)
    assert sum(row[2] for row in rows) == pytest.approx(100)


def test_useful_seconds_are_those_of_training_that_did_not_fail() -> None:
    trials = [record.model_copy(update={"seconds": {"setup": 20.0, "training": 60.0}}) for record in EVERYTHING[:2]]
    lost = failed(EVERYTHING[2].model_copy(update={"seconds": {"training": 50.0, "failure": 10.0}}))

    assert time_note(analysis_of(trials)) == ("120 s of 160 s (75 %) went into training, n = 2 trials.")
    assert time_note(analysis_of([*trials, lost])) == (
        "120 s of 220 s (55 %) went into training, n = 3 trials; another 50 s trained trials that then failed."
    )


def test_records_without_seconds_are_not_counted() -> None:
    without = [record.model_copy(update={"seconds": None}) for record in EVERYTHING]

    spent = time_spent([EVERYTHING[0], *without[1:]])
    assert spent is not None
    assert spent.trials == 1
    assert time_note(analysis_of(without)) is None
    assert TABLES["time_spent"](analysis_of(without)).rows == []


def test_every_heading_that_trials_book_under_is_explained() -> None:
    sources = [path.read_text() for path in Path(scaling.__path__[0]).rglob("*.py")]
    booked = {heading for source in sources for heading in re.findall(r"\bwatch\.book\(\"(\w+)\"\)", source)}
    assert booked == set(MEANINGS)
