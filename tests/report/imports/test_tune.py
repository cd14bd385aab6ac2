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
