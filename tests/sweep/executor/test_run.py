"""Trials on real Ray whose workers die at the worst moments."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaling.study.records import read_records
from tests.support.sweeps import tiny_space

KILLS_BETWEEN_TRIALS = """
import os, signal, sys
from pathlib import Path
from scaling.sweep.__main__ import main
from scaling.sweep.recorder import Recorder
from tests.support.sweeps import processes

ended = Recorder.ended

def ended_and_killed(self, trial, record):
    ended(self, trial, record)
    for pid in processes(os.getpid()):
        if pid != os.getpid() and "TrialWorker" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
            print("killed", flush=True)

Recorder.ended = ended_and_killed
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_workers_that_die_between_trials_fail_none(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny_space(repetitions=1, train_limit=100, epochs=1, batch_size=20))
    sweep = subprocess.run(
        [sys.executable, "-c", KILLS_BETWEEN_TRIALS, "--space", "tiny.yaml", "--track", ""],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    output = sweep.stdout + sweep.stderr
    assert sweep.returncode == 0, output
    assert output.count("killed") >= 2
    records = read_records(tmp_path / "results" / "tiny")
    assert [record.status for record in records] == ["finished"] * len(records)
    assert len({record.key for record in records}) == len(records) == 4
