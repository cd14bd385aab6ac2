"""Images read from files: each once per epoch, in an order that depends on the seed alone."""

import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from scaling.data import Dataset, StreamSplit, load_data, row_groups, streaming
from scaling.data.batches import BatchIndices, UnreadableImageWarning, batches
from scaling.data.images import Blocks, StreamedImages
from scaling.models import build_model
from scaling.study.config import DataConfig, Recipe
from scaling.study.errors import DataError
from scaling.study.notes import Notes
from scaling.tasks.classification import evaluate
from tests.support.images import number_of, write_numbered_parquet, write_shards
from tests.support.sweeps import processes
from tests.support.training import CPU, ON_CPU, Watched, fit_classifier


def streamed(source: str, memory_gib: float = 1e-9, **settings) -> StreamSplit:
    data = load_data(DataConfig(source=source, image_size=8, memory_gib=memory_gib, **settings))
    assert isinstance(data.train, StreamSplit)
    return data.train


def epoch_of(split: StreamSplit, size: int, seed: int = 0) -> list[BatchIndices]:
    order = split.order(np.random.default_rng(seed))
    return [BatchIndices(order[start : start + size], seed=(seed,)) for start in range(0, len(order), size)]


def numbers(split: StreamSplit, plan: list[BatchIndices]) -> list[int]:
    return [number for pixels, _ in batches(split, plan, CPU) for number in number_of(pixels)]


SOURCES = {
    "parquet": lambda root: f"parquet:{write_numbered_parquet(root, range(300), files=3, rows_per_group=17)}",
    "wds": lambda root: f"wds:{write_shards(root, 300, per_shard=41)}",
}


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SCALING_DATA", str(tmp_path / "cache"))
    return SOURCES[request.param](tmp_path / "images")


def test_every_image_comes_exactly_once_an_epoch(source: str) -> None:
    split = streamed(source)

    served = numbers(split, epoch_of(split, 32))

    assert len(served) == len(set(served)) == len(split) == 216  # 300 · 0.8 · 0.9
    assert set(served) < set(range(300))


def test_labels_follow_their_images(source: str) -> None:
    split = streamed(source)

    for pixels, labels in batches(split, epoch_of(split, 32), CPU):
        assert [number % 2 for number in number_of(pixels)] == labels.tolist()


def test_the_order_depends_on_the_epoch_alone(source: str) -> None:
    split, again = streamed(source), streamed(source)

    first, same, other = (numbers(s, epoch_of(s, 32, seed)) for s, seed in ((split, 1), (again, 1), (split, 2)))

    assert first == same
    assert first != other
    assert sorted(first) == sorted(other)


def test_a_resumed_plan_serves_the_same_batches(source: str) -> None:
    split = streamed(source)
    plan = epoch_of(split, 20)
    whole = [pixels for pixels, _ in batches(split, plan, CPU)]

    for skipped in (1, 7, len(plan) - 1):
        rest = [pixels for pixels, _ in batches(split, iter(plan[skipped:]), CPU)]
        assert all(torch.equal(a, b) for a, b in zip(whole[skipped:], rest, strict=True))


def test_the_number_of_threads_changes_nothing(source: str) -> None:
    split = streamed(source)
    plan = epoch_of(split, 50)

    one, three = (list(streaming.in_threads(split, plan, workers)) for workers in (1, 3))

    assert all(torch.equal(a.images, b.images) for a, b in zip(one, three, strict=True))


@pytest.mark.slow
def test_processes_serve_what_threads_do(source: str) -> None:
    split = streamed(source)
    plan = epoch_of(split, 50)

    threads = list(streaming.in_threads(split, plan, 2))
    processes = list(streaming.in_processes(split, plan, 2, CPU))

    assert [p.batch for p in processes] == plan
    assert all(torch.equal(a.images, b.images) for a, b in zip(threads, processes, strict=True))
    assert list(streaming.in_processes(split, [], 2, CPU)) == []


