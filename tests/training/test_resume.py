"""A stopped run resumes as if it had not stopped, even if its last checkpoint is damaged."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import scaling.training.state
from scaling.data import Dataset, load_data
from scaling.models import build_model
from scaling.study.config import DataConfig, Recipe
from scaling.study.notes import Notes
from scaling.study.records import Epoch
from scaling.training.checkpointing import CheckpointWarning
from scaling.training.state import Pace
from scaling.training.train import moving_average
from tests.support import ROOT
from tests.support.training import fit_classifier, timeless

RECIPE = Recipe(epochs=5, batch_size=32, flip=True, crop_padding=1, clip_grad_norm=1.0)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the state of every epoch, however short it is beside the writing."""
    monkeypatch.setattr(scaling.training.state, "WRITING_SHARE", 1e9)


def data() -> Dataset:
    return load_data(DataConfig(train_limit=100))


def model() -> nn.Module:
    arch = {"width": 16, "depth": 2, "patch_size": 2, "drop_path": 0.2, "pooling": "attention"}
    return build_model("patchconvnet", **arch, num_classes=10, in_chans=1, image_size=(8, 8), seed=0)


def epochs(net: nn.Module, folder: Path | None, recipe: Recipe = RECIPE, seed: int = 3) -> list[Epoch]:
    return list(fit_classifier(net, data(), recipe, seed=seed, checkpoints=folder))


def interrupted(folder: Path, after: int, recipe: Recipe = RECIPE) -> None:
    """Train for a few epochs only; the generator is left where it stands."""
    running = fit_classifier(model(), data(), recipe, seed=3, checkpoints=folder)
    for _ in range(after):
        next(running)


def assert_equal_weights(one: nn.Module, other: nn.Module) -> None:
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("optimizer", ["adamw", "lamb", "sgd"])
@pytest.mark.parametrize("after", [1, 4, 5])
def test_a_stopped_run_ends_bitwise_equal_to_a_whole_one(tmp_path: Path, after: int, optimizer: str) -> None:
    recipe = RECIPE.model_copy(update={"optimizer": optimizer})
    whole, resumed = model(), model()
    expected = epochs(whole, None, recipe)

    interrupted(tmp_path, after, recipe)
    curve = epochs(resumed, tmp_path, recipe)

    assert timeless(curve) == timeless(expected)
    assert_equal_weights(whole, resumed)


def test_a_modern_recipe_resumes_with_the_average_of_its_weights(tmp_path: Path) -> None:
    changes = {"rand_augment": 5, "random_erasing": 0.5, "mixup": 0.8, "cutmix": 1, "repeats": 2, "ema_decay": 0.9}
    recipe = RECIPE.model_copy(update=changes)

    def run(folder: Path | None, epochs: int) -> tuple[list[Epoch], nn.Module, nn.Module]:
        net = model()
        average = moving_average(net, recipe)
        assert average
        running = fit_classifier(net, data(), recipe, seed=3, checkpoints=folder, average=average)
        return list(itertools.islice(running, epochs)), net, average.module

    curve, net, average = run(None, 5)
    run(tmp_path, 2)
    again, resumed, resumed_average = run(tmp_path, 5)

    assert timeless(again) == timeless(curve)
    assert_equal_weights(net, resumed)
    assert_equal_weights(average, resumed_average)


def test_a_finished_run_comes_back_at_once_with_its_weights(tmp_path: Path) -> None:
    first, second = model(), model()
    curve = epochs(first, tmp_path)

    again = epochs(second, tmp_path)

    assert again == curve  # times too: they were read, not measured
    assert_equal_weights(first, second)


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    epochs(model(), tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-000004.safetensors",
        "epoch-000005.safetensors",
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


def change_the_header(path: Path) -> None:
    """Another loss in the curve, in a file that is whole otherwise."""
    content = path.read_bytes()
    place = content.index(b"train_loss") + len(b'train_loss\\": ')
    path.write_bytes(content[:place] + (b"7" if content[place : place + 1] != b"7" else b"8") + content[place + 1 :])


@pytest.mark.parametrize("damage", [cut, empty, flip_a_bit, change_the_header])
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    whole, resumed = model(), model()
    expected = epochs(whole, None)
    interrupted(tmp_path, 4)
    damage(tmp_path / "epoch-000004.safetensors")

    with pytest.warns(CheckpointWarning, match=r"epoch-000004\.safetensors is damaged and skipped"):
        curve = epochs(resumed, tmp_path)

    assert timeless(curve) == timeless(expected)
    assert_equal_weights(whole, resumed)


def test_unusable_later_checkpoints_do_not_replace_new_ones(tmp_path: Path) -> None:
    interrupted(tmp_path, 4)
    for path in tmp_path.iterdir():
        empty(path)

    with pytest.warns(CheckpointWarning):
        interrupted(tmp_path, 2)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-000001.safetensors",
        "epoch-000002.safetensors",
    ]
    assert timeless(epochs(model(), tmp_path)) == timeless(epochs(model(), None))


