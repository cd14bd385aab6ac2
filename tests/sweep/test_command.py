"""The sweep end to end, as a user runs it, with real commands and Ray."""

import re
from pathlib import Path

import pytest

from scaling import load_study
from scaling.study.records import read_records
from scaling.sweep import main
from tests.support.sweeps import end, listening, processes, start, tiny_space, wait_for_files

SPACE = tiny_space(repetitions=2, train_limit=300, epochs=2, batch_size=50)
TRIALS = 8
RECORDS = "results/tiny*/records/*.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SPACE)
    return tmp_path


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_sweep_runs_every_trial_once_and_listens_here_alone(folder: Path) -> None:
    process = start(folder)
    wait_for_files(folder, RECORDS, process)
    addresses = listening(processes(process.pid))
    code, output = end(process)

    assert code == 0, output
    assert addresses
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert re.search(r"dashboard +http://127\.0\.0\.1:\d+", output)
    assert f"{TRIALS} of {TRIALS} trials finished" in output
    table = load_study(folder / "results" / "tiny")
    assert len(table) == TRIALS
    assert set(table.status) == {"finished"}
    numbers = ["params", "macs", "activations", "val_accuracy", "test_accuracy", "train_seconds"]
    assert not table[numbers].isna().to_numpy().any()
    assert table.groupby(["cell", "arm"]).repetition.apply(sorted).map(tuple).unique().tolist() == [(0, 1)]
    assert not list((folder / "results" / "tiny").glob("checkpoints/*"))

    before = read_records(folder / "results" / "tiny")
    code, output = end(start(folder))
    assert code == 0
    assert "starting Ray" not in output
    assert read_records(folder / "results" / "tiny") == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--space", "depth_widt"], "did you mean 'depth_width'"),
        (["--space", "missing.yaml"], "unknown space file 'missing.yaml'; did you mean 'tiny.yaml'"),
        (["--space", "tiny.yaml", "--set", "recipe.epoch=3"], "did you mean 'epochs'"),
        (["--space", "tiny.yaml", "--set", "recipe.epochs"], "write KEY=VALUE"),
        (["--space", "tiny.yaml", "--set", "repetitions=[1"], "not valid YAML"),
        (["--space", "tiny.yaml", "--data", "digit"], "did you mean 'digits'"),
        (["--space", "tiny.yaml", "--data", "parquet:nowhere"], "nowhere"),
        (["--space", "tiny.yaml", "--data", "folder:nowhere"], "nowhere"),
        (["--space", "tiny.yaml", "--set", "limits.params=10"], "limits.params: 10 excludes all 2 cells"),
        (["--space", "tiny.yaml", "--samples", "3"], r"more cells than the space has (2)"),
        (["--space", "tiny.yaml", "--samples", "0"], "at least one cell"),
        (["--space", "tiny.yaml", "--track", "optuan"], "did you mean 'optuna'"),
        (["--status", ""], "study.json"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(folder)

    code = main(arguments)

    said = capsys.readouterr().err
    assert code == 2
    assert expected in said
    assert all(line.startswith("error: ") for line in said.splitlines())
    assert not (folder / "results").exists()


def test_a_dry_run_shows_costs_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "120")

    assert main(["--space", "tiny.yaml", "--dry-run", "--set", "axes.depth=[1, 2, 3]"]) == 0

    shown = capsys.readouterr().out
    assert "3 cells × 2 arms × 2 repetitions = 12 trials" in shown
    assert "MiB" in shown
    assert "device-hours" in shown
    assert not (folder / "results").exists()


def test_a_study_under_other_conditions_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("scaling.sweep.run.run_pending", lambda *arguments: None)
    assert main(["--space", "tiny.yaml", "--name", "mine"]) == 0
    assert main(["--space", "tiny.yaml", "--name", "mine", "--set", "seeds=5"]) == 0

    code = main(["--space", "tiny.yaml", "--name", "mine", "--set", "recipe.epochs=3"])

    assert code == 2
    assert "recipe.epochs is 2 there, 3 here" in capsys.readouterr().err


def test_two_sweeps_of_one_study_do_not_run_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    codes = []

    def again(*arguments: object) -> int:
        codes.append(main(["--space", "tiny.yaml"]))
        return 0

    monkeypatch.setattr("scaling.sweep.__main__.carry_out", again)

    assert main(["--space", "tiny.yaml"]) == 0

    assert codes == [2]
    assert "is being run by another sweep" in capsys.readouterr().err
