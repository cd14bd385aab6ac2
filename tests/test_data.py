"""Every source gives three sets; what is wrong with files is said in one line that names them."""

import io
import itertools
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scaling.config import DataConfig
from scaling.data import SOURCES, Dataset, StreamSplit, Split, load_data
from scaling.data.decoding import fit_inside
from scaling.data.splits import hold_out, limited, stratified_order
from scaling.errors import DataError


def picture(seed: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(root: Path, per_class: int = 10, classes: tuple[str, ...] = ("cat", "dog"), **look) -> Path:
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            picture(100 * label + i, **look).save(root / name / f"{i:03}.png")
    return root


def write_parquet(file: Path, labels: list[int], *, names: tuple[str, ...] | None = None, broken: int = -1) -> Path:
    rows = [{"bytes": b"junk" if i == broken else encoded(picture(i)), "path": None} for i in range(len(labels))]
    table = pa.table({"image": rows, "label": labels})
    if names:
        features = pa.py_buffer(
            b'{"info": {"features": {"label": {"names": ["' + '", "'.join(names).encode() + b'"]}}}}'
        )
        table = table.replace_schema_metadata({b"huggingface": features.to_pybytes()})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file)
    return file


def images(split: Split | StreamSplit) -> np.ndarray:
    assert isinstance(split, Split)
    return split.images


def problems(source: str, **settings) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_data(DataConfig(source=source, **settings))
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


def check(data: Dataset) -> None:
    """What holds for every data set in memory."""
    for _, split in data.splits():
        assert images(split).dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert images(split).shape == (len(split), *data.image_size, data.channels)
        assert set(split.labels) <= set(range(data.num_classes))
    assert set(data.train.labels) == set(range(data.num_classes))
    assert len(data.mean) == len(data.std) == data.channels


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


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 9), st.floats(0.05, 0.95))
def test_held_out_part_is_seeded_stratified_and_complete(labels: list[int], seed: int, fraction: float) -> None:
    all_labels = np.array(labels)

    held, rest = hold_out(all_labels, np.arange(len(labels)), fraction, seed)

    assert sorted([*held, *rest]) == list(range(len(labels)))
    assert np.array_equal(held, hold_out(all_labels, np.arange(len(labels)), fraction, seed)[0])
    for label in set(labels):
        expected = fraction * labels.count(label)
        # the cut through the order may fall anywhere among the classes that stand equal
        assert abs((all_labels[held] == label).sum() - expected) <= 1.5


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50), st.integers(0, 9))
def test_a_smaller_limit_takes_a_part_of_what_a_larger_one_takes(labels: list[int], seed: int) -> None:
    order = stratified_order(np.array(labels), seed)
    taken = [set(limited(np.array(labels), np.arange(len(labels)), limit, seed)) for limit in range(1, len(labels))]

    assert sorted(order) == list(range(len(labels)))
    assert all(small < large for small, large in itertools.pairwise(taken))


def test_the_limit_leaves_validation_and_test_alone() -> None:
    whole, limited_data = load_data(DataConfig()), load_data(DataConfig(train_limit=100))

    assert len(limited_data.train) == 100
    assert np.bincount(limited_data.train.labels).min() >= 9
    assert np.array_equal(images(whole.validation), images(limited_data.validation))
    assert np.array_equal(images(whole.test), images(limited_data.test))


def test_another_split_seed_holds_out_other_images() -> None:
    first, second = load_data(DataConfig()), load_data(DataConfig(split_seed=1))

    assert not np.array_equal(images(first.test), images(second.test))


def test_resizing_covers_the_square_and_cuts_the_middle_out() -> None:
    wide = Image.fromarray(np.repeat(np.array([[0, 100, 100, 200]], np.uint8), 2, axis=0).repeat(8, 0).repeat(8, 1))

    square = np.asarray(fit_inside(wide, 16, 16, "L"))

    assert (wide.width, wide.height) == (32, 16)
    assert (square == 100).all()


