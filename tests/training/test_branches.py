"""Branches: trials of other lengths continue from one constant part, with the result of separate runs."""

from pathlib import Path
from typing import Any

import pytest

import scaling.training.state
import scaling.training.train
from scaling.data import Dataset, load_data
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.study.records import Record
from scaling.training.branches import Branches, branch_folder, constant_epochs, siblings
from scaling.training.workers import SingleWorker
from scaling.trial import run_trial
from tests.support.training import CPU

DATA = DataConfig(train_limit=60)
BUDGETS = [5, 10, 20]
TIMES = {"started", "ended", "wall_seconds", "train_seconds", "seconds", "shared_epochs"}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data(DATA)


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(
        {"epochs": 10, "batch_size": 20, "schedule": "constant_then_decay", "ema_decay": 0.9, **changes}
    )


def trial(epochs: int, budgets: list[int] | None = None, **changes: Any) -> Trial:
    arch = {"depth": 1, "width": 16, "patch_size": 2, "pooling": "average", "drop_path": 0.2}
    config = TrialConfig(family="patchconvnet", arch=arch, data=DATA, recipe=recipe(epochs=epochs, **changes), seed=7)
    given = BUDGETS if budgets is None else budgets
    return Trial(study="s", cell={}, arm=str(epochs), config=config, budgets=given)


def run(one: Trial, data: Dataset, folder: Path | None = None) -> Record:
    *_, record = run_trial(one, data, device=CPU, folder=folder)
    assert isinstance(record, Record)
    assert record.status == "finished", record.reason
    return record


def timeless(record: Record) -> dict[str, Any]:
    content = record.model_dump(exclude=TIMES)
    for epoch in content["curve"]:
        for name in [name for name in epoch if name.endswith("_seconds")]:
            del epoch[name]
    return content


@pytest.mark.parametrize("order", [[20, 10, 5], [5, 10, 20]])
def test_branches_end_as_separate_runs_do(digits: Dataset, tmp_path: Path, order: list[int]) -> None:
    branched = {epochs: run(trial(epochs), digits, tmp_path) for epochs in order}

    for epochs, record in branched.items():
        assert timeless(record) == timeless(run(trial(epochs), digits))
    shared = {20: None, 10: 8, 5: 4} if order[0] == 20 else {5: None, 10: 4, 20: 8}
    assert {epochs: record.shared_epochs for epochs, record in branched.items()} == shared


def test_a_branch_trains_its_own_epochs_alone(digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(trial(20), digits, tmp_path)
    trained: list[int] = []
    plan = scaling.training.train.epoch_plan

    def counted(*args: Any, epoch: int, **more: Any) -> Any:
        trained.append(epoch)
        return plan(*args, epoch=epoch, **more)

    monkeypatch.setattr(scaling.training.train, "epoch_plan", counted)
    record = run(trial(10), digits, tmp_path)

    assert trained == [9, 10]
    assert record.images_seen == 10 * 60  # as much as a run of its own
    assert [epoch.epoch for epoch in record.curve] == list(range(1, 11))


def test_an_interrupted_branch_resumes_exactly(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling.training.state, "WRITING_SHARE", 1e9)
    run(trial(5), digits, tmp_path)
    running = run_trial(trial(10), digits, device=CPU, folder=tmp_path)
    for _ in range(6):
        next(running)
    running.close()

    record = run(trial(10), digits, tmp_path)

    assert timeless(record) == timeless(run(trial(10), digits))
    assert record.shared_epochs == 4


@pytest.mark.parametrize(
    ("both", "other"),
    [
        ({}, {"learning_rate": 1e-3}),
        ({}, {"decay_fraction": 0.9}),  # its constant part is over before that of the first one
        ({"schedule": "cosine"}, {}),
        ({"train_resolution": [4, 8]}, {}),
        ({"warmup_epochs": 3}, {}),  # capped to a fifth of ten epochs
    ],
)
def test_runs_that_differ_before_the_decay_share_nothing(
    digits: Dataset, tmp_path: Path, both: dict[str, Any], other: dict[str, Any]
) -> None:
    run(trial(20, **both), digits, tmp_path)

    assert run(trial(10, **both, **other), digits, tmp_path).shared_epochs is None


def test_a_damaged_state_is_skipped(digits: Dataset, tmp_path: Path) -> None:
    run(trial(20), digits, tmp_path)
    folder = branch_folder(trial(20).config, tmp_path)
    (folder / "epoch-000008.safetensors").write_bytes(b"torn")

    with pytest.warns(match="is damaged and skipped"):
        record = run(trial(10), digits, tmp_path)

    assert record.shared_epochs == 4
    assert timeless(record) == timeless(run(trial(10), digits))


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({}, 8),
        ({"epochs": 5}, 4),
        ({"epochs": 7}, 5),
        ({"decay_fraction": 1.0}, 1),  # the warm-up
        ({"schedule": "cosine"}, 0),
        ({"train_resolution": [4, 8]}, 0),
        ({"train_resolution": [6, 6]}, 8),
    ],
)
def test_constant_epochs_by_hand(changes: dict[str, Any], epochs: int) -> None:
    assert constant_epochs(recipe(**changes)) == epochs


def test_states_are_kept_where_others_can_start(tmp_path: Path) -> None:
    kept = {epochs: getattr(Branches.of(trial(epochs), tmp_path), "kept", None) for epochs in BUDGETS}

    assert kept == {5: {4}, 10: {4, 8}, 20: {4, 8}}
    assert Branches.of(trial(10, budgets=[]), tmp_path) is None
    assert Branches.of(trial(10, budgets=[10]), tmp_path) is None
    assert [config.recipe.epochs for config in siblings(trial(10))] == BUDGETS


def test_several_workers_start_from_no_other_run(tmp_path: Path) -> None:
    class Two(SingleWorker):
        count = 2

    from scaling.training.training_run import TrainingRun

    assert TrainingRun.of(trial(10), CPU, tmp_path, None, Two()).branches is None
    assert TrainingRun.of(trial(10), CPU, tmp_path, None, None).branches is not None
