"""Trackers show what happens to trials and never stop a sweep."""

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] # generated code

from scaling.space.design import Design, cells
from scaling.study.config import Trial
from scaling.study.errors import ScalingError
from scaling.study.records import Epoch, Record
from scaling.study.storage import place
from scaling.sweep.run import repair_files
from scaling.sweep.tracking import (
    TRACKERS,
    GuardedTracker,
    StudyInfo,
    Tracker,
    check_names,
    open_trackers,
    that_can_write,
    tracker,
    usual_trackers,
)
from tests.support.queues import finished, space


def new_study(folder: Path, **parts: object) -> tuple[StudyInfo, list[Trial]]:
    asked = space(
        **{"repetitions": 1, "recipe": {"epochs": 3}, "axes": {"depth": [2, 4], "stem": ["hard", "soft"]}, **parts}
    )
    design = Design(asked)
    trials = [design.trial("s", cell, arm, 0) for cell in cells(asked) for arm in asked.arm_values]
    return StudyInfo("s", folder, asked, {}), trials


def epochs(accuracy: float = 30.0) -> list[Epoch]:
    return [
        Epoch(epoch=n, train_loss=2.0 / n, val_loss=1, val_accuracy=accuracy + n, learning_rate=0.1, train_seconds=1)
        for n in (1, 2, 3)
    ]


@pytest.fixture
def added() -> Iterator[None]:
    """Removes the trackers that the test registers."""
    yield
    TRACKERS.forget(__name__)


