"""A disturbed sweep ends with the trials of an undisturbed one, each exactly once."""

import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from scaling.study.records import Record, read_records
from scaling.study.storage import place
from tests.support.sweeps import end, start, tiny_space, wait_for_files

SPACE = tiny_space(repetitions=1, train_limit=300, epochs=40, batch_size=50) + "keep_weights: none\n"
# In the sweep's own process: the disk is full when one record is written, once
FULL = """\
import sys
if "scaling.sweep" in " ".join(sys.orig_argv):
    import scaling.sweep.recorder as recorder
    from scaling.study.errors import StorageError
    whole, calls = recorder.write_record, []
    def write_record(folder, record):
        calls.append(record.key)
        if len(calls) == 2:
            raise StorageError(f"the record of {record.arm} seed {record.seed} was not saved: No space left on device")
        return whole(folder, record)
    recorder.write_record = write_record
"""
# In the sweep's own process: killed when a record is written and not yet renamed into place
KILLED = """\
import os, signal, sys
if "scaling.sweep" in " ".join(sys.orig_argv):
    before, calls = os.replace, []
    def replace(source, target, **given):
        if "/records/" in str(target):
            calls.append(target)
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        return before(source, target, **given)
    os.replace = replace
"""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SPACE)
    return tmp_path


def assert_whole(records: list[Record], trials: int = 4) -> None:
    """Check that every trial finished once, and every cell in both arms."""
    assert len({record.key for record in records}) == len(records) == trials
    assert {record.status for record in records} == {"finished"}
    assert set(Counter((str(r.cell), r.seed) for r in records).values()) == {2}
    assert all(len(record.curve) == 40 for record in records)


def workers_of(sweep: subprocess.Popen[str]) -> list[int]:
    """Processes that train for this sweep: its descendants that Ray has named `train`."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(re.findall(r"\) \S (\d+)", (entry / "stat").read_text())[0])
                names[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (OSError, IndexError):
                continue  # it ended meanwhile

    def is_ours(pid: int) -> bool:
        while pid > 1:
            if pid == sweep.pid:
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid, name in names.items() if name.startswith("ray::") and ".train" in name and is_ours(pid)]


def test_a_killed_worker_resumes_from_its_checkpoint(folder: Path) -> None:
    process = start(folder, "--track", "")
    wait_for_files(folder, "results/tiny/checkpoints/*/epoch-*", process)
    workers = workers_of(process)
    assert workers
    os.kill(workers[0], signal.SIGKILL)

    code, output = end(process)

    assert code == 0, output
    assert_whole(read_records(folder / "results" / "tiny"))


def test_a_sweep_continues_after_a_full_disk(folder: Path) -> None:
    code, output = end(start(folder, "--track", "", hook=FULL))

    assert code == 2, output
    assert "Traceback" not in output
    assert "error: the record of" in output
    assert "No space left on device" in output
    before = {record.key: record for record in read_records(folder / "results" / "tiny")}
    assert 0 < len(before) < 4

    code, output = end(start(folder, "--track", ""))
    assert code == 0, output
    after = read_records(folder / "results" / "tiny")
    assert_whole(after)
    assert all(record == before[record.key] for record in after if record.key in before)


def test_a_study_killed_while_writing_can_move_and_grow(folder: Path) -> None:
    code, _ = end(start(folder, "--track", "", hook=KILLED))
    assert code == -signal.SIGKILL
    records = folder / "results" / "tiny" / "records"
    assert len(list(records.glob("*.json"))) == 1
    (folder / "elsewhere").mkdir()
    (folder / "results").rename(folder / "elsewhere" / "results")

    code, output = end(start(folder, "--track", "", "--results", "elsewhere/results", "--set", "axes.depth=[1, 2, 3]"))

    assert code == 0, output
    assert "1 of 6 trials are finished; 5 to run" in output
    assert_whole(read_records(folder / "elsewhere" / "results" / "tiny"), trials=6)


def test_sigterm_stops_cleanly_with_results_in_a_store(folder: Path) -> None:
    where = f"file://{folder}/store"
    process = start(folder, "--track", "", "--results", where)
    wait_for_files(folder, "store/tiny/checkpoints/*/epoch-*", process)
    process.terminate()
    code, output = end(process)
    assert code == 130, output
    assert "run the same command again to continue" in output

    code, output = end(start(folder, "--track", "", "--results", where))
    assert code == 0, output
    assert_whole(read_records(place(where) / "tiny"))
