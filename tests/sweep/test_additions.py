"""A design, a stopping rule and a tracker are each added by one file in its folder, and used by the real command."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import scaling
from tests.support import ROOT

EXAMPLE = ROOT / "tests" / "support" / "records_v1" / "example"
SPACE = """\
family: patchconvnet
arch: {patch_size: 2}
axes: {depth: [1, 2, 3], width: [16, 32]}
arms: {pooling: [average, attention]}
repetitions: 1
data: {source: digits, train_limit: 300}
recipe: {epochs: 4, batch_size: 50}
"""
DESIGN = '''\
from scaling.space.design import cells
from scaling.sweep.search.proposals import Wanted, design


@design(samples=True)
def last_cells(space, feasibility):
    """The last `search.cells` cells of the grid."""
    yield [Wanted(cell, space.repetitions) for cell in feasibility.admit(cells(space)[-space.search.cells :])]
'''
RULE = '''\
from scaling.sweep.search.decisions import CONTINUE, Decision, stopping


@stopping
def deep(stop, result, state):
    """Stop all cells but the shallow ones."""
    return CONTINUE if "depth=1" in result.cell else Decision.stop("it is deep")
'''
TRACKER = '''\
from pathlib import Path

from scaling.sweep.tracking import tracker


@tracker("lines", writes_files=True)
class Lines:
    """Writes a line per trial."""

    def __init__(self, study):
        self.file = Path(study.folder) / "lines.txt"

    def write(self, line):
        with self.file.open("a") as file:
            print(line, file=file)

    def started(self, trial): ...

    def epoch_ended(self, trial, epoch): ...

    def ended(self, trial, record):
        self.write(f"{record.status} {record.arm}")

    def close(self):
        self.write("closed")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the package with the three files, and a space."""
    package = Path(scaling.__file__).parent
    shutil.copytree(package, tmp_path / "copy" / "scaling", ignore=shutil.ignore_patterns("__pycache__"))
    sweep = tmp_path / "copy" / "scaling" / "sweep"
    (sweep / "search" / "designs" / "last.py").write_text(DESIGN)
    (sweep / "search" / "stopping" / "deep.py").write_text(RULE)
    (sweep / "trackers" / "lines.py").write_text(TRACKER)
    (tmp_path / "tiny.yaml").write_text(SPACE)
    return tmp_path


def run(folder: Path, module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "copy"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_a_stopping_rule_in_a_new_file_is_rehearsed(folder: Path) -> None:
    said = run(folder, "scaling.rehearse", str(EXAMPLE))

    assert "deep: stops" in said
    assert "halving: stops" in said


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_study_runs_with_all_three(folder: Path) -> None:
    search = "search={design: last_cells, cells: 5, stop: {rule: deep}}"
    replay = ("--replay", str(EXAMPLE), "--track", "lines")

    said = run(folder, "scaling.sweep", "--space", "tiny.yaml", "--set", search, *replay)

    assert "2 of 10 trials finished, 8 stopped with their cells" in said
    lines = (folder / "results" / "tiny-replay" / "lines.txt").read_text().splitlines()
    assert Counter(lines) == {
        "finished average": 1,
        "finished attention": 1,
        "stopped average": 4,
        "stopped attention": 4,
        "closed": 1,
    }
    assert lines[-1] == "closed"
