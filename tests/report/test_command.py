"""Reports: the command, its files and its messages."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scaling.report import main
from scaling.report.analysis.analysis import analyse
from scaling.report.figures import FIGURES
from scaling.report.references import known_references, read_references
from scaling.report.tables import TABLES
from scaling.report.write import write_report
from scaling.study.records import Record
from tests.support import ROOT
from tests.support.studies import REPORTED, Truth, describe, simulated_records, write_simulation

TRUTH = REPORTED
EVERYTHING = simulated_records(TRUTH)


def write(folder: Path, records: list[Record], truth: Truth = TRUTH) -> Path:
    return write_simulation(folder, records, describe(simulated_records(truth), truth, folder.name))


def test_a_report_is_a_page_with_figures_and_tables(reported: Path) -> None:
    files = {str(path.relative_to(reported)) for path in reported.rglob("*") if path.is_file()}

    analysis = analyse(describe(EVERYTHING, TRUTH), EVERYTHING)
    drawn = [name for name in FIGURES if FIGURES[name](analysis) is not None]
    figures = {f"figures/{name}.{kind}" for name in drawn for kind in ("png", "svg", "pdf")}
    tables = {f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "md", "tex")}
    assert files == {"index.html", "space.yaml", "verdict.json", *figures, *tables}


@pytest.mark.slow
def test_the_command_prints_the_verdict_and_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "results" / "pools", EVERYTHING)
    monkeypatch.chdir(tmp_path)

    assert main(["pools"]) == 0

    verdict, page = capsys.readouterr().out.splitlines()[-2:]
    assert "attention pooling" in verdict
    assert "96 % interval" in verdict
    assert page == str(Path("reports/pools/index.html"))
    assert Path(page).is_file()


@pytest.mark.slow
def test_equal_records_give_equal_files_in_place_of_old_ones(tmp_path: Path) -> None:
    study = write(tmp_path / "results" / "pools", EVERYTHING)

    def files() -> dict[str, bytes]:
        write_report(study, tmp_path / "reports")
        report = tmp_path / "reports" / "pools"
        return {str(path.relative_to(report)): path.read_bytes() for path in report.rglob("*") if path.is_file()}

    once, again = files(), files()
    assert once == again
    (tmp_path / "reports" / "pools" / "figures" / "mine.png").write_bytes(b"mine")
    for record in (study / "records").iterdir():
        record.unlink()
    assert [name for name in files() if name.startswith("figures/")] == ["figures/mine.png"]


def test_tables_hold_the_numbers_of_the_records(reported: Path) -> None:
    with (reported / "tables" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))

    stored = {record.key: record.scores.test_accuracy for record in EVERYTHING if record.scores}
    assert {row["key"]: float(row["test_accuracy"]) for row in rows} == pytest.approx(stored)
    markdown = (reported / "tables" / "differences.md").read_text()
    assert markdown.count("\n| depth=") == 4


def test_the_written_space_is_that_of_the_study(reported: Path) -> None:
    space = yaml.safe_load((reported / "space.yaml").read_text())

    assert space["axes"] == {"depth": [2, 4], "width": [32, 64]}
    assert space["arms"] == {"pooling": ["average", "attention"]}


def test_an_unknown_study_is_one_line_with_what_was_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "depth_width", [])

    assert main(["depth_widht", "--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 2

    error = capsys.readouterr().err
    assert error.startswith("error: unknown study 'depth_widht'; did you mean 'depth_width'? (known: depth_width)")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_any_study_the_command_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(tmp_path / "none")]) == 2

    assert "run `python -m scaling.sweep` first" in capsys.readouterr().err


def test_a_damaged_study_does_not_stop_the_other_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "results" / "good", [])
    bad = write(tmp_path / "results" / "bad", EVERYTHING[:1])
    (bad / "study.json").write_text("{")

    assert main(["--results", str(tmp_path / "results"), "--out", str(tmp_path / "reports")]) == 2

    captured = capsys.readouterr()
    assert "cannot be read" in captured.err
    assert (tmp_path / "reports" / "good" / "index.html").is_file()
    assert not (tmp_path / "reports" / "bad").exists()


@pytest.mark.parametrize("name", known_references())
def test_every_published_series_names_its_source_and_gives_plausible_costs(name: str) -> None:
    series = read_references(name)

    assert series.citation
    for point in series.points:
        assert point.source
        assert point.params
        assert point.macs
        assert 0.5 < point.macs / point.params < 1000  # nearly every weight is used at least once


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--reference", "patchconvnett"], "did you mean 'patchconvnet'?"),
        (["--baseline", "nothing"], "unknown study 'nothing'"),
        (["--name", "x"], "--name, --arm and --arms need --import"),
    ],
)
def test_an_option_that_means_nothing_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    write(tmp_path / "pools", [])

    assert main(["pools", "--results", str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("margin", ["0", "-1", "x"])
def test_a_margin_that_is_none_is_refused(margin: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--margin", margin])

    assert exit_info.value.code == 2
    assert "--margin" in capsys.readouterr().err


@pytest.mark.slow
def test_reporting_loads_neither_torch_nor_ray(tmp_path: Path) -> None:
    write(tmp_path / "results" / "pools", EVERYTHING)
    program = (
        "import sys; from scaling.report import main; assert main(['pools']) == 0;"
        "print(sorted({'torch', 'ray', 'torchvision', 'timm', 'optuna', 'fvcore'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "[]"
