"""What the columns of a table are taken for: axes, arms, scores; and logs with a row an epoch."""

import math
from pathlib import Path

import pytest

from scaling.report.imports import Imported, import_study, parse
from scaling.study.errors import RecordError
from scaling.study.records import read_study
from scaling.study.trial_frame import load_study
from tests.report.imports.test_tables import found, table

CREATED = "Created,gpus,runtime_min,best_test_acc,epoch,step,host,id,name_of_run"


def scores(imported: Imported) -> list[float]:
    return [row.quantities["accuracy"] for row in imported.rows]


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("test_acc,accuracy", ["80,99", ",99.5", "82,99"], [80, 82]),
        ("accuracy,test_acc", ["99,80", "99.5,", "99,82"], [80, 82]),
        ("val_accuracy,accuracy", ["80,99", ",99.5", "82,99"], [80, 82]),  # Keras
        ("val_acc,acc", ["80,99", "81,99.5", "82,99"], [80, 81, 82]),
        ("train_acc,test_acc", ["99,80", "99,", "99,82"], [80, 82]),
        ("test_acc,train_accuracy", ["80,99", ",99", "82,99"], [80, 82]),
        ("top1,eval_top1", ["99,80", "98,", "97,82"], [80, 82]),
        ("test_acc,test_err", ["80,20", ",19", "82,18"], [80, 81, 82]),  # the same images
        ("test_acc,error", ["80,1", ",1", "82,1"], [80, 82]),  # of training
    ],
)
def test_a_gap_is_filled_from_the_same_images_only(
    tmp_path: Path, header: str, rows: list[str], expected: list[float]
) -> None:
    path = table(tmp_path / "a.csv", f"model,{header}", *(f"m{place},{row}" for place, row in enumerate(rows)))

    assert scores(found(f"csv:{path}")) == expected


