"""A report shows the metrics, figures, tables, caveats and imports of a plugin."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaling.report.__main__ import main as report
from scaling.study import plugins
from tests.support.plugins import SHARE, run, write
from tests.support.studies import Truth, describe, simulated_records, write_simulation

FIGURES = """
from matplotlib.figure import Figure

from scaling import caveat, figure, table
from scaling.report.figures.drawing import Drawing
from scaling.report.figures.text import Text
from scaling.report.tables.table import Column, Table


@figure()
def seconds(analysis):
    times = analysis.finished["wall_seconds"]
    if times.empty:
        return None
    paper = Figure(figsize=(6, 3))
    paper.add_subplot().hist(times, label=f"{len(times)} trials")
    return Drawing(Text("Seconds per trial", f"{len(times)} trials.", "A histogram of seconds."), paper)


@table
def statuses(analysis):
    counts = analysis.table["status"].value_counts()
    columns = [Column("status", "status"), Column("trials", "trials", str)]
    return Table("Statuses", "How many trials ended how.", columns, [[name, int(n)] for name, n in counts.items()])


@caveat()
def of_mine(analysis):
    return "This study was looked at by a plugin."
"""
IMPORTER = """
import json

from scaling import importer
from scaling.report.imports.outcome import Imported, Row


@importer("jsonl", argument="FILE")
def read_jsonl(request):
    request.refuse_options(())
    found = [json.loads(line) for line in request.paths[0].read_text().splitlines()]
    rows = [Row({"depth": one["depth"]}, one["pooling"], {"accuracy": one["accuracy"]}) for one in found]
    arms = list(dict.fromkeys(row.arm for row in rows))
    return Imported("logs", "", str(request.paths[0]), "pooling", arms, ["depth"], rows, [])
"""
TRUTH = Truth(depths=(2, 4), widths=(32,), seeds=2)


def simulated(folder: Path) -> None:
    records = simulated_records(TRUTH)
    write_simulation(folder, records, describe(records, TRUTH))


@pytest.fixture(autouse=True)
def _without_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    plugins.load()


@pytest.mark.slow
def test_a_report_shows_what_a_plugin_adds(tmp_path: Path) -> None:
    simulated(tmp_path / "results" / "simulated")
    first, second = write(tmp_path / "my_numbers.py", SHARE), write(tmp_path / "my_figures.py", FIGURES)
    done = run("scaling.report", "simulated", "--plugin", first, "--plugin", second, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "reports" / "simulated"
    page = (folder / "index.html").read_text()
    assert (folder / "figures" / "seconds.svg").is_file()
    assert "8 trials." in page
    assert "This study was looked at by a plugin." in page
    assert f"--plugin {first} --plugin {second}" in page  # in the command that writes it again
    assert (folder / "tables" / "statuses.csv").read_text() == "status,trials\nfinished,8\n"
    [row, *_] = csv.DictReader((folder / "tables" / "trials.csv").read_text().splitlines())
    assert float(row["mac_share"]) == pytest.approx(100 / 3)


def test_a_report_reads_results_with_an_importer_of_a_plugin(tmp_path: Path) -> None:
    rows = [{"depth": d, "pooling": p, "accuracy": 70 + d} for d in (2, 4) for p in ("average", "max")]
    write(tmp_path / "runs.jsonl", "\n".join(map(json.dumps, rows)))
    plugin = write(tmp_path / "logs.py", IMPORTER)
    assert report(["--plugin", str(plugin), "--import", "jsonl:runs.jsonl", "--name", "logs"]) == 0
    assert (tmp_path / "reports" / "logs" / "index.html").is_file()


@pytest.mark.slow
def test_a_plugin_that_fails_in_a_report_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulated(tmp_path / "results" / "simulated")
    plugin = write(tmp_path / "my_figures.py", FIGURES.replace("times.empty", "times.no_such"))
    assert report(["simulated", "--plugin", str(plugin)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --plugin {plugin} failed: {plugin}, line 13: AttributeError: 'Series' object")
