"""Rows of tables that are no results: unfinished trials, summaries, repeated headers, lines of another length."""

from pathlib import Path

import pytest

from scaling.report.imports import Imported
from scaling.study.errors import RecordError
from tests.report.imports.test_tables import found, table


def scores(imported: Imported) -> list[float]:
    return [row.quantities["accuracy"] for row in imported.rows]


def said(imported: Imported) -> str:
    return " ".join(imported.notes)


@pytest.mark.parametrize(
    ("column", "done", "others"),
    [
        ("State", "finished", ["crashed", "running", "killed", "preempting", "failed"]),  # W&B
        ("state", "TrialState.COMPLETE", ["TrialState.PRUNED", "TrialState.FAIL", "TrialState.RUNNING"]),  # Optuna
        ("state", "COMPLETE", ["WAITING", "PRUNED"]),
        ("Status", "FINISHED", ["FAILED", "KILLED", "SCHEDULED", "RUNNING"]),  # MLflow
        ("status", "TERMINATED", ["ERROR", "PENDING", "PAUSED", ""]),  # Tune
        ("job_state", "COMPLETED", ["TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "CANCELLED"]),  # SLURM
        ("finished", "True", ["False"]),
        ("crashed", "no", ["yes"]),
    ],
)
def test_only_finished_trials_are_results(tmp_path: Path, column: str, done: str, others: list[str]) -> None:
    lines = [f"d{place},avg,{state},{10 + place}" for place, state in enumerate(others)]
    path = table(tmp_path / "runs.csv", f"arch,arm,{column},acc", f"d4,avg,{done},80", f"d4,att,{done},82", *lines)

    imported = found(f"csv:{path}")

    assert scores(imported) == [80, 82]
    assert "rows left out: 1 of trials that are" in said(imported)


def test_an_arm_without_a_finished_trial_is_no_arm(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "arch,arm,state,acc", "d4,avg,finished,80", "d4,att,finished,81", "d4,gem,failed,3"
    )

    assert found(f"csv:{path}").arms == ["avg", "att"]


def test_crashed_trials_do_not_move_the_baseline(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "arch,arm,state,acc",
        "d4,avg,finished,80", "d4,att,finished,81", "d8,avg,crashed,2", "d8,att,finished,83",
    )  # fmt: skip

    assert found(f"csv:{path}").arms == ["avg", "att"]


def test_a_named_column_of_states_is_read_as_named(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "arch,state,how,acc", "d4,finished,done,80", "d4,failed,crashed,81")

    assert found(f"csv:{path}?arm=state&repeats=how").arms == ["finished", "failed"]
    assert scores(found(f"csv:{path}?state=how")) == [80]
    with pytest.raises(RecordError, match="state: unknown column 'hov'; did you mean 'how'"):
        found(f"csv:{path}?state=hov")
    with pytest.raises(RecordError, match="state: 'arch' holds no state that is known"):
        found(f"csv:{path}?state=arch")


def test_a_state_that_is_no_outcome_is_kept(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "arch,state,acc", "d4,texas,80", "d8,ohio,81")

    assert scores(found(f"csv:{path}")) == [80, 81]


def test_a_table_without_a_finished_trial_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "arch,state,acc", "d4,running,80", "d8,crashed,81")

    with pytest.raises(RecordError, match=r"no row that is a result; .*1 of trials that are running"):
        found(f"csv:{path}")


@pytest.mark.parametrize(
    "summary",
    [
        ["mean,,,72", "std,,,1.5"],
        ["Average,avg,,71.5", "Average,att,,72.5", "Std. dev,avg,,1.5"],
        ["r18,avg,mean,71"],
        ["mean,,,72.0"],
        ["median,,,72.0"],
        ["mean,avg,,71.5"],
        ["overall,att,0,72.5"],
    ],
)
def test_rows_that_summarise_others_are_left_out(tmp_path: Path, summary: list[str]) -> None:
    rows = ["r18,avg,0,70", "r18,att,0,71", "r34,avg,0,73", "r34,att,0,74"]
    path = table(tmp_path / "a.csv", "model,arm,seed,top1", *rows, *summary)

    imported = found(f"csv:{path}")

    assert (imported.arms, scores(imported)) == (["avg", "att"], [70, 71, 73, 74])
    assert f"{len(summary)} that summarise others" in said(imported)


@pytest.mark.parametrize("first", ["pooling", "arm", "model"])
def test_poolings_named_like_statistics_are_arms(tmp_path: Path, first: str) -> None:
    path = table(tmp_path / "a.csv", f"{first},depth,top1", "max,2,70", "mean,2,71", "att,2,73", "max,4,75",
                 "mean,4,76", "att,4,79")  # fmt: skip

    imported = found(f"csv:{path}?arm={first}&cell=depth" if first != "model" else f"csv:{path}?cell=model,depth")

    assert scores(imported) == [70, 71, 73, 75, 76, 79]


def test_lines_of_another_length_are_counted(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "model,top1,params", "a,70,11,689,512", "b,71,11900000", "c,72", "d,73,5,,", "e,74,6,x"
    )

    imported = found(f"csv:{path}")

    assert [row.cell["model"] for row in imported.rows] == ["b", "d"]
    assert "2 lines with more cells than columns, 1 line with fewer cells than columns left out" in said(imported)


def test_a_repeated_header_is_no_row(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,arm,top1", "a,avg,70", " model,arm , top1", "a,att,71")

    imported = found(f"csv:{path}")

    assert imported.arms == ["avg", "att"]
    assert "1 line that repeats the header" in said(imported)