@pytest.mark.slow
def test_evaluations_keep_their_processes(source: str) -> None:
    split = streamed(source)
    plan = [BatchIndices(np.arange(start, min(start + 50, len(split)))) for start in range(0, len(split), 50)]
    kept, threads = streaming.KeptDecoders(), list(streaming.in_threads(split, plan, 2))
    before, seen = set(processes(os.getpid())), []

    for _ in range(3):
        served = list(kept.of(split, 2, CPU).serve(plan))
        assert all(torch.equal(a.images, b.images) for a, b in zip(threads, served, strict=True))
        seen.append(set(processes(os.getpid())) - before)

    assert len(seen[0]) >= 2
    assert seen[0] == seen[1] == seen[2]


def test_shares_of_a_batch_put_together_are_the_batch(tmp_path: Path) -> None:
    split, step = photographs(tmp_path).train, BatchIndices(np.array([4, 4, *range(30)]), seed=(3,))
    (whole,) = batches(split, [step], CPU)

    shares = [next(batches(split, [step.part(share)], CPU)) for share in (slice(0, 13), slice(13, 32))]

    assert torch.equal(torch.cat([images for images, _ in shares]), whole[0])
    assert torch.equal(torch.cat([labels for _, labels in shares]), whole[1])
    assert not torch.equal(whole[0][0], whole[0][1])  # a repeated image gets another crop


