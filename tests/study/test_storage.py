"""Results are written whole or not at all, to a path, a shared path or an object store."""

import errno
import json
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scaling.data import load_data
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.study.errors import RecordError, StorageError
from scaling.study.records import Record, read_records, read_study, write_record, write_study
from scaling.study.storage import SCHEMES, RemotePath, Where, place, read_all, remove_tree, write_atomically
from scaling.study.trial_frame import load_study
from scaling.training import checkpointing
from scaling.training.checkpointing import Checkpoint
from scaling.trial import run_trial
from tests.study.test_records import STUDY, record
from tests.support import ROOT


@pytest.fixture(params=["path", *(scheme for scheme in SCHEMES if scheme not in {"s3", "gs"})])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Where]:
    """A folder in each store that needs no network."""
    where = place(str(tmp_path) if request.param == "path" else f"{request.param}://{tmp_path}/results")
    yield where
    remove_tree(where)


def test_what_is_written_reads_back_and_replaces_what_was_there(root: Where) -> None:
    file = root / "a" / "b.json"
    assert not file.exists()
    with pytest.raises(FileNotFoundError):
        file.read_bytes()

    write_atomically(file, b"first")
    write_atomically(file, b"second, and longer")

    assert file.read_bytes() == b"second, and longer"
    assert (file.is_file(), file.parent.is_dir(), file.is_dir(), file.exists()) == (True, True, False, True)
    assert [found.name for found in file.parent.glob("*")] == ["b.json"]


def test_a_glob_finds_what_pathlib_finds(root: Where) -> None:
    for name in ("x/study.json", "y/study.json", "z/other.json", "epoch-2.st", "epoch-1.st", "x/records/k.json"):
        write_atomically(root / name, b"")
    base = len(str(root).split("?")[0])

    def found(pattern: str) -> list[str]:
        return sorted(str(path)[base:].strip("/") for path in root.glob(pattern))

    assert found("*/study.json") == ["x/study.json", "y/study.json"]
    assert found("epoch-*.st") == ["epoch-1.st", "epoch-2.st"]
    assert found("*/records/*.json") == ["x/records/k.json"]
    assert found("none/*") == found("*.none") == []


def test_removing_what_does_not_exist_does_nothing(root: Where) -> None:
    file = root / "a" / "b"
    write_atomically(file, b"x")

    file.unlink()
    file.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        file.unlink()
    remove_tree(root / "a")
    remove_tree(root / "a")

    assert not (root / "a").exists()


def test_a_study_reads_the_same_wherever_it_lives(root: Where) -> None:
    folder = root / "study"
    write_study(folder, STUDY)
    for number in range(40):
        write_record(folder, record(f"k{number:02}", seed=number))

    assert read_study(folder) == STUDY
    assert [r.key for r in read_records(folder)] == [f"k{number:02}" for number in range(40)]
    assert len(load_study(folder)) == 40
    with pytest.raises(RecordError, match=r"is not a study .*: study; run"):
        read_study(root / "none")
    write_atomically(folder / "records" / "k07.json", b"{")
    with pytest.raises(RecordError, match=r"k07\.json cannot be read"):
        read_records(folder)


def test_checkpoints_resume_from_anywhere_and_skip_a_damaged_one(root: Where) -> None:
    folder = root / "checkpoints" / "key"
    for epochs in (1, 2, 3):
        state = {"weight": torch.full((3,), float(epochs)), "steps": torch.tensor(epochs)}
        curve = [*record("a").curve] * epochs
        optimizer = {"state": {0: {"momentum": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
        checkpointing.save(folder, Checkpoint("run", curve, {"model": state}, optimizer))
    newest = folder / "epoch-000003.safetensors"
    assert len(list(folder.glob("*"))) == checkpointing.KEPT

    found = checkpointing.load(folder, "run")
    write_atomically(newest, newest.read_bytes()[:-1])
    with pytest.warns(checkpointing.CheckpointWarning, match="damaged"):
        before = checkpointing.load(folder, "run")

    assert found
    assert found.modules["model"]["weight"].tolist() == [3, 3, 3]
    assert found.optimizer["state"][0]["momentum"].tolist() == [1, 1, 1]
    assert before
    assert before.modules["model"]["steps"].item() == 2


def test_a_remote_path_survives_pickling_and_printing() -> None:
    for text in ("s3://bucket/a/b", "s3://bucket/a?region=eu-west-1&endpoint_override=host:9000", "gs://bucket"):
        where = place(text)

        assert pickle.loads(pickle.dumps(where)) == where  # bytes written here
        assert place(str(where)) == where
        assert isinstance(where, RemotePath)
    inner = place("s3://bucket/a?region=eu-west-1") / "b" / "c.json"
    assert str(inner) == "s3://bucket/a/b/c.json?region=eu-west-1"
    assert (inner.name, inner.stem, str(inner.parent)) == ("c.json", "c", "s3://bucket/a/b?region=eu-west-1")
    assert place("results/x") == Path("results/x")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("S4://bucket", "unknown store 's4'"),
        ("s4://bucket/x", "unknown store 's4'"),
        ("hdfs://node/x", "unknown store 'hdfs'"),
        ("s3:///x", "the bucket is missing"),
        ("s3://KEY:PASSWORD@bucket/x", "no keys in the address"),
        ("s3://bucket/x?secret_key=hidden", "no keys in the address"),
    ],
)
def test_an_invalid_address_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(StorageError, match=says) as refused:
        place(text)

    assert len(refused.value.problems) == 1
    assert not re.search("PASSWORD|hidden", str(refused.value))


def test_a_store_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    where = place(f"file://{tmp_path}/file/inner")

    with pytest.raises(StorageError, match=r"file://.*/inner cannot be written: (Not a directory|File exists)"):
        write_atomically(where, b"x")

    [(_, content)] = read_all([place(f"file://{tmp_path}/none")])
    assert isinstance(content, FileNotFoundError)


WRITE_FOR_EVER = """
import itertools, json, sys
from scaling.study.storage import place, write_atomically
for number in itertools.count():
    write_atomically(place(sys.argv[1]), json.dumps({"number": number, "filling": "x" * 200_000}).encode())
"""


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path, form: str) -> None:
    file = tmp_path / "file.json"
    for delay in (0.02, 0.05, 0.08):
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, form.format(file)])
        while not file.exists():
            assert writer.poll() is None
            time.sleep(0.001)
        time.sleep(delay)
        writer.kill()
        writer.wait()

        assert len(json.loads(file.read_text())["filling"]) == 200_000
        file.unlink()


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "…")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(StorageError, match=r"file\.json cannot be written: No space left on device"):
        write_atomically(tmp_path / "file.json", b"x")

    assert list(tmp_path.iterdir()) == []