def journal(folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    return optuna.load_study(study_name="s", storage=storage)


def test_the_journal_keeps_states_and_curves(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    with open_trackers(["optuna"], what) as (mirror,):
        for trial in trials[:4]:
            mirror.started(trial)
            mirror.epoch_ended(trial, epochs()[0])
            mirror.epoch_ended(trial, epochs()[0])  # a resumed trial repeats its earlier epochs
        mirror.ended(trials[0], finished(trials[0], 61.5))
        mirror.ended(trials[1], Record.of(trials[1], status="stopped", reason="its cell was stopped"))
        mirror.ended(trials[2], Record.of(trials[2], status="failed", reason="the roof leaks"))

        seen = journal(tmp_path).trials

    assert [trial.state.name for trial in seen] == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    after = journal(tmp_path).trials[3]  # a clean end leaves nothing running
    assert (after.state.name, after.user_attrs["status"]) == ("FAIL", "interrupted")
    assert seen[0].value == 61.5
    assert seen[2].value is None
    assert all(trial.intermediate_values == {1: 31.0} for trial in seen)
    assert seen[0].params == {"depth": 2, "stem": "hard", "arm": "average", "repetition": 0}
    assert seen[2].user_attrs["reason"] == "the roof leaks"


def test_the_journal_of_a_continued_study_has_every_trial_once(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    with open_trackers(["optuna"], what) as (mirror,):
        mirror.started(trials[0])
        mirror.ended(trials[0], finished(trials[0], 60))
        mirror.started(trials[1])  # and then the sweep was killed
    settled = {trial.key: finished(trial, 55) for trial in (trials[0], trials[2])}  # one ran without the tracker

    with open_trackers(["optuna"], StudyInfo("s", tmp_path, what.space, settled)):
        pass

    states = [(t.user_attrs["key"], t.state.name) for t in journal(tmp_path).trials]
    assert states == [(trials[0].key, "COMPLETE"), (trials[1].key, "FAIL"), (trials[2].key, "COMPLETE")]


def test_a_trial_about_to_start_at_a_kill_has_failed(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    with open_trackers(["optuna"], what) as (mirror,):
        mirror.started(trials[0])
    journal(tmp_path).enqueue_trial({"depth": 4}, user_attrs={"key": trials[1].key})  # and the kill came here

    with open_trackers(["optuna"], what) as (mirror,):
        mirror.started(trials[1])
        mirror.ended(trials[1], finished(trials[1], 60))

    states = [(t.user_attrs["key"], t.state.name) for t in journal(tmp_path).trials]
    assert states == [(trials[0].key, "FAIL"), (trials[1].key, "FAIL"), (trials[1].key, "COMPLETE")]


def test_a_diverged_trial_is_in_the_journal_once(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    record = Record.of(trials[0], status="diverged", reason="the loss was nan at step 3")
    for _ in range(3):
        with open_trackers(["optuna"], StudyInfo("s", tmp_path, what.space, {record.key: record})):
            pass
    assert [t.state.name for t in journal(tmp_path).trials] == ["FAIL"]


def test_a_torn_or_locked_journal_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what, trials = new_study(tmp_path)
    with open_trackers(["optuna"], what) as (mirror,):
        for trial in trials[:2]:
            mirror.started(trial)
            mirror.ended(trial, finished(trial, 60))
    whole = (tmp_path / "optuna.journal").read_bytes()
    settled = {trial.key: finished(trial, 60) for trial in trials[:2]}
    monkeypatch.chdir(tmp_path)  # a relative folder, as a user names one

    for cut in [0, 1, *range(17, len(whole), 83), len(whole) - 1]:
        Path("optuna.journal").write_bytes(whole[:cut])
        Path("optuna.journal.lock").symlink_to("optuna.journal")
        with open_trackers(["optuna"], StudyInfo("s", Path("."), what.space, settled)) as (mirror,):
            mirror.started(trials[2])
            mirror.ended(trials[2], finished(trials[2], 61))
        complete = [t.user_attrs["key"] for t in journal(tmp_path).trials if t.state.name == "COMPLETE"]
        assert sorted(complete) == sorted(t.key for t in trials[:3]), cut


def test_a_torn_journal_of_a_complete_study_is_repaired(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    settled = {trial.key: finished(trial, 60) for trial in trials}
    with open_trackers(["optuna"], StudyInfo("s", tmp_path, what.space, settled)):
        pass
    file = tmp_path / "optuna.journal"
    file.write_bytes(file.read_bytes()[:-300])

    repair_files(SimpleNamespace(study="s", folder=tmp_path, space=what.space), settled, ["optuna"])  # pyright: ignore

    assert sorted(t.user_attrs["key"] for t in journal(tmp_path).trials) == sorted(settled)


def test_a_damaged_journal_is_written_again(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    settled = {trial.key: finished(trial, 60) for trial in trials}
    with open_trackers(["optuna"], StudyInfo("s", tmp_path, what.space, settled)):
        pass
    lines = (tmp_path / "optuna.journal").read_bytes().splitlines(keepends=True)
    for damage in (b"\xff\x00 no json\n", b"[]\n", b'{"op_code": 99}\n'):
        (tmp_path / "optuna.journal").write_bytes(b"".join([lines[0], damage, *lines[1:]]))
        with open_trackers(["optuna"], StudyInfo("s", tmp_path, what.space, settled)):
            pass
        assert [t.user_attrs["key"] for t in journal(tmp_path).trials] == [t.key for t in trials]


@pytest.mark.usefixtures("added")
def test_a_tracker_that_cannot_start_does_not_stop_the_sweep(tmp_path: Path) -> None:
    @tracker("broken")
    def broken(study: StudyInfo) -> Tracker:
        raise RuntimeError("the server is down")

    what, trials = new_study(tmp_path)
    expected = pytest.warns(UserWarning, match="--track broken stopped: RuntimeError: the server is down; the sweep")
    with expected, open_trackers(["broken"], what) as (opened,):
        opened.started(trials[0])


def test_a_journal_whose_axes_have_grown_is_written_again(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    settled = {trial.key: finished(trial, 55) for trial in trials}
    with open_trackers(["optuna"], StudyInfo("s", tmp_path, what.space, settled)):
        pass
    larger, _ = new_study(tmp_path, axes={"depth": [2, 4, 6], "stem": ["hard", "soft", "none"]})

    with open_trackers(["optuna"], StudyInfo("s", tmp_path, larger.space, settled)):
        pass

    assert len(journal(tmp_path).trials) == len(trials)


def test_a_journal_keeps_trials_of_dropped_arms_and_values(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    settled = {trial.key: finished(trial, 55) for trial in trials}
    with open_trackers(["optuna"], StudyInfo("s", tmp_path, what.space, settled)):
        pass
    smaller, few = new_study(
        tmp_path, axes={"depth": [2], "stem": ["hard", "soft"]}, arms={"pooling": ["average", "max"]}
    )

    with open_trackers(["optuna"], StudyInfo("s", tmp_path, smaller.space, settled)) as (mirror,):
        mirror.started(few[1])
        mirror.ended(few[1], finished(few[1], 60))

    found = [trial.user_attrs["key"] for trial in journal(tmp_path).trials]
    assert found == [*(trial.key for trial in trials), few[1].key]


def test_tensorboard_gets_the_curve_and_the_final_scores(tmp_path: Path) -> None:
    what, trials = new_study(tmp_path)
    with open_trackers(["tensorboard"], what) as (writer,):
        writer.started(trials[0])
        for epoch in [*epochs(), *epochs()[:2]]:
            writer.epoch_ended(trials[0], epoch)
        writer.ended(trials[0], finished(trials[0], 61.5))

    (file,) = (tmp_path / "tensorboard" / "depth=2_stem=hard_average_repetition_0").iterdir()
    values = [(v.tag, e.step, round(v.simple_value, 4)) for e in events(file) for v in e.summary.value]
    assert [v for v in values if v[0] == "val_accuracy"] == [("val_accuracy", n, 30.0 + n) for n in (1, 2, 3)]
    assert ("final/test_accuracy", 3, 61.5) in values


def events(file: Path) -> Iterator[Event]:
    """Events of a TFRecord file: length, its checksum, content, its checksum."""
    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[12 + length + 4 :]


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of the database library that it uses
def test_mlflow_gets_a_run_for_each_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("MLflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    what, trials = new_study(tmp_path)
    with open_trackers(["mlflow"], what) as (tracker,):
        tracker.started(trials[0])
        for epoch in epochs():
            tracker.epoch_ended(trials[0], epoch)
        tracker.ended(trials[0], finished(trials[0], 61.5))

    import mlflow  # pyright: ignore[reportMissingImports]

    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("s").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["final_test_accuracy"] == 61.5
    assert run.data.params["arm"] == "average"


def test_wandb_gets_a_run_for_each_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("wandb") is None:
        pytest.skip("Weights & Biases is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    what, trials = new_study(tmp_path)
    with open_trackers(["wandb"], what) as (tracker,):
        for trial in trials[:2]:
            tracker.started(trial)
            tracker.epoch_ended(trial, epochs()[0])
        for trial in trials[:2]:
            tracker.ended(trial, finished(trial, 61.5))

    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_tool_is_named_with_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(ScalingError, match=f"--track {name}: {name} is not installed; `pip install {name}"):
        check_names(["optuna", name])


def test_an_unknown_tracker_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with (
        pytest.raises(ScalingError, match=r"unknown tracker 'tensorbord'.*tensorboard"),
        open_trackers(["tensorbord"], new_study(tmp_path)[0]),
    ):
        pass


@pytest.mark.usefixtures("added")
def test_a_failing_tracker_warns_once_and_is_not_called_again(tmp_path: Path) -> None:
    class Broken:
        calls = 0

        def started(self, trial: Trial) -> None:
            self.calls += 1
            raise ConnectionError("no route\nto host")

        def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
            self.calls += 1

        def ended(self, trial: Trial, record: Record) -> None:
            self.calls += 1

        def close(self) -> None:
            self.calls += 1

    broken = Broken()
    tracker("broken")(lambda study: broken)
    what, (trial, *_) = new_study(tmp_path)
    guarded = GuardedTracker("broken", what)

    with pytest.warns(
        UserWarning, match="--track broken stopped: ConnectionError: no route to host; the sweep continues"
    ):
        guarded.started(trial)
    guarded.epoch_ended(trial, epochs()[0])
    guarded.close()

    assert broken.calls == 1


def test_trackers_that_write_files_need_a_local_folder(tmp_path: Path) -> None:
    remote = place(f"file://{tmp_path}")

    assert usual_trackers() == ["optuna", "tensorboard"]
    assert that_can_write(["optuna", "mlflow"], tmp_path) == ["optuna", "mlflow"]
    assert that_can_write(["optuna", "mlflow"], remote) == ["mlflow"]