class Laid(StreamedImages):
    """Images stored in blocks of given lengths."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def __len__(self) -> int:
        return sum(self.lengths)

    def open(self, index: int) -> Image.Image:
        raise NotImplementedError

    def place(self, index: int) -> str:
        raise NotImplementedError

    def take(self, indices: np.ndarray) -> "Laid":
        raise NotImplementedError

    def blocks(self) -> Blocks:
        return Blocks(np.repeat(np.arange(len(self.lengths)), self.lengths), np.array(self.lengths, float))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=15), st.integers(1, 60), st.integers(0, 99))
def test_blocks_are_shuffled_within_windows_of_limited_size(lengths: list[int], window: int, seed: int) -> None:
    images = Laid(lengths)
    split = StreamSplit(images, np.zeros(len(images), np.int64), (8, 8, 3), window_bytes=window, most_unreadable=0)

    order = split.order(np.random.default_rng(seed))

    assert sorted(order) == list(range(len(images)))
    assert np.array_equal(order, split.order(np.random.default_rng(seed)))
    block = images.blocks().numbers[order]
    first = {b: int(np.flatnonzero(block == b)[0]) for b in range(len(lengths))}
    last = {b: int(np.flatnonzero(block == b)[-1]) for b in range(len(lengths))}
    for place in range(len(order)):  # blocks that have begun and not ended must be in memory
        open_blocks = [b for b in first if first[b] <= place <= last[b]]
        assert sum(lengths[b] for b in open_blocks) < window + max(lengths)


def test_a_large_window_shuffles_all_images_freely() -> None:
    images = Laid([10] * 20)
    split = StreamSplit(images, np.zeros(200, np.int64), (8, 8, 3), window_bytes=1e9, most_unreadable=0)

    firsts = [int(split.order(np.random.default_rng(seed))[0]) for seed in range(400)]

    assert len(set(firsts)) > 150  # of 200, with 400 draws 173 are expected
    assert np.mean(firsts) == pytest.approx(99.5, abs=12)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=60), st.integers(1, 9))
def test_workers_share_a_batch_without_rest_and_without_overlap(indices: list[int], workers: int) -> None:
    images = Laid([10] * 10)
    split = StreamSplit(images, np.zeros(100, np.int64), (8, 8, 3), window_bytes=50, most_unreadable=0)

    parts = streaming.pieces(BatchIndices(np.array(indices), seed=(1,)), workers, split)

    assert sorted(itertools.chain.from_iterable(part.rows for part in parts)) == list(range(len(indices)))
    assert 1 <= len(parts) <= workers
    for part in parts:
        assert [indices[row] for row in part.rows] == part.indices.tolist()
    in_order = [index // 10 for part in parts for index in part.indices.tolist()]
    assert in_order == sorted(in_order)  # neighbouring pieces share at most one block


def test_a_row_group_is_read_once_and_few_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_numbered_parquet(tmp_path, range(1000), files=4, rows_per_group=20)
    size = pq.read_metadata(folder / "train-00000.parquet").row_group(0).column(0).total_uncompressed_size
    split = streamed(f"parquet:{folder}", memory_gib=8 * 5.5 * size / 2**30)  # windows of five or six of 52 groups
    assert isinstance(split.images, row_groups.RowGroupImages)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # a second thread may lag and read a group again
    groups, read, kept = split.images._groups, [], []
    read_group = groups._read
    monkeypatch.setattr(
        groups, "_read", lambda number: (read.append(number), kept.append(len(groups._kept)), read_group(number))[-1]
    )
    read.clear()

    served = numbers(split, epoch_of(split, 16))

    assert len(set(served)) == 720
    assert set(read) == set(range(52))
    assert len(read) == 52
    assert max(kept) <= 12


def test_a_streamed_data_set_is_pickled_as_names_and_numbers(source: str) -> None:
    split = streamed(source)

    content = pickle.dumps(split)
    copy = pickle.loads(content)

    assert len(content) < 40_000
    assert numbers(copy, epoch_of(copy, 32)) == numbers(split, epoch_of(split, 32))


def test_no_more_is_decoded_ahead_than_allowed(source: str) -> None:
    split = streamed(source)
    taken = []

    def plan():
        for step in epoch_of(split, 4):
            taken.append(step)
            yield step

    stream = batches(split, plan(), CPU)
    next(stream)

    assert len(taken) == streaming.AHEAD_BATCHES[1] + 1
    assert streaming.batches_ahead(split, 4) == streaming.AHEAD_BATCHES[1]
    assert streaming.batches_ahead(split, 10**9) == streaming.AHEAD_BATCHES[0]
    assert streaming.batches_ahead(split, streaming.AHEAD_BYTES // (8 * 8 * 3) // 5) == 5


def model(pooling: str = "attention") -> nn.Module:
    arch = {"width": 16, "depth": 2, "patch_size": 2, "layer_scale": 0.1}
    return build_model("patchconvnet", **arch, pooling=pooling, num_classes=3, image_size=(8, 8), seed=0)


def photographs(root: Path, *, broken: int = 0) -> Dataset:
    """Write larger images of different sizes; return them as a streamed data set."""
    rng = np.random.default_rng(0)
    for label, colour in enumerate([(200, 40, 40), (40, 200, 40), (40, 40, 200)]):
        (root / f"{label}").mkdir()
        for i in range(20):
            noise = rng.integers(0, 40, (*rng.integers(20, 40, 2), 3)) + np.array(colour)
            Image.fromarray(noise.astype(np.uint8)).save(root / f"{label}" / f"{i:02}.jpg", quality=95)
    data = load_data(DataConfig(source=f"folder:{root}", image_size=8, memory_gib=1e-9))
    assert isinstance(data.train, StreamSplit)
    for index in range(broken):
        Path(data.train.images.place(index)).write_bytes(b"no image")
    return data


def test_large_folders_are_trained_from_their_files_as_repeatably(tmp_path: Path) -> None:
    data = photographs(tmp_path)
    recipe = Recipe(epochs=3, batch_size=8, learning_rate=5e-3)
    nets = [Watched(model()), Watched(model("average"))]

    for net in nets:
        list(fit_classifier(net, data, recipe))

    assert all(torch.equal(a, b) for a, b in zip(nets[0].seen, nets[1].seen, strict=True))
    assert evaluate(nets[0], data.test, data, ON_CPU).accuracy > 90


def test_a_run_resumed_from_files_ends_with_the_same_weights(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    data, recipe = photographs(tmp_path / "images"), Recipe(epochs=3, batch_size=8)
    whole, begun, resumed = model(), model(), model()

    list(fit_classifier(whole, data, recipe))
    first = fit_classifier(begun, data, recipe, checkpoints=tmp_path / "state")
    next(first)
    del first
    list(fit_classifier(resumed, data, recipe, checkpoints=tmp_path / "state"))

    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_corrupt_row_of_streamed_parquet_names_its_file(tmp_path: Path) -> None:
    folder = write_numbered_parquet(tmp_path, range(60), files=3, rows_per_group=7)
    file, split = folder / "train-00001.parquet", streamed(f"parquet:{folder}")
    places = [split.images.place(i) for i in range(len(split))]
    victims = [int(place.rsplit(" ", 1)[1]) for place in places if place.startswith(str(file))][3:5]
    table = pq.read_table(file)
    rows = table["image"].to_pylist()
    for row in victims:
        rows[row]["bytes"] = b"no image"
    pq.write_table(table.set_column(0, "image", pa.array(rows)), file, row_group_size=7)
    split = streamed(f"parquet:{folder}")

    with pytest.warns(UnreadableImageWarning) as warned:
        served = numbers(split, epoch_of(split, 9))

    assert len(served) == len(set(served)) == len(split) - 2
    assert not {20 + row for row in victims} & set(served)
    reasons = {str(warning.message).split(": cannot be read")[0] for warning in warned}
    assert reasons == {f"left out: {file} row {row}" for row in victims}


def test_a_truncated_row_group_is_an_error_after_the_limit(tmp_path: Path) -> None:
    folder = write_numbered_parquet(tmp_path, range(300), files=1, rows_per_group=100)
    split = streamed(f"parquet:{folder}")
    file = folder / "train-00000.parquet"
    content = bytearray(file.read_bytes())
    content[200 : len(content) // 2] = bytes(len(content) // 2 - 200)  # the footer is still valid
    file.write_bytes(bytes(content))

    with pytest.warns(UnreadableImageWarning), pytest.raises(DataError, match="11 images cannot be read, more than"):
        numbers(split, epoch_of(split, 32))


def test_unreadable_files_are_skipped_with_warnings_up_to_a_limit(tmp_path: Path) -> None:
    data, notes = photographs(tmp_path, broken=11), Notes()

    with pytest.warns(UnreadableImageWarning, match=r"left out: .*\.jpg: cannot be read as an image"):
        ((images, labels),) = batches(data.train, [BatchIndices(np.arange(9, 14), seed=(0,))], CPU, notes)
    assert len(images) == len(labels) == 3
    assert len(notes.lines) == 2  # the record holds them too
    with (
        pytest.warns(UnreadableImageWarning),
        pytest.raises(DataError, match=r"11 images cannot be read, more than data\.most_unreadable = 10"),
    ):
        list(batches(data.train, [BatchIndices(np.arange(12), seed=(0,))], CPU))
    with pytest.warns(UnreadableImageWarning):
        ((images, labels),) = batches(data.train, [BatchIndices(np.arange(2, 12))], CPU)
    assert len(labels) == 10  # evaluation keeps the place of every image
    assert [bool(image.any()) for image in images] == [False] * 9 + [True]


def test_a_run_that_is_continued_knows_what_was_unreadable_before(tmp_path: Path) -> None:
    data, notes = photographs(tmp_path, broken=11), Notes()
    with pytest.warns(UnreadableImageWarning):
        list(batches(data.train, [BatchIndices(np.arange(8), seed=(0,))], CPU, notes))
    known = Notes()
    for line in notes.lines:  # as from a checkpoint
        known.add(line)

    with (
        pytest.warns(UnreadableImageWarning),
        pytest.raises(DataError, match=r"11 images cannot be read, more than data\.most_unreadable = 10"),
    ):
        list(batches(data.train, [BatchIndices(np.arange(6, 12), seed=(1,))], CPU, known))


def test_a_batch_without_a_readable_image_is_no_step(tmp_path: Path) -> None:
    data, notes, net = photographs(tmp_path, broken=3), Notes(), Watched(model())

    with pytest.warns(UnreadableImageWarning):
        (epoch,) = fit_classifier(net, data, Recipe(epochs=1, batch_size=1, warmup_epochs=0), notes=notes)

    assert len(net.seen) == len(data.train) - 3
    assert len(notes.lines) == 3
    assert 0.1 < epoch.train_loss < 3