def test_a_chosen_column_outranks_what_its_name_says(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,val_acc,accuracy", "a,80,99", "b,81,98")

    assert scores(found(f"csv:{path}?accuracy=accuracy")) == [99, 98]
    assert "import with accuracy=accuracy" in " ".join(found(f"csv:{path}").notes)


def test_columns_that_keep_books_are_no_axes(tmp_path: Path) -> None:
    rows = [
        f"{depth},{arm},{seed},2025-01-0{1 + seed},{gpus},3{seed},8{seed},1{seed},{seed},{seed},{seed},{seed},7{depth}"
        for depth in (2, 4)
        for arm, gpus in (("avg", 1), ("att", 2))
        for seed in (0, 1)
    ]
    path = table(tmp_path / "a.csv", f"depth,arm,seed,{CREATED},test_acc", *rows)

    imported = found(f"csv:{path}")

    assert (imported.axes, len(imported.rows)) == (["depth"], 8)
    assert found(f"csv:{path}?cell=depth,gpus").axes == ["depth", "gpus"]


def test_a_number_that_follows_from_the_arm_is_no_axis(tmp_path: Path) -> None:
    rows = [f"{depth},{arm},{heads},{70 + depth}" for depth in (2, 4) for arm, heads in (("avg", 1), ("att", 8))]

    assert found(f"csv:{table(tmp_path / 'a.csv', 'depth,arm,heads,acc', *rows)}").axes == ["depth"]


def test_a_setting_that_goes_with_the_arm_is_said(tmp_path: Path) -> None:
    rows = [
        f"{depth},{arm},{rate},{optimizer},{70 + depth}"
        for depth in (2, 4)
        for arm, rate, optimizer in (("avg", 0.1, "sgd"), ("att", 0.01, "sgd"))
    ]
    notes = found(f"csv:{table(tmp_path / 'a.csv', 'depth,arm,lr,optimizer,acc', *rows)}").notes

    assert [note for note in notes if "goes with the arm" in note] == [
        "lr goes with the arm (avg 0.1, att 0.01), so a difference between arms may be one of lr."
    ]


def test_a_chart_of_runs_is_told_from_their_table(tmp_path: Path) -> None:
    head = '"Step","run-1 - val_acc","run-1 - val_acc__MIN","run-1 - val_acc__MAX"'
    with pytest.raises(RecordError, match="a chart of W&B, with a column for each run: download the table of runs"):
        found(f"csv:{table(tmp_path / 'a.csv', head, '0,1,1,1', '1,2,2,2')}")


def test_one_setting_for_all_rows_is_their_cell(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "depth,arm,best_acc,acc,epoch", "4,avg,82,80,10", "4,att,83,81,10")

    assert [row.cell for row in found(f"csv:{path}").rows] == [{"depth": 4}, {"depth": 4}]


def test_names_that_differ_in_case_or_blanks_are_one(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "model,arm,acc", "R18,Avg,80", "r18 ,avg ,81", "r34,AVG,82", "r34,caf\u00e9,83",
        "r18,cafe\u0301,84", "r34,global  avg,1", "r18,Global avg,2",
    )  # fmt: skip

    imported, chosen = found(f"csv:{path}"), found(f"csv:{path}", "arm=AVG,caf\u00e9")

    assert imported.arms == ["Avg", "caf\u00e9", "global  avg"]
    assert {row.cell["model"] for row in imported.rows} == {"r18", "r34"}
    assert "'Avg', 'avg' and 'AVG'" in " ".join(imported.notes)
    assert len(chosen.rows) == 5


def test_both_spellings_are_kept_if_both_are_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,arm,acc", "a,Avg,80", "a,avg,81")

    assert found(f"csv:{path}", "arm=avg,Avg").arms == ["avg", "Avg"]


def test_numbers_equal_to_twelve_digits_are_equal(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "lr,arm,acc", "0.2,avg,80", "0.20000000000000004,att,81")

    assert [row.cell for row in found(f"csv:{path}?cell=lr").rows] == [{"lr": 0.2}, {"lr": 0.2}]


LOG = [
    f"{depth},{arm},{epoch},{50 + depth + epoch},{1 / epoch},{0.1 / epoch}"
    for epoch in (1, 2, 3)
    for depth in (2, 4)
    for arm in ("avg", "att")
]


@pytest.mark.parametrize("order", ["by epoch", "by run"])
def test_a_row_an_epoch_is_a_curve_with_one_result(tmp_path: Path, order: str) -> None:
    rows = LOG if order == "by epoch" else sorted(LOG)
    path = table(tmp_path / "log.csv", "depth,arm,epoch,val_acc,train_loss,lr", *rows)

    folder, notes = import_study(parse(f"csv:{path}"), tmp_path / "results")

    trials = load_study(folder)
    assert (read_study(folder).repetitions, sorted(trials["test_accuracy"])) == (1, [55, 55, 57, 57])
    first = found(f"csv:{path}").rows[0].curve
    assert [(epoch.epoch, epoch.val_accuracy, epoch.learning_rate) for epoch in first] == [
        (1, 53, 0.1), (2, 54, 0.05), (3, 55, 0.1 / 3)
    ]  # fmt: skip
    assert "12 rows of a log by 'epoch' of 4 runs" in " ".join(notes)


def test_epochs_that_start_again_are_another_run(tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", "model,epoch,acc", "a,0,50", "a,1,60", "a,0,51", "a,1,61", "a,2,62")

    imported = found(f"csv:{path}")

    assert scores(imported) == [60, 62]
    assert "at epoch 1 to 2" in " ".join(imported.notes)


def test_a_resumed_run_counts_its_later_rows(tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", "model,seed,epoch,acc", "a,0,1,50", "a,0,2,60", "a,0,2,61", "a,0,3,62")

    (row,) = found(f"csv:{path}").rows

    assert [epoch.val_accuracy for epoch in row.curve] == [50, 61, 62]


def test_repetitions_with_their_best_epoch_are_no_log(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,epoch,acc", "a,17,50", "a,25,60", "b,12,51", "b,31,61")

    imported = found(f"csv:{path}")

    assert scores(imported) == [50, 60, 51, 61]
    assert not any(row.curve for row in imported.rows)


def test_what_was_taken_is_said_before_the_verdict(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "depth,arm,seed,test_acc,val_acc,params", "4,avg,0,80,81,11.7M", "4,att,0,81,82,12M"
    )

    folder, notes = import_study(parse(f"csv:{path}"), tmp_path / "results")

    line = (
        "Taken as score: test_acc | validation: val_acc | arm: arm (avg, att) | cell: depth | seed: seed |"
        " costs: params params"
    )
    assert notes[1] == line
    assert f"{line}." in (read_study(folder).imported or [])


def test_settings_that_differ_are_asked_about_whatever_else_does(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,arm,gpus,batch_size,acc", "a,x,1,64,80", "a,x,2,128,81", "a,y,1,64,82")

    with pytest.raises(RecordError, match="differ in batch_size: add"):
        found(f"csv:{path}")


def test_empty_losses_of_a_curve_are_missing(tmp_path: Path) -> None:
    (row,) = found(f"csv:{table(tmp_path / 'log.csv', 'model,epoch,acc', 'a,1,50', 'a,2,60')}").rows

    assert all(math.isnan(epoch.train_loss) and math.isnan(epoch.learning_rate) for epoch in row.curve)


def test_names_of_runs_are_no_cells(tmp_path: Path) -> None:
    rows = ["run-a,2,avg,70", "run-b,2,att,71", "run-c,4,avg,72", "run-d,4,att,73"]

    assert found(f"csv:{table(tmp_path / 'a.csv', 'Name,depth,arm,acc', *rows)}").axes == ["depth"]
    assert found(f"csv:{table(tmp_path / 'b.csv', 'Name,arch,arm,acc', *rows)}").axes == ["arch"]


def test_an_empty_column_of_seeds_names_no_seed(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,arm,seed,acc", "r18,avg,,70", "r18,avg,,71")

    assert [row.seed for row in found(f"csv:{path}").rows] == [0, 1]