FILL = """
import resource, sys
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.data import load_data
from scaling.study.errors import StorageError
from scaling.study.records import read_records, write_record
from scaling.study.storage import place
from tests.study.test_records import record
folder = place(sys.argv[1])
write_record(folder, record("a"))
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    for number in range(1000):
        write_record(folder, record("a", seed=number, reason="x" * 6000))
        write_record(folder, record(f"b{number}", seed=number, reason="x" * 6000))
except StorageError as error:
    print(error)
"""


def fill(folder: str, how: str, *before: str) -> str:
    """Write records until the disk is full; return the message."""
    command = [*before, sys.executable, "-c", FILL, folder, how]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_record_too_large_for_disk_leaves_the_old_one(tmp_path: Path, form: str) -> None:
    said = fill(form.format(tmp_path), "limit")

    assert len(said.splitlines()) == 1
    assert said.startswith("the record of depth=2 average repetition 0 was not saved: ")
    assert "File too large; fix that and run the same command again" in said
    assert read_records(tmp_path) == [record("a")]
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["a.json"]


def test_on_a_full_disk_every_record_is_whole(tmp_path: Path) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=256k none {disk} && "$@"; code=$?; cp -r {disk} {copy}; exit $code'
    private = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*private, f"mount -t tmpfs none {disk}"], capture_output=True).returncode:
        pytest.skip("needs user namespaces, to mount a tiny file system")

    said = fill(str(disk), "full", *private, script, "sh")

    assert "No space left on device; fix that and run the same command again" in said
    assert len(said.splitlines()) == 1
    assert len(read_records(copy)) > 20
    assert all(path.suffix == ".json" for path in (copy / "records").iterdir())


def test_a_trial_resumes_after_its_results_were_moved(root: Where, tmp_path: Path) -> None:
    config = TrialConfig(
        family="patchconvnet", arch={"depth": 1, "width": 16, "patch_size": 2, "pooling": "average"},
        data=DataConfig(source="digits", train_limit=100), recipe=Recipe(epochs=3, batch_size=50), seed=0,
    )  # fmt: skip
    trial = Trial(study="s", cell={"depth": 1}, arm="average", config=config)
    data = load_data(config.data)
    before, after = root / "before", root / "after"

    list(run_trial(trial, data, device=torch.device("cpu"), folder=before, until=2))
    names = [path.name for path in (before / "checkpoints" / trial.key).glob("*")]
    for name in names:
        content = (before / "checkpoints" / trial.key / name).read_bytes()
        assert b"before" not in content
        assert str(tmp_path).encode() not in content
        write_atomically(after / "checkpoints" / trial.key / name, content)
    remove_tree(before)
    *epochs, left = run_trial(trial, data, device=torch.device("cpu"), folder=after)
    *undisturbed, alone = run_trial(trial, data, device=torch.device("cpu"))

    assert len(names) == 2
    assert isinstance(left, Record)
    assert isinstance(alone, Record)
    assert left.status == "finished"
    assert left.scores == alone.scores
    assert [epoch.val_loss for epoch in left.curve] == [epoch.val_loss for epoch in alone.curve]
    assert (len(epochs), len(undisturbed)) == (3, 3)
    assert str(tmp_path) not in left.model_dump_json()