def test_a_run_without_a_whole_checkpoint_starts_anew(tmp_path: Path) -> None:
    interrupted(tmp_path, 1)
    empty(tmp_path / "epoch-000001.safetensors")

    with pytest.warns(CheckpointWarning):
        curve = epochs(model(), tmp_path)

    assert timeless(curve) == timeless(epochs(model(), None))


def test_the_checkpoint_of_another_run_is_not_continued(tmp_path: Path) -> None:
    interrupted(tmp_path, 2)

    with pytest.warns(CheckpointWarning, match="belongs to another run"):
        curve = epochs(model(), tmp_path, seed=4)

    assert timeless(curve) == timeless(epochs(model(), None, seed=4))


PROGRAM = """
import sys, time
from pathlib import Path
import scaling.training.state
from tests.training.test_resume import RECIPE, data, fit_classifier, model
scaling.training.state.WRITING_SHARE = 1e9
for epoch in fit_classifier(model(), data(), RECIPE, seed=3, checkpoints=Path(sys.argv[1])):
    print(epoch.epoch, flush=True)
"""


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
import scaling.training.state
from tests.training.test_resume import RECIPE, data, fit_classifier, model
scaling.training.state.WRITING_SHARE = 1e9
counts = {"left": 3}
def replace(*args):
    counts["left"] -= 1
    if counts["left"] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return before(*args)
before, os.replace = os.replace, replace
list(fit_classifier(model(), data(), RECIPE, seed=3, checkpoints=Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_kill_while_writing_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    root = ROOT
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path)], cwd=root, env=environment, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".epoch-000003*"))) == 1  # written, not renamed yet
    assert max(path.name for path in tmp_path.glob("epoch-*")) == "epoch-000002.safetensors"

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the number of threads changes the order of sums
    try:
        whole, resumed = model(), model()
        expected, curve = epochs(whole, None), epochs(resumed, tmp_path)
    finally:
        torch.set_num_threads(threads)

    assert timeless(curve) == timeless(expected)
    assert_equal_weights(whole, resumed)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"epoch-00000{n}.safetensors" for n in (4, 5)]


def test_a_checkpoint_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where the folder should be")
    notes = Notes()

    curve = list(fit_classifier(model(), data(), RECIPE, seed=3, checkpoints=tmp_path / "file" / "key", notes=notes))

    assert timeless(curve) == timeless(epochs(model(), None))
    assert len({line.partition(":")[0] for line in notes.lines}) == 1
    assert notes.lines[0].startswith("not every epoch was checkpointed: ")


@pytest.mark.slow
def test_a_run_killed_within_an_epoch_resumes_in_another_process(tmp_path: Path) -> None:
    root = ROOT
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for _ in range(2):
        process.stdout.readline()
    time.sleep(0.02)  # into the third epoch
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("epoch-*.safetensors"))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the number of threads changes the order of sums
    try:
        whole, resumed = model(), model()
        expected, curve = epochs(whole, None), epochs(resumed, tmp_path)
    finally:
        torch.set_num_threads(threads)

    assert timeless(curve) == timeless(expected)
    assert_equal_weights(whole, resumed)


def test_checkpoints_are_rare_but_one_is_kept_before_a_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    pace = Pace()
    assert pace.is_due(False)

    pace.written(0.1)
    now[0] += 19.9
    assert not pace.is_due(False)
    assert pace.is_due(True)
    now[0] += 0.2
    assert pace.is_due(False)

    monkeypatch.undo()
    running = fit_classifier(model(), data(), RECIPE, seed=3, checkpoints=tmp_path, until=3)
    for epoch in running:
        if epoch.epoch == 3:
            break
    assert (tmp_path / "epoch-000003.safetensors").exists()
