"""One sweep holds a study; on a store without locks a lease names it, and expires if it is not refreshed."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scaling.study.errors import ScalingError
from scaling.study.storage import Where, place, write_atomically
from scaling.sweep import lease
from scaling.sweep.lease import DEAD, Holder, holder, is_shared, locked


@pytest.fixture(params=["{}", "file://{}"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Where:
    monkeypatch.setattr(lease, "SETTLE", 0.1)
    return place(request.param.format(tmp_path / "study"))


def test_a_study_in_use_is_refused_with_its_holder(folder: Where) -> None:
    assert holder(folder) is None

    with locked(folder):
        found = holder(folder)
        with pytest.raises(ScalingError, match=rf"being run by another sweep \({found}") as refused, locked(folder):
            pass

    assert found is not None
    assert len(refused.value.problems) == 1
    assert holder(folder) is None
    with locked(folder):
        pass


def test_a_killed_sweep_does_not_hold_its_study(folder: Where) -> None:
    code = (
        "import sys, time; from scaling.sweep import lease\n"
        "from scaling.study.storage import place; lease.SETTLE = 0\n"
        "with lease.locked(place(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    sweep = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert sweep.stdout
    assert sweep.stdout.readline() == "held\n"
    with pytest.raises(ScalingError, match=f"process {sweep.pid} on"), locked(folder):
        pass

    sweep.kill()
    sweep.communicate()

    with locked(folder):
        pass


def test_the_lock_outlives_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with locked(folder):
        (folder / ".lock").unlink()
        assert holder(folder) is not None
        with pytest.raises(ScalingError, match="is being run by another sweep"), locked(folder):
            pass
    assert holder(folder) is None
    with locked(folder):
        pass


@pytest.mark.parametrize(("silence", "is_free"), [(DEAD + 5, True), (DEAD - 30, False), (-DEAD - 60, True)])
def test_a_lease_of_another_machine_expires_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silence: float, is_free: bool
) -> None:
    monkeypatch.setattr(lease, "SETTLE", 0)
    folder = place(f"file://{tmp_path}")
    then = time.time() - silence
    theirs = Holder(host="elsewhere", pid=1, token="t", taken=then, refreshed=then)
    write_atomically(folder / ".lease", theirs.model_dump_json().encode())

    if is_free:
        with locked(folder):
            assert holder(folder) != theirs
    else:
        with pytest.raises(ScalingError, match=r"process 1 on elsewhere, last refreshed 9\d s ago.* after 120 s"):
            locked(folder).__enter__()
        assert holder(folder) == theirs


def test_of_sweeps_that_start_at_once_one_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SETTLE", 0.3)
    folder = place(f"file://{tmp_path}")
    both, ran, refused = threading.Barrier(4), [], []

    def sweep() -> None:
        both.wait()
        try:
            with locked(folder):
                ran.append(1)
                time.sleep(0.5)
        except ScalingError:
            refused.append(1)

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(ran), len(refused)) == (1, 3)


LOSES_ITS_LEASE = """\
import sys, time
from scaling.sweep import lease
from scaling.study.errors import ScalingError
from scaling.study.storage import place, write_atomically
from scaling.sweep.lease import Holder, holder, locked

lease.SETTLE, lease.REFRESH = 0, 0.1
folder = place(sys.argv[1])
theirs = Holder(host="elsewhere", pid=1, token="t", taken=time.time(), refreshed=time.time())
try:
    with locked(folder):
        deadline = time.monotonic() + 30
        while holder(folder).refreshed <= holder(folder).taken and time.monotonic() < deadline:
            time.sleep(0.05)
        try:
            while time.monotonic() < deadline:  # a refresh under way may overwrite it
                write_atomically(folder / ".lease", theirs.model_dump_json().encode())
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("interrupted")
except ScalingError as error:
    print(error)
print(holder(folder) == theirs)
"""


def test_a_sweep_that_lost_its_lease_stops(tmp_path: Path) -> None:
    """Runs in its own process, because a late interrupt would stop the tests."""
    done = subprocess.run(
        [sys.executable, "-c", LOSES_ITS_LEASE, f"file://{tmp_path}"], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "interrupted"
    assert "another sweep (process 1 on elsewhere" in said[1]
    assert said[2] == "True"


def test_shared_file_systems_are_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "overlay / overlay rw 0 0\nhost:/x /shared nfs4 rw 0 0\n/dev/sda /shared/local\\040disk ext4 rw 0 0\n"
        "bucket /bucket fuse.gcsfuse rw 0 0\n"
    )

    kinds = {
        folder: is_shared(Path(folder), mounts) for folder in ("/a", "/shared/a", "/shared/local disk/a", "/bucket")
    }

    assert kinds == {"/a": False, "/shared/a": True, "/shared/local disk/a": False, "/bucket": True}
    assert not is_shared(tmp_path, tmp_path / "none")
