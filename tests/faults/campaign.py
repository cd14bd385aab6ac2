"""A campaign of faults: a study runs to its end while disk, clock and workers fail, and must not show it.

    python -m tests.faults.campaign [--seeds 200] [--first 0]

Queue, recorder, storage, checkpoints, lock and Optuna's journal are the real ones; a stand-in trains. Its score
depends on every epoch in order, so that one that is lost or repeated changes the record. After every kill the study
goes on from its folder alone.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import torch

from scaling.space.design import Design, cells
from scaling.space.schema import Space
from scaling.study.config import Trial
from scaling.study.errors import ScalingError, StorageError
from scaling.study.records import Epoch, Record, Scores, read_records, read_study
from scaling.sweep.lease import locked
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Recorder
from scaling.sweep.search.cell_run import Segment
from scaling.sweep.study_folder import tidy
from scaling.sweep.tracking import GuardedTracker, StudyInfo
from scaling.training import checkpointing
from scaling.training.checkpointing import Checkpoint, CheckpointWarning
from tests.faults.disk import Disk, Killed
from tests.support.queues import all_cells, finished, queue, space

EPOCHS = 4
MOST_LIVES = 400  # of one study's sweep; more would mean that it does not get on
DEATH = 0.03  # chance that a worker dies after an epoch
SPACES: list[dict[str, object]] = [
    {"repetitions": 2},
    {"repetitions": 2, "search": {"stop": {"rule": "halving", "first": 1}}},
    {"repetitions": 3, "tune": {"lr": 3}},
]


@dataclass
class Outcome:
    """What a study came to, and what happened on the way."""

    scores: dict[str, float]  # content key → test accuracy, of finished trials
    statuses: dict[str, str]
    faults: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    steps: int = 0  # epochs and file operations


def asked(number: int) -> Space:
    parts = SPACES[number % len(SPACES)]
    return space(axes={"depth": [1, 2], "width": [8, 16]}, recipe={"epochs": EPOCHS}, **parts)


def study_of(wanted: Space, folder: Path, dice: random.Random, chance: float, most_faults: int) -> Outcome:
    """Run a study to its end, its sweep started again after every fault; after `most_faults` nothing fails any more."""
    disk = Disk(folder, dice, chance)
    found = Outcome({}, {})
    while True:
        found.lives += 1
        assert found.lives < MOST_LIVES, "the study does not come to its end"
        if disk.landed.total() + found.faults["worker died"] >= most_faults:
            disk.chance = 0.0
        try:
            with disk.attached():
                is_over = _life(wanted, folder, dice, found, deaths=DEATH if disk.chance else 0.0)
        except Killed:
            disk.lose_what_was_not_synced()
            continue
        except (ScalingError, KeyboardInterrupt):  # it ended with a line; the same command runs again
            continue
        if is_over and not disk.chance:
            break
        disk.chance = disk.chance if not is_over else 0.0
    records = read_records(folder)
    found.scores = {one.key: one.scores.test_accuracy for one in records if one.scores and one.status == "finished"}
    found.statuses = {one.key: one.status for one in records}
    assert len(records) == len(found.statuses), "a trial has two records"
    assert set(read_study(folder).planned) == set(found.statuses), "a planned trial has no record"
    left = [path.name for path in folder.rglob(".*") if path.is_file() and path.name not in (".lock", ".lease")]
    assert not left, f"files were left behind: {left}"
    found.faults += disk.landed
    found.steps += disk.operations
    return found


def _life(wanted: Space, folder: Path, dice: random.Random, found: Outcome, deaths: float) -> bool:
    """One run of the sweep; return whether the study is over."""
    with locked(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        warnings.filterwarnings("ignore", message="--track optuna stopped")
        repeated = {"failed"} if wanted.search.stop is not None else {"failed", "stopped"}
        settled = {one.key: one for one in read_records(folder) if one.status not in repeated}
        tidy(folder, settled)
        before = read_study(folder) if (folder / "study.json").exists() else None
        made = queue(wanted, all_cells(wanted, cells(wanted)), settled)
        plan = SimpleNamespace(
            study="study", folder=folder, design=Design(wanted), cost_table=SimpleNamespace(work=lambda trial: 1.0)
        )
        arms = [str(arm) for arm in wanted.arm_values]
        recorder = Recorder(plan, made, Progress(arms=arms), settled, before)  # pyright: ignore[reportArgumentType]
        with contextlib.redirect_stderr(None):  # a tracker that cannot write says so once
            tracker = GuardedTracker("optuna", StudyInfo("study", folder, wanted, settled))
            recorder.callbacks = [tracker]
            recorder.follow()
            try:
                _train_all(recorder, folder, dice, found, deaths)
            finally:
                if not isinstance(sys.exc_info()[1], Killed):
                    tracker.close()
        if recorder.failure:
            raise recorder.failure
        return made.is_over


def _train_all(recorder: Recorder, folder: Path, dice: random.Random, found: Outcome, deaths: float) -> None:
    """Hand out segments to two workers and let them take turns."""
    working: list[tuple[Segment, Iterator[Epoch | Record | None]]] = []
    made = recorder.queue
    while True:
        while len(working) < 2 and (segment := made.next()) is not None:
            recorder.started(segment.trial)
            working.append((segment, _segment(segment, folder)))
        if not working:
            return
        place = dice.randrange(len(working))
        segment, training = working[place]
        event = next(training)
        found.steps += 1
        if isinstance(event, Epoch):
            recorder.epoch_ended(segment.trial, event)
            if dice.random() < deaths:
                found.faults["worker died"] += 1
                working[place] = segment, _segment(segment, folder)  # it starts again from its checkpoint
            continue
        del working[place]
        if event is None:
            recorder.rested(segment.trial)
        else:
            recorder.ended(segment.trial, event)


def _segment(segment: Segment, folder: Path) -> Iterator[Epoch | Record | None]:
    """Train as a worker does: epochs from the checkpoint on, then a record, or None where the trial rests."""
    trial, last = segment.trial, segment.until or segment.trial.config.recipe.epochs
    place = folder / "checkpoints" / trial.key
    start = checkpointing.load(place, trial.key)
    curve = list(start.curve) if start else []
    state = int(start.modules["model"]["state"]) if start else int(trial.key, 16) % 1_000_003
    yield from curve[:last]
    while len(curve) < last:
        number = len(curve) + 1
        state = (state * 31 + number) % 1_000_003
        curve.append(_epoch(number, state))
        kept = Checkpoint(trial.key, curve, {"model": {"state": torch.tensor(state)}}, {"state": {}})
        with contextlib.suppress(StorageError):  # a full disk does not cost the result
            checkpointing.save(place, kept)
        yield curve[-1]
    if segment.until is not None and last < trial.config.recipe.epochs:
        yield None
        return
    yield _record(trial, curve, state)


def _epoch(number: int, state: int) -> Epoch:
    accuracy = 100 * state / 1_000_003
    return Epoch(
        epoch=number, train_loss=1, val_loss=1, val_accuracy=accuracy, learning_rate=0.1, train_seconds=1,
    )  # fmt: skip


def _record(trial: Trial, curve: Sequence[Epoch], state: int) -> Record:
    score = 100 * state / 1_000_003
    scores = Scores(val_accuracy=score, val_loss=1, test_accuracy=score, test_loss=1, val_examples=9, test_examples=9)
    return finished(trial, score).model_copy(update={"curve": list(curve), "scores": scores})


def run(seed: int, folder: Path) -> Outcome:
    """Run one disturbed study and compare it with the same study undisturbed."""
    wanted, dice = asked(seed), random.Random(seed)
    truth = study_of(wanted, folder / "calm", random.Random(0), 0.0, 0)
    found = study_of(wanted, folder / "faulty", dice, chance=dice.choice([0.002, 0.005, 0.02]), most_faults=40)
    assert found.statuses == truth.statuses, "trials have other ends than undisturbed"
    assert found.scores == truth.scores, "trials have other scores than undisturbed"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    faults, lives, steps, started = Counter[str](), 0, 0, time.monotonic()
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = run(seed, Path(folder))
            except AssertionError as wrong:
                print(f"seed {seed}: {wrong}")
                return 1
        faults, lives, steps = faults + found.faults, lives + found.lives, steps + found.steps
    minutes = (time.monotonic() - started) / 60
    print(f"{options.seeds} studies, {lives} lives, {faults.total()} faults, {steps / minutes:,.0f} steps a minute")
    for kind, count in faults.most_common():
        print(f"  {kind:16} {count:6,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
