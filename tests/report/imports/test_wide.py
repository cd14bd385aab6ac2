"""Wide tables, and rows that are no repetitions because a setting differs between them."""

import json
from pathlib import Path

import pytest

from scaling.report import main
from scaling.report.imports import import_study, parse
from scaling.study.errors import RecordError
from scaling.study.records import read_study
from scaling.study.trial_frame import load_study
from tests.report.imports.test_tables import found, table

WIDE = [f"{depth},{seed},{60 + depth + seed / 10},{61 + depth + seed / 10}" for depth in (2, 4) for seed in (0, 1, 2)]


def test_each_named_column_is_an_arm(tmp_path: Path) -> None:
    path = table(tmp_path / "runs.csv", "depth,seed,lp,ep", *WIDE)

    folder, _ = import_study(parse(f"csv:{path}?arms=lp,ep&cell=depth"), tmp_path / "results", "mine")

    study, trials = read_study(folder), load_study(folder)
    assert (study.factor, study.arms, study.axes, len(trials)) == ("arm", ["lp", "ep"], ["depth"], 12)
    assert trials.loc[trials["arm"] == "ep", "test_accuracy"].mean() == pytest.approx(64.1)


def test_the_command_takes_columns_of_arms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "runs.csv", "depth,seed,lp,ep", *WIDE)
    monkeypatch.chdir(tmp_path)

    assert main(["--import", f"csv:{path}?cell=depth", "--arms", "ep,lp"]) == 0

    assert json.loads(Path("reports/runs/verdict.json").read_text())["verdicts"][0]["arm"] == "lp"


def test_wide_errors_and_shares_have_one_unit(tmp_path: Path) -> None:
    errors = found(f"csv:{table(tmp_path / 'a.csv', 'depth,a_err,b_err', '2,30,20')}?arms=a_err,b_err&cell=depth")
    shares = found(f"csv:{table(tmp_path / 'b.csv', 'depth,a,b', '2,0.9,80', '4,70,81')}?arms=a,b&cell=depth")

    assert [row.quantities["accuracy"] for row in errors.rows] == [70, 80]
    assert [row.quantities["accuracy"] for row in shares.rows] == [0.9, 70, 80, 81]  # a network that learned nothing


@pytest.mark.parametrize(
    ("header", "query", "said"),
    [
        ("depth,lp,ep", "arms=lp,epp", "arms: unknown column 'epp'; did you mean 'ep'?"),
        ("depth,lp,ep_err", "arms=lp,ep_err", "ep_err named as errors, the others not"),
        ("arm,lp,ep", "arms=lp,ep", "a column named 'arm' beside the arms"),
        ("depth,lp,ep", "arms=lp,ep&accuracy=lp", "leave out accuracy"),
        ("depth,lp,ep", "arms=lp,ep&cell=dept", "cell: unknown column 'dept'"),
        ("depth,acc,ep", "cell=depth&repeats=lr", "repeats: unknown column 'lr'"),
    ],
)
def test_mistakes_of_wide_tables_are_named(tmp_path: Path, header: str, query: str, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        found(f"csv:{table(tmp_path / 'runs.csv', header, '2,70,71')}?{query}")


ROWS = [
    f"{depth},{arm},{seed},{60 + depth + seed / 7},{lr},{data},{0.1 * seed + 0.01 * depth},run-{depth}{arm}{seed}"
    for depth in (2, 4)
    for arm in ("a", "b")
    for seed, lr, data in ((0, 0.1, "x"), (1, 0.3, "y"))
]
COLUMNS = "depth,arm,seed,test_acc,lr,data,loss,tag"


def test_rows_that_differ_in_settings_are_no_repetitions(tmp_path: Path) -> None:
    path = table(tmp_path / "runs.csv", COLUMNS, *ROWS)

    with pytest.raises(
        RecordError, match=r"runs.csv: rows of the same cell and arm differ in lr and data: add to cell="
    ):
        found(f"csv:{path}?cell=depth")
    assert len({str(row.cell) for row in found(f"csv:{path}?cell=depth,lr&repeats=data").rows}) == 4
    assert {row.seed for row in found(f"csv:{path}?cell=depth&repeats=lr,data").rows} == {0, 1}


def test_entries_of_tunes_config_are_settings_too(tmp_path: Path) -> None:
    for place, (lr, seed) in enumerate([(0.1, 0), (0.2, 1), (0.1, 2)]):
        trial = tmp_path / "exp" / f"train_{place}"
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps({"lr": lr, "seed": seed, "depth": 2, "log_dir": f"logs/{place}"}))
        (trial / "result.json").write_text(json.dumps({"test_acc": 70 + place}) + "\n")

    with pytest.raises(RecordError, match="exp: rows of the same cell and arm differ in lr: add to cell="):
        found(f"tune:{tmp_path / 'exp'}?cell=depth")
    with pytest.raises(RecordError, match="repeats: unknown config entry 'lrr'; did you mean 'lr'"):
        found(f"tune:{tmp_path / 'exp'}?cell=depth&repeats=lrr")
    assert [row.seed for row in found(f"tune:{tmp_path / 'exp'}?cell=depth&repeats=lr").rows] == [0, 1, 2]