@given(st.tuples(*[st.integers(1, 90)] * 2), st.tuples(*[st.integers(1, 40)] * 2))
def test_any_image_can_be_brought_to_any_size(before: tuple[int, int], after: tuple[int, int]) -> None:
    flat = Image.new("L", before, 77)

    resized = fit_inside(flat, *after, "L")

    assert (resized.height, resized.width) == after
    assert (np.asarray(resized) == 77).all()


def test_digits_can_be_resized() -> None:
    data = load_data(DataConfig(image_size=16, train_limit=50))

    check(data)
    assert data.image_size == (16, 16)


@pytest.mark.parametrize("sets", [("",), ("train", "val"), ("train", "validation", "test"), ("Training", "testing")])
def test_a_folder_with_one_two_or_three_sets_gives_three(tmp_path: Path, sets: tuple[str, ...]) -> None:
    for name in sets:
        write_folder(tmp_path / name)

    data = load_data(DataConfig(source=f"folder:{tmp_path}"))

    check(data)
    assert data.class_names == ("cat", "dog")
    sizes = {1: [14, 2, 4], 2: [18, 2, 20], 3: [20, 20, 20]}
    assert [len(split) for _, split in data.splits()] == sizes[len(sets)]


def test_labels_of_a_folder_follow_its_images(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c")):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (4, 4), (number, i, 0)).save(tmp_path / name / "deeper" / f"{i}.png")

    data = load_data(DataConfig(source=f"folder:{tmp_path}"))

    for _, split in data.splits():
        assert np.array_equal(images(split)[:, 0, 0, 0], split.labels)


def test_grey_stays_grey_unless_one_image_has_colour(tmp_path: Path) -> None:
    grey = write_folder(tmp_path / "grey", mode="L")
    mixed = write_folder(tmp_path / "mixed", mode="L")
    picture(0, mode="RGBA").save(mixed / "dog" / "zzz.png")
    deep = write_folder(tmp_path / "deep", mode="L")
    Image.fromarray(np.full((8, 8), 255 * 256, np.uint16)).save(deep / "cat" / "000.png")

    assert load_data(DataConfig(source=f"folder:{grey}")).channels == 1
    assert load_data(DataConfig(source=f"folder:{mixed}")).channels == 3
    assert max(images(split).max() for _, split in load_data(DataConfig(source=f"folder:{deep}")).splits()) == 255


def test_files_without_class_names_or_sets_make_a_data_set(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "anything.parquet", [0, 1, 2] * 10)

    data = load_data(DataConfig(source=f"parquet:{file}"))

    check(data)
    assert data.class_names == ("0", "1", "2")


def test_parquet_finds_sets_names_and_shards_below_data(tmp_path: Path) -> None:
    for shard in range(2):
        write_parquet(tmp_path / "data" / f"train-0000{shard}-of-00002.parquet", [0, 1] * 8, names=("cat", "dog"))
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", [-1] * 4)  # secret, as the hub has it
    write_parquet(tmp_path / "data" / "validation-00000-of-00001.parquet", [1, 0, 0])

    data = load_data(DataConfig(source=f"parquet:{tmp_path}"))

    check(data)
    assert data.class_names == ("cat", "dog")
    assert list(data.test.labels) == [1, 0, 0]  # two sets: the one beside train is for testing
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
    """CIFAR-10's files in small, without their checksums."""
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


def test_a_download_that_fails_says_where_the_files_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_folder_beyond_the_memory_budget_stays_in_its_files(tmp_path: Path) -> None:
    write_folder(tmp_path, size=(40, 30))

    data = load_data(DataConfig(source=f"folder:{tmp_path}", image_size=16, memory_gib=1e-6))

    assert isinstance(data.train, StreamSplit)
    assert [len(split) for _, split in data.splits()] == [14, 2, 4]
    assert (data.image_size, data.channels, data.num_classes, data.crop_padding) == ((16, 16), 3, 2, 0)
    assert all(Path(data.train.images.place(i)).is_file() for i in range(14))
    in_memory = load_data(DataConfig(source=f"folder:{tmp_path}", image_size=16))
    assert data.mean == pytest.approx(in_memory.mean)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_says_how_it_is_written(name: str) -> None:
    argument = SOURCES[name].argument
    wrong = name if argument else f"{name}:something"

    (problem,) = problems(wrong)

    assert problem.endswith(f"write {name}:{argument}" if argument else f"write {name}")


def broken_folder(change: Callable[[Path], object]) -> Callable[[Path], str]:
    def write(root: Path) -> str:
        change(write_folder(root))
        return f"folder:{root}"

    return write


def broken_parquet(labels: list[int], **how) -> Callable[[Path], str]:
    return lambda root: f"parquet:{write_parquet(root / 'train-0.parquet', labels, **how).parent}"


def empty_parquet_column(root: Path) -> str:
    pq.write_table(pa.table({"image": [b""], "lable": [0]}), root / "train.parquet")
    return f"parquet:{root}"


def unknown_class_in_test(root: Path) -> str:
    write_folder(root / "train")
    write_folder(root / "test", classes=("cat", "horse"))
    return f"folder:{root}"


BROKEN: dict[str, tuple[Callable[[Path], str], list[str]]] = {
    "unknown source": (lambda root: "cifer10", ["unknown data source 'cifer10'; did you mean 'cifar10'?"]),
    "missing path": (lambda root: f"folder:{write_folder(root / 'birds').parent / 'brids'}", ["did you mean 'birds'?"]),
    "path of a file": (lambda root: f"folder:{__file__}", ["is a file"]),
    "no classes": (lambda root: f"folder:{write_folder(root) / 'cat'}", ["10 images lie directly in it"]),
    "empty class": (broken_folder(lambda root: (root / "empty").mkdir()), ["empty: class folder without images"]),
    "corrupt image": (
        broken_folder(lambda root: (root / "cat" / "003.png").write_bytes(b"no image")),
        ["cat/003.png: cannot be read as an image (no known image format)"],
    ),
    "cut image": (
        broken_folder(lambda root: (root / "dog" / "005.png").write_bytes((root / "dog/005.png").read_bytes()[:150])),
        ["dog/005.png: cannot be read as an image (", "truncated"],
    ),
    "sizes": (broken_folder(lambda root: picture(0, (9, 8)).save(root / "dog" / "a.png")), ["dog/a.png", "image_size"]),
    "no images": (lambda root: f"folder:{root}", ["has no class folders"]),
    "class only in test": (unknown_class_in_test, ["test/horse: class 'horse' has no folder in"]),
    "no parquet": (lambda root: f"parquet:{root}", ["no *.parquet file"]),
    "not parquet": (lambda root: f"parquet:{__file__}", ["test_data.py: not a readable Parquet file"]),
    "missing column": (empty_parquet_column, ["train.parquet: unknown column 'label'; did you mean 'lable'?"]),
    "corrupt row": (broken_parquet([0, 1] * 10, broken=7), ["train-0.parquet row 7: cannot be read as an image"]),
    "label beyond names": (
        broken_parquet([0, 5], names=("a", "b")),
        ["train-0.parquet row 1: label 5 is out of range"],
    ),
    "negative label": (broken_parquet([0, -2, 1]), ["train-0.parquet row 1: label -2 is out of range"]),
    "absent class": (broken_parquet([0, 2] * 5), ["no training image of class '1' (label 1)"]),
    "too few": (broken_parquet([0, 1]), ["too few images"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_source_is_named_in_one_line(case: str, tmp_path: Path) -> None:
    write, expected = BROKEN[case]
    source = write(tmp_path)

    text = "\n".join(problems(source))

    for part in expected:
        assert part in text


def test_several_broken_images_are_told_at_once_up_to_ten(tmp_path: Path) -> None:
    for path in list(write_folder(tmp_path).glob("*/*"))[:15]:
        path.write_bytes(b"no image")

    found = problems(f"folder:{tmp_path}")

    assert len(found) == 11
    assert found[-1] == "and more; the first 10 are named"
