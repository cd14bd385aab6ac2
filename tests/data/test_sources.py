"""Every source gives three sets, however many it has itself."""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scaling.data import SOURCES, load_data
from scaling.study.config import DataConfig
from tests.support.images import check, encoded, images, picture, problems, write_folder, write_parquet


def test_digits_are_three_disjoint_sets_that_hold_every_image_once() -> None:
    data = load_data(DataConfig())

    check(data)
    assert [len(split) for _, split in data.splits()] == [1294, 144, 359]
    assert (data.channels, data.image_size, data.num_classes, data.flip) == (1, (8, 8), 10, False)
    everything = np.concatenate([images(split) for _, split in data.splits()])
    assert everything.astype(int).sum() == pytest.approx(561_718 * 255 / 16, rel=1e-3)  # scikit-learn's sum of pixels
    assert everything.max() == 255


def test_statistics_are_those_of_the_training_pixels() -> None:
    data = load_data(DataConfig())

    assert data.mean == pytest.approx([images(data.train).mean()])
    assert data.std == pytest.approx([images(data.train).std()])


@pytest.mark.parametrize("sets", [("",), ("train", "val"), ("train", "validation", "test"), ("Training", "testing")])
def test_a_folder_with_one_two_or_three_sets_gives_three(tmp_path: Path, sets: tuple[str, ...]) -> None:
    for name in sets:
        write_folder(tmp_path / name)

    data = load_data(DataConfig(source=f"folder:{tmp_path}", allow_duplicates=True))

    check(data)
    assert data.class_names == ("cat", "dog")
    sizes = {1: [14, 2, 4], 2: [18, 2, 20], 3: [20, 20, 20]}
    assert [len(split) for _, split in data.splits()] == sizes[len(sets)]


def test_links_between_folders_are_followed_once(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    more = write_folder(tmp_path / "more", classes=("cat",)) / "cat"
    for name in ("again", "and again"):
        (root / "cat" / name).symlink_to(more)
    (root / "dog" / "loop").symlink_to(root)
    (root / "dog" / "itself").symlink_to(root / "dog")

    data = load_data(DataConfig(source=f"folder:{root}", allow_duplicates=True))

    labels = np.concatenate([split.labels for _, split in data.splits()])
    assert np.bincount(labels).tolist() == [20, 10]


def test_labels_of_a_folder_follow_its_images(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c")):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (4, 4), (number, i, 0)).save(tmp_path / name / "deeper" / f"{i}.png")

    data = load_data(DataConfig(source=f"folder:{tmp_path}", allow_duplicates=True))

    for _, split in data.splits():
        assert np.array_equal(images(split)[:, 0, 0, 0], split.labels)


def test_files_without_class_names_or_sets_make_a_data_set(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "anything.parquet", [0, 1, 2] * 10)

    data = load_data(DataConfig(source=f"parquet:{file}"))

    check(data)
    assert data.class_names == ("0", "1", "2")


def test_parquet_finds_sets_names_and_shards_below_data(tmp_path: Path) -> None:
    for shard in range(2):
        write_parquet(tmp_path / "data" / f"train-0000{shard}-of-00002.parquet", [0, 1] * 8, names=("cat", "dog"))
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", [-1] * 4)  # secret labels, as on the hub
    write_parquet(tmp_path / "data" / "validation-00000-of-00001.parquet", [1, 0, 0])

    data = load_data(DataConfig(source=f"parquet:{tmp_path}", allow_duplicates=True))

    check(data)
    assert data.class_names == ("cat", "dog")
    assert list(data.test.labels) == [1, 0, 0]  # of two sets, the one beside train is the test set
    assert np.array_equal(images(data.test)[1], np.asarray(picture(1)))


def test_text_labels_are_classes_in_alphabetical_order(tmp_path: Path) -> None:
    rows = [{"bytes": encoded(picture(i)), "path": None} for i in range(20)]
    pq.write_table(pa.table({"img": rows, "kind": ["dog", "cat"] * 10}), tmp_path / "train.parquet")

    data = load_data(DataConfig(source=f"parquet:{tmp_path}", label_column="kind"))

    check(data)
    assert data.class_names == ("cat", "dog")


@pytest.mark.slow
def test_cifar10_from_parquet_is_what_the_paper_describes(cifar10: Path) -> None:
    data = load_data(DataConfig(source=f"parquet:{cifar10}", train_limit=4000))

    check(data)
    assert [len(split) for _, split in data.splits()] == [4000, 5000, 10000]
    assert np.array_equal(np.bincount(data.validation.labels), [500] * 10)
    assert data.class_names[3] == "cat"
    assert np.array(data.mean) == pytest.approx([125.3, 123.0, 113.9], abs=2)


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a small version of CIFAR-10's files, without their checksums."""
    from torchvision.datasets import CIFAR10

    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list]:
        batch = {"data": rng.integers(0, 256, (20, 3072), dtype=np.uint8), "labels": list(range(10)) * 2}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}))
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": None})
    monkeypatch.setenv("SCALING_DATA", str(root))


def test_cifar10_is_read_from_where_torchvision_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch)

    data = load_data(DataConfig(source="cifar10"))

    check(data)
    assert [len(split) for _, split in data.splits()] == [90, 10, 20]
    assert data.class_names[1] == "class 1"
    assert (data.flip, data.crop_padding) == (True, 4)


def test_a_failed_download_says_where_the_files_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR100

    def refuse(self: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(CIFAR100, "download", refuse)
    monkeypatch.setenv("SCALING_DATA", str(tmp_path))

    (problem,) = problems("cifar100")

    assert str(tmp_path) in problem
    assert "no route to host" in problem


def test_the_hub_is_read_through_its_own_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)

    assert problems("hf:beans") == ["data source 'hf:beans' needs the package datasets; run: pip install datasets"]


def test_the_hub_gives_the_same_as_its_parquet_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pq.read_table(write_parquet(tmp_path / "train.parquet", [0, 1] * 10))

    class Hub:
        features = types.SimpleNamespace(arrow_schema=table.schema)

        def cast_column(self, name: str, kind: object) -> "Hub":
            return self

        def with_format(self, name: str) -> pa.Table:
            return table

    package = types.ModuleType("datasets")
    package.__dict__.update(load_dataset=lambda name: {"train": Hub(), "unsupervised": Hub()}, Image=lambda decode: 0)
    monkeypatch.setitem(sys.modules, "datasets", package)

    from_hub, from_files = load_data(DataConfig(source="hf:x")), load_data(DataConfig(source=f"parquet:{tmp_path}"))

    assert np.array_equal(images(from_hub.train), images(from_files.train))


def test_two_sets_of_the_hub_never_stand_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("datasets")
    package.__dict__.update(load_dataset=lambda name: {"train": 0, "val": 1, "validation": 2})
    monkeypatch.setitem(sys.modules, "datasets", package)

    assert problems("hf:x") == ["hf:x has both sets val and validation, which mean validation"]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_shows_how_to_write_it(name: str) -> None:
    argument = SOURCES[name].argument
    wrong = name if argument else f"{name}:something"

    (problem,) = problems(wrong)

    assert problem.endswith(f"write {name}:{argument}" if argument else f"write {name}")
