"""Imports of Ray Tune: the accuracy comes from the right images among all reported metrics."""

import json
from pathlib import Path
from typing import Any

import pytest

from scaling.report.imports.study import what_cannot_be_known
from scaling.study.errors import RecordError
from tests.report.imports.test_tables import found


def experiment(folder: Path, *results: dict[str, Any]) -> Path:
    """A trial per result, with the models a, b, …"""
    for index, result in enumerate(results):
        trial = folder / f"train_{index}"
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps({"model": "ab"[index % 2], "lr": 0.1 * (1 + index // 2)}))
        (trial / "result.json").write_text(json.dumps({**result, "training_iteration": 1}) + "\n")
    return folder


def test_training_accuracy_is_never_taken_for_test_accuracy(tmp_path: Path) -> None:
    result = {
        "train": {"acc": 99.5, "top5": 100.0},
        "val": {"acc": 71.8}, "val_acc": 71.8,
        "test": {"acc": 92.0, "top5": 97.0},
    }  # fmt: skip

    imported = found(f"tune:{experiment(tmp_path / 'ray', result, result)}?arm=model")

    assert imported.rows[0].quantities == {"accuracy": 92.0, "val_accuracy": 71.8, "top5": 97.0}
    assert imported.sets == "both"
    assert "Accuracy is the metric 'test/acc'" in " ".join(imported.notes)


@pytest.mark.parametrize(
    ("result", "accuracy", "val_accuracy", "sets"),
    [
        ({"train": {"acc": 99}, "val": {"acc": 70}}, 70, 70, "one"),
        ({"train": {"acc": 99}, "valid": {"top1": 70, "top5": 90}}, 70, 70, "one"),
        ({"train_loop": {"test_acc": 80}, "validation": {"error": 30}}, 80, 70, "both"),
        ({"acc": 75, "test": {"metrics": {"acc": 80}}, "val": {"acc": 70}}, 80, 70, "both"),
        ({"train": {"acc": 99}, "acc": 75}, 75, None, "one"),
        ({"metrics": {"acc": 75}}, 75, None, "one"),
        ({"test": {"error": 20}, "train": {"error": 1}}, 80, None, "one"),
    ],
)
def test_the_whole_name_of_a_metric_names_its_images(
    tmp_path: Path, result: dict[str, Any], accuracy: float, val_accuracy: float | None, sets: str
) -> None:
    imported = found(f"tune:{experiment(tmp_path / 'ray', result)}")

    known = imported.rows[0].quantities
    assert (known["accuracy"], known.get("val_accuracy"), imported.sets) == (accuracy, val_accuracy, sets)
    assert ("single accuracy" in " ".join(what_cannot_be_known(imported))) == (sets == "one")


def test_training_accuracy_alone_is_refused(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "ray", {"train": {"acc": 99}})

    with pytest.raises(RecordError, match="no metric is known as an accuracy; metrics seen: train/acc"):
        found(f"tune:{folder}")


def test_other_metrics_that_could_be_the_accuracy_are_named(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "ray", {"acc": 75, "test": {"acc": 80}})

    said = " ".join(found(f"tune:{folder}").notes)

    assert "Other possible accuracies: acc; use accuracy=METRIC if 'test/acc' is wrong" in said


def test_a_chosen_error_may_be_of_any_images(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "ray", {"val_error": 30, "test_acc": 80})

    imported = found(f"tune:{folder}?accuracy=val_error")

    assert imported.rows[0].quantities["accuracy"] == 70
    assert imported.sets == "one"


def test_numbers_beyond_floats_are_missing(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "ray", {"test_acc": 80, "params": float("inf"), "macs": 10**400})

    assert found(f"tune:{folder}").rows[0].quantities == {"accuracy": 80}


def trial(folder: Path, name: str, config: dict[str, Any], *results: dict[str, Any], error: str = "") -> None:
    """A trial's folder as Tune writes it."""
    inner = folder / name
    inner.mkdir(parents=True)
    (inner / "params.json").write_text(json.dumps(config))
    (inner / "result.json").write_text("".join(json.dumps(result) + "\n" for result in results))
    if error:
        (inner / "error.txt").write_text(f"Failure # 1\nTraceback\n{error}\n")


def steps(*accuracies: float, done: bool | None = None) -> list[dict[str, Any]]:
    """Results of the iterations 1, 2, …; the last one says whether the trial is done."""
    results: list[dict[str, Any]] = [
        {"test_acc": acc, "training_iteration": at} for at, acc in enumerate(accuracies, 1)
    ]
    if done is not None:
        results[-1]["done"] = done
    return results


def state(folder: Path, layout: str, **statuses: str) -> None:
    """The state of the experiment, as newer and as older versions of Tune write it."""
    trials = [
        {"trial_id": f"id_{name}", "status": status, "relative_logdir": name} for name, status in statuses.items()
    ]
    content = (
        {"trial_data": [[json.dumps(one), "{}"] for one in trials]}
        if layout == "new"
        else {"checkpoints": [json.dumps(one) for one in trials]}
    )
    (folder / "experiment_state-2025-01-02.json").write_text(json.dumps(content))
    (folder / "experiment_state-2025-01-01.json").write_text(json.dumps({"trial_data": []}))


@pytest.mark.parametrize("layout", ["new", "old", "none"])
def test_retried_trials_that_finished_are_finished(tmp_path: Path, layout: str) -> None:
    first = steps(60, 65)
    trial(tmp_path / "exp", "t_0", {"depth": 2}, *first, *steps(61, 66, 70, done=True), error="CUDA out of memory")
    trial(tmp_path / "exp", "t_1", {"depth": 4}, *steps(61, 66, 71, done=True))
    if layout != "none":
        state(tmp_path / "exp", layout, t_0="TERMINATED", t_1="TERMINATED")

    imported = found(f"tune:{tmp_path / 'exp'}")

    assert [(row.status, row.quantities["accuracy"]) for row in imported.rows] == [("finished", 70), ("finished", 71)]
    assert [epoch.val_accuracy for epoch in imported.rows[0].curve] == [61, 66, 70]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("ERROR", "failed"),
        ("RUNNING", "stopped"),
        ("PENDING", "stopped"),
        ("PAUSED", "stopped"),
        ("TERMINATED", "finished"),
    ],
)
def test_the_state_of_the_experiment_decides(tmp_path: Path, word: str, status: str) -> None:
    trial(tmp_path / "exp", "t_0", {"depth": 2}, *steps(60, 65))
    trial(tmp_path / "exp", "t_1", {"depth": 4}, *steps(61, 66))
    state(tmp_path / "exp", "new", t_0="TERMINATED", t_1=word)

    assert [row.status for row in found(f"tune:{tmp_path / 'exp'}").rows] == ["finished", status]


def test_trials_that_a_scheduler_stopped_are_stopped(tmp_path: Path) -> None:
    trial(tmp_path / "exp", "t_0", {"depth": 2, "arm": "a"}, *steps(54, 60, 86))
    trial(tmp_path / "exp", "t_1", {"depth": 2, "arm": "b"}, *steps(54))
    trial(tmp_path / "exp", "t_2", {"depth": 4, "arm": "a"}, *steps(54, 57, done=True))  # by itself

    imported = found(f"tune:{tmp_path / 'exp'}?arm=arm")

    assert [row.status for row in imported.rows] == ["finished", "stopped", "finished"]
    assert imported.rows[1].reason == "stopped after 1 of 3 iterations"
    assert "Trials ended after 1 to 3 iterations." in imported.notes


def test_trials_set_to_fewer_epochs_are_finished(tmp_path: Path) -> None:
    trial(tmp_path / "exp", "t_0", {"num_epochs": 1}, *steps(54))
    trial(tmp_path / "exp", "t_1", {"num_epochs": 3}, *steps(54, 60, 86))

    assert [row.status for row in found(f"tune:{tmp_path / 'exp'}").rows] == ["finished", "finished"]


def test_a_metric_of_every_second_iteration_is_read(tmp_path: Path) -> None:
    results = [{"training_iteration": 1, "test_acc": 60}, {"training_iteration": 2, "loss": 1}]
    trial(
        tmp_path / "exp",
        "t_0",
        {"depth": 2},
        *results,
        {"training_iteration": 3, "test_acc": 62},
        {"training_iteration": 4},
    )

    (row,) = found(f"tune:{tmp_path / 'exp'}").rows

    assert (row.status, row.quantities["accuracy"]) == ("finished", 62)
    assert [epoch.val_accuracy for epoch in row.curve] == [60, 62]


def test_addresses_and_bookkeeping_in_the_config_are_no_axes(tmp_path: Path) -> None:
    for place, (depth, arm) in enumerate([(2, "a"), (2, "b"), (4, "a"), (4, "b")]):
        config = {"depth": depth, "arm": arm, "data": f"<Data object at 0x7f84cb2d{place}f10>", "log_dir": f"l/{place}",
                  "fn": {"call": f"<function f at 0x{place}A>"}, "gpus": 1 + place % 2,
                  "lr": 0.2 + place * 4e-17}  # fmt: skip
        trial(tmp_path / "exp", f"t_{place}", config, *steps(70 + place))

    imported = found(f"tune:{tmp_path / 'exp'}?arm=arm")

    assert imported.axes == ["depth"]
    assert imported.roles == {"score": "test_acc", "arm": "arm (a, b)", "cell": "depth", "seed": "none"}


def test_odd_lines_of_progress_tables_are_noted(tmp_path: Path) -> None:
    texts = ["test_acc,training_iteration\n70,1\ntest_acc,training_iteration\n71,2\n", "70,1\n72,2\n",
             "test_acc,training_iteration\n73,1\n74"]  # fmt: skip
    for place, text in enumerate(texts):
        inner = tmp_path / "exp" / f"t_{place}"
        inner.mkdir(parents=True)
        (inner / "params.json").write_text(json.dumps({"depth": place}))
        (inner / "progress.csv").write_text(text)

    imported = found(f"tune:{tmp_path / 'exp'}")

    assert [(row.cell["depth"], row.status, row.quantities["accuracy"]) for row in imported.rows] == [
        (0, "finished", 71), (2, "finished", 73)
    ]  # fmt: skip
    assert [epoch.val_accuracy for epoch in imported.rows[0].curve] == [70, 71]
    assert "1 line of results torn or unreadable, left out." in imported.notes
    assert "1 trial left out, whose progress.csv has no header: t_1." in imported.notes
