"""Several real processes train one network as one process does, even if some die or fail."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from scaling.data.batches import UnreadableImageWarning
from scaling.study.records import Record
from scaling.training.workers import SingleWorker
from tests.support.workers import (
    NETWORKS,
    TRIALS,
    damaged_photographs,
    decoded,
    gradients,
    launch,
    photographs,
    run,
    unreadable,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("parallel")]  # one process starts the workers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workers went through everything; in a first life the second one was killed."""
    place = tmp_path_factory.mktemp("workers")
    photographs(place / "photographs")
    damaged_photographs(place / "damaged")
    lost = launch(place, "killed")
    assert lost[1] == -9
    assert lost[0] != 0
    assert not (place / "killed-0.pt").exists()
    everything = [*(f"gradients of {name}" for name in NETWORKS), "gathered", "modern", "parts", "batch norm"]
    assert launch(place, *everything, "resumed", "memory", "decoded", "unreadable", "broken") == [0, 0]
    assert launch(place, "too many") == [0, 0]
    return place


def seen(folder: Path, name: str, rank: int = 0) -> Any:
    return torch.load(folder / f"{name}-{rank}.pt")


def record_of(folder: Path, name: str, rank: int = 0) -> Record:
    kind, text = seen(folder, name, rank)[-1]
    assert kind == "Record"
    return Record.model_validate_json(text)


def alone(name: str, folder: Path) -> Record:
    (*_, record) = run(name, folder, SingleWorker())
    return record


def assert_same(record: Record, expected: Record) -> None:
    """All but times, places and the last digits."""
    assert record.status == expected.status == "finished", record.reason
    assert record.key == expected.key
    assert len(record.curve) == len(expected.curve)
    for one, other in zip(record.curve, expected.curve, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-3)
        assert one.learning_rate == other.learning_rate
    assert record.scores
    assert expected.scores
    for field, value in record.scores.model_dump().items():
        other = getattr(expected.scores, field)
        assert value == (pytest.approx(other, rel=1e-3) if isinstance(other, float) else other), field


def weights(folder: Path, record: Record) -> dict[str, torch.Tensor]:
    return load_file(folder / "study" / "weights" / f"{record.key}.safetensors")


@pytest.mark.parametrize("network", list(NETWORKS))
def test_gradients_and_statistics_are_one_workers_to_rounding(folder: Path, network: str) -> None:
    expected = gradients(network, SingleWorker())

    for rank in range(2):
        found = seen(folder, f"gradients of {network}", rank)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("name", ["modern", "batch norm"])
def test_a_whole_trial_is_one_workers_to_rounding(folder: Path, tmp_path: Path, name: str) -> None:
    expected = alone(name, tmp_path)
    record = record_of(folder, name)

    assert_same(record, expected)
    ours, theirs = weights(folder, record), weights(tmp_path, expected)
    assert ours.keys() == theirs.keys()
    for part, value in theirs.items():
        torch.testing.assert_close(ours[part], value, rtol=1e-3, atol=2e-4, msg=lambda m, n=part: f"{n}: {m}")
    assert [kind for kind, _ in seen(folder, name, 1)] == [kind for kind, _ in seen(folder, name)]


def test_parts_of_shares_draw_what_the_whole_batch_does(folder: Path, tmp_path: Path) -> None:
    """Stochastic depth is the same however a batch is taken, though parts of 33 images do not come out even."""
    assert_same(
        record_of(folder, "parts").model_copy(update={"key": TRIALS["modern"].key}), record_of(folder, "modern")
    )


def test_a_trial_whose_worker_was_killed_resumes_from_its_checkpoint(folder: Path, tmp_path: Path) -> None:
    assert_same(record_of(folder, "resumed"), alone("killed", tmp_path))


def test_all_halve_their_parts_if_one_lacks_memory(folder: Path, tmp_path: Path) -> None:
    record = record_of(folder, "memory")

    assert_same(record, alone("memory", tmp_path))
    assert any("micro-batches of 5 from step 1" in note for note in record.notes), record.notes


def test_each_worker_decodes_its_share_and_all_train_on_everything(folder: Path) -> None:
    (*_, expected) = decoded(folder, SingleWorker())

    assert_same(record_of(folder, "decoded"), expected)


def test_the_first_worker_writes_down_why_another_failed(folder: Path) -> None:
    record = record_of(folder, "broken")

    assert record.status == "failed"
    assert record.reason == "WorkerError: worker 1: DataError: the disk is gone"


def test_what_any_worker_cannot_read_is_in_the_record_once(folder: Path) -> None:
    record = record_of(folder, "unreadable")
    with pytest.warns(UnreadableImageWarning):
        (*_, expected) = unreadable(folder, SingleWorker())

    assert_same(record, expected)
    left_out = [note for note in expected.notes if note.startswith("left out: ")]
    assert len(left_out) == 6
    assert sorted(note for note in record.notes if note.startswith("left out: ")) == sorted(left_out)


def test_all_workers_together_have_one_limit_of_unreadable_images(folder: Path) -> None:
    record = record_of(folder, "too many")

    assert record.status == "failed"
    assert "6 images cannot be read, more than data.most_unreadable = 5" in (record.reason or "")


def test_only_the_first_worker_counts_costs(folder: Path) -> None:
    assert record_of(folder, "modern").cost is not None
    assert record_of(folder, "modern", rank=1).cost is None


def test_workers_exchange_what_each_has(folder: Path) -> None:
    for rank in range(2):
        found = seen(folder, "gathered", rank)
        assert found["anyone"] == (True, False)
        assert found["lines"] == ["worker 1"]
        images, labels = found["whole"]
        assert images.tolist() == [[0, 0], [1, 1], [1, 1]]
        assert labels.tolist() == [0, 1, 1]
    first, second = (seen(folder, "gathered", rank) for rank in range(2))
    assert first["share"] + second["share"] == list(range(33))
    assert (len(first["share"]), len(second["share"])) == (16, 17)
    for one, other, count in zip(first["parts"], second["parts"], (0, 1, 5), strict=True):
        assert one + other == list(range(count))
