"""States that runs of several lengths share are kept until the last of these runs has its record."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from scaling.space.design import Design, cells
from scaling.study.config import Trial
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Recorder
from scaling.training.branches import branch_folder
from tests.support.queues import all_cells, finished, queue, space

BUDGETS = {"recipe.epochs": [5, 10, 20]}
RECIPE = {"schedule": "constant_then_decay"}


def trials(asked_for: dict[str, object], folder: Path) -> tuple[Recorder, list[Trial]]:
    asked = space(axes={"depth": [2], "width": [32]}, arch={"pooling": "average"}, repetitions=1, **asked_for)
    plan = SimpleNamespace(
        study="study", folder=folder, design=Design(asked), cost_table=SimpleNamespace(work=lambda trial: 1.0)
    )
    made = queue(asked, all_cells(asked, cells(asked)))
    arms = [str(arm) for arm in asked.arm_values]
    recorder = Recorder(plan, made, Progress(arms=arms), {}, None)  # pyright: ignore[reportArgumentType]
    recorder.follow()
    found = []
    while (segment := made.next()) is not None:
        found.append(segment.trial)
    return recorder, found


def test_shared_states_go_with_the_last_record(tmp_path: Path) -> None:
    recorder, planned = trials({"arms": BUDGETS, "recipe": RECIPE}, tmp_path)
    folder = tmp_path / "checkpoints" / branch_folder(planned[0].config, tmp_path).name
    folder.mkdir(parents=True)
    (folder / "epoch-000004.safetensors").write_bytes(b"state")

    for trial in planned:
        assert folder.exists()
        recorder.started(trial)
        recorder.ended(trial, finished(trial, 50))

    assert len(planned) == 3
    assert len({trial.config.seed for trial in planned}) == 1
    assert {tuple(trial.budgets) for trial in planned} == {(5, 10, 20)}
    assert not folder.exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"arms": {"pooling": ["average", "attention"]}, "arch": {}, "recipe": RECIPE},
        {"arms": BUDGETS, "recipe": RECIPE, "tune": {"lr": 3}, "repetitions": 2},
    ],
)
def test_trials_of_no_common_constant_part_have_no_budgets(asked: dict[str, object], tmp_path: Path) -> None:
    whole = space(axes={"depth": [2], "width": [32]}, **{"arch": {"pooling": "average"}, **asked})
    design, cell = Design(whole), cells(whole)[0]
    rate = 1e-3 if whole.tune else None

    assert [design.trial("study", cell, arm, 0, rate=rate).budgets for arm in whole.arm_values] == [
        [] for _ in whole.arm_values
    ]
