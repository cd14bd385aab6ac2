"""Additions: a metric, figure, table, caveat or importer in one new file is found by the command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.page_reader import Page, data_of
from tests.support.studies import Truth, describe, simulated_records, write_simulation

pytestmark = pytest.mark.slow  # one report of a fresh interpreter

FILES = {
    "study.metrics": """
from scaling.study.metrics import metric

@metric("parameters per MAC", label="Parameters per MAC", unit="ratio", direction="lower", role="cost",
        fields=("params", "macs"))
def density(trials):
    \"\"\"Parameters divided by MACs.\"\"\"
    return trials["params"] / trials["macs"]

@metric("half accuracy", label="Half accuracy (%)", unit="%", direction="higher", role="score", fields="test_accuracy")
def half_accuracy(trials):
    \"\"\"Half of the accuracy.\"\"\"
    return trials["test_accuracy"] / 2
""",
    "report.figures": """
from matplotlib.figure import Figure
from scaling.report.figures import Text, figure
from scaling.report.figures.drawing import Drawing

@figure()
def count_of_cells(analysis):
    \"\"\"How many cells there are.\"\"\"
    paper = Figure()
    paper.text(0.5, 0.5, f"{len(analysis.cells)} cells")
    return Drawing(Text("Cells counted", "All of them.", "A number."), paper)
""",
    "report.tables": """
from scaling.report.tables import Column, Table, table

@table
def count_of_arms(analysis):
    \"\"\"How many arms there are.\"\"\"
    return Table("Arms counted", "All of them.", [Column("arms", "arms", str)], [[len(analysis.arms)]])
""",
    "report.caveats": """
from scaling.report.caveats import caveat

@caveat()
def simulated(analysis):
    \"\"\"The study is simulated.\"\"\"
    return "The trials are simulated."
""",
    "report.imports": """
from scaling.report.imports import Imported, Row, importer

@importer("lines", argument="FILE")
def read_lines(request):
    \"\"\"One accuracy per line.\"\"\"
    request.refuse_options(())
    lines = request.paths[0].read_text().split()
    rows = [Row({"row": i}, "published", {"accuracy": float(line)}) for i, line in enumerate(lines)]
    return Imported("lines", "What do lines show?", "lines", "source", ["published"], ["row"], rows, [])
""",
}
RUN = """
import importlib, sys
for kind in sys.argv[1].split(","):
    importlib.import_module(f"scaling.{kind}").__path__.append(f"{sys.argv[2]}/{kind}")
from scaling.report.__main__ import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report that was written with a file of every kind in the folders of the kinds."""
    folder = tmp_path_factory.mktemp("additions")
    for kind, text in FILES.items():
        (folder / kind).mkdir()
        (folder / kind / "an_addition.py").write_text(text)
    truth = Truth(depths=(2, 4, 8, 16), widths=(32, 64), seeds=2)
    records = simulated_records(truth)
    write_simulation(folder / "results" / "pools", records, describe(records, truth, "pools"))
    (folder / "lines.txt").write_text("70\n71\n")
    options = [
        "--import",
        f"lines:{folder / 'lines.txt'}",
        "--results",
        folder / "results",
        "--out",
        folder / "reports",
    ]
    command = [sys.executable, "-c", RUN, ",".join(FILES), str(folder), "pools", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_new_metric_is_an_axis_and_a_column(folder: Path) -> None:
    report = folder / "reports" / "pools"
    header = data_of(Page(report / "index.html"))

    assert "density" in header["costs"]
    assert "half_accuracy" in header["scores"]
    for table in ("trials", "cells", "best"):
        columns = (report / "tables" / f"{table}.csv").read_text().splitlines()[0].split(",")
        assert {"density", "half_accuracy"} <= set(columns)
    assert "parameters per MAC" in (report / "tables" / "equal_cost.csv").read_text()
    assert (report / "figures" / "accuracy_by_density.png").is_file()


def test_a_new_figure_and_table_reach_files_and_page(folder: Path) -> None:
    report = folder / "reports" / "pools"
    text = Page(report / "index.html").text

    assert (report / "figures" / "count_of_cells.svg").is_file()
    assert (report / "tables" / "count_of_arms.csv").read_text() == "arms\n2\n"
    assert "Cells counted" in text
    assert "Arms counted" in text


def test_a_new_caveat_is_on_the_page_and_in_file(folder: Path) -> None:
    report = folder / "reports" / "pools"

    assert "The trials are simulated." in Page(report / "index.html").text
    assert "The trials are simulated." in json.loads((report / "verdict.json").read_text())["caveats"]


def test_a_new_importer_reads_its_format(folder: Path) -> None:
    assert (folder / "reports" / "lines" / "index.html").is_file()
    assert len(list((folder / "results" / "lines" / "records").glob("*.json"))) == 2
