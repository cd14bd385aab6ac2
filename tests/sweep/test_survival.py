"""A disturbed sweep ends with the trials of an undisturbed one, each exactly once."""

import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from scaling.study.records import Record, read_records, read_study
from scaling.study.storage import place
from tests.support.sweeps import end, start, tiny_space, wait_for_files

EPOCHS = 16  # long enough to be disturbed in the middle
SPACE = tiny_space(repetitions=1, train_limit=300, epochs=EPOCHS, batch_size=50) + "keep_weights: none\n"
CHECKPOINTS = "checkpoints/*/epoch-*"
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
            where = f"the record of {record.arm} repetition {record.repetition}"
            raise StorageError(f"{where} was not saved: No space left on device")
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
# In every worker: building the model of the trial KEY fails
BUG = """\
import importlib.util, sys

class Bug:
    def find_spec(self, name, path, target=None):
        if name != "scaling.trial":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        whole = spec.loader.exec_module

        def exec_module(module):
            whole(module)
            build = module.build

            def leaking(trial, data):
                if trial.key == KEY:
                    raise RuntimeError("the roof\\nleaks")
                return build(trial, data)

            module.build = leaking

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Bug())
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
    assert set(Counter((str(r.cell), r.repetition) for r in records).values()) == {2}
    assert all(len(record.curve) == EPOCHS for record in records)


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


def unchanged(before: list[Record], after: list[Record]) -> bool:
    """Whether the records of `before` are among `after` as they were."""
    found = {record.key: record for record in after}
    return all(found.get(record.key) == record for record in before)


def test_a_killed_study_moves_grows_and_outlives_a_killed_worker(folder: Path) -> None:
    code, _ = end(start(folder, "--track", "", hook=KILLED))
    assert code == -signal.SIGKILL
    (folder / "elsewhere").mkdir()
    (folder / "results").rename(folder / "elsewhere" / "results")
    study = folder / "elsewhere" / "results" / "tiny"
    before = read_records(study)
    assert len(before) == 1

    earlier = set(study.glob(CHECKPOINTS))
    process = start(folder, "--track", "", "--results", "elsewhere/results", "--set", "axes.depth=[1, 2, 3]")
    wait_for_files(study, CHECKPOINTS, process, besides=earlier)
    workers = workers_of(process)
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    code, output = end(process)

    assert code == 0, output
    assert "1 of 6 trials are finished; 5 to run" in output
    assert_whole(read_records(study), trials=6)
    assert unchanged(before, read_records(study))


@pytest.mark.timeout(900)  # five sweeps
def test_signals_a_full_disk_and_failures_leave_the_others_whole(folder: Path) -> None:
    where = f"file://{folder}/store"
    study = place(where) / "tiny"
    arguments = ("--track", "", "--results", where)

    for sent in (signal.SIGTERM, signal.SIGINT):
        earlier = set(folder.glob(f"store/tiny/{CHECKPOINTS}"))
        process = start(folder, *arguments)
        wait_for_files(folder, f"store/tiny/{CHECKPOINTS}", process, besides=earlier)
        process.send_signal(sent)
        code, output = end(process)
        assert code == 130, output
        assert "run the same command again to continue" in output
        assert "Traceback" not in output

    code, output = end(start(folder, *arguments, hook=FULL))
    assert code == 2, output
    assert "Traceback" not in output
    assert "error: the record of" in output
    assert "No space left on device" in output
    before = read_records(study)
    assert 0 < len(before) < 4

    left = next(key for key in read_study(study).planned if key not in {record.key for record in before})
    code, output = end(start(folder, *arguments, hook=f"KEY = {left!r}\n{BUG}"))
    assert code == 1, output
    assert re.search(r"failed: depth=\d \w+ repetition 0: RuntimeError: the roof leaks", output), output
    assert "Traceback" not in output
    assert Counter(record.status for record in read_records(study)) == {"finished": 3, "failed": 1}
    assert unchanged(before, read_records(study))

    code, output = end(start(folder, *arguments))
    assert code == 0, output
    assert_whole(read_records(study))
