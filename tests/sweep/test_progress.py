"""Progress counts events, and its estimate follows the work done."""

import pytest
from rich.console import Console

from scaling.console import duration
from scaling.study.config import Recipe, Trial, TrialConfig
from scaling.study.records import Epoch, Record, Scores
from scaling.sweep.display import Display
from scaling.sweep.progress import Progress


def trial(number: int, arm: str = "average") -> Trial:
    config = TrialConfig(family="f", arch={"n": number, "pooling": arm}, recipe=Recipe(epochs=4))
    return Trial(study="s", cell={"n": number}, arm=arm, config=config)


def record(trial: Trial, accuracy: float | None, status: str = "finished") -> Record:
    scores = accuracy and Scores(
        val_accuracy=accuracy, val_loss=1, test_accuracy=accuracy, test_loss=1, val_examples=1, test_examples=1
    )
    left = {"status": status, "scores": scores or None, "reason": None if accuracy else "because", "wall_seconds": 3.0}
    return Record(
        **{"key": trial.key, "study": "s", "cell": trial.cell, "arm": trial.arm, "seed": 0, "config": {}, **left}
    )


def epoch(number: int) -> Epoch:
    return Epoch(epoch=number, train_loss=1.25, val_loss=1, val_accuracy=40, learning_rate=0.1, train_seconds=2)


@pytest.fixture
def trials() -> list[Trial]:
    return [trial(n, arm) for n in range(2) for arm in ("average", "attention")]


@pytest.fixture
def progress(trials: list[Trial]) -> Progress:
    made = Progress(["average", "attention"])
    for t in trials:
        made.planned(t, 100.0)
    return made


def test_the_estimate_is_elapsed_time_over_work_done(
    trials: list[Trial], progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress.started(trials[0])
    progress.started(trials[1])
    assert progress.seconds_left() is None

    now[0] = 10.0
    progress.epoch_ended(trials[0], epoch(2))  # half of a quarter of all work in ten seconds
    assert progress.seconds_left() == pytest.approx(70)

    progress.ended(trials[0], record(trials[0], 50))
    assert progress.seconds_left() == pytest.approx(30)


def test_the_best_of_each_arm_is_chosen_on_validation(trials: list[Trial], progress: Progress) -> None:
    for t, accuracy in zip(trials, (50, 60, 70, 55), strict=True):
        progress.ended(t, record(t, accuracy))

    assert {arm: best.val_accuracy for arm, best in progress.best.items()} == {"average": 70, "attention": 60}
    assert progress.waiting == 0


def test_failures_are_counted_with_their_reasons(trials: list[Trial], progress: Progress) -> None:
    progress.ended(trials[0], record(trials[0], None, "failed"))
    progress.ended(trials[1], record(trials[1], None, "diverged"))

    assert (progress.finished, progress.failed) == (1, 1)
    assert progress.failures == [(trials[0], "because")]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_display_shows_counts_best_trials_and_failures(
    trials: list[Trial], progress: Progress, is_terminal: bool
) -> None:
    console = Console(record=True, force_terminal=is_terminal, width=120, file=open("/dev/null", "w"))  # noqa: SIM115
    with Display(console, progress, "study", ["dashboard  http://127.0.0.1:8265"]) as display:
        progress.started(trials[0])
        progress.epoch_ended(trials[0], epoch(1))
        for t, r in ((trials[1], record(trials[1], 61.5)), (trials[2], record(trials[2], None, "failed"))):
            progress.ended(t, r)
            display.ended(t, r)
        console.print(display.picture())
    console.file.close()

    shown = console.export_text()
    for text in (
        "running  ",
        "1 done",
        "1 running",
        "1 failed",
        "because",
        "61.50 %",
        "n=0 attention repetition 0",
        "1/4",
        "127.0.0.1",
    ):
        assert text in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.2, "8 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text
