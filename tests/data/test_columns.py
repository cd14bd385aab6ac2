"""Whatever Arrow calls text is text, and whatever it calls a whole number is one; a column's mistake is one line."""

import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scaling.data import Dataset, load_data
from scaling.study.config import DataConfig
from tests.support.images import encoded, images, picture, problems, write_parquet

NUMBERS = [0, 1, 2] * 8
TEXT = ["ant", "bee", "cow"] * 8


def pictures(count: int) -> list[bytes]:
    return [encoded(picture(number)) for number in range(count)]


def write(file: Path, labels: Any, pixels: Any = None, **columns: Any) -> Path:
    """Write a Parquet file of images, bytes unless given otherwise, and labels of any type; return its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({"image": pictures(len(labels)) if pixels is None else pixels, "label": labels, **columns}), file
    )
    return file.parent


def load(root: Path, **settings: Any) -> Dataset:
    return load_data(DataConfig(source=f"parquet:{root}", allow_duplicates=True, **settings))


def labelled(data: Dataset) -> list[int]:
    return np.bincount(np.concatenate([split.labels for _, split in data.splits()])).tolist()


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()),
     pa.dictionary(pa.int32(), pa.large_string())],
    ids=str,
)  # fmt: skip
def test_every_kind_of_text_is_a_label(tmp_path: Path, kind: pa.DataType) -> None:
    labels = pa.array(TEXT)
    written = labels.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else labels.cast(kind)

    data = load(write(tmp_path / "train.parquet", written))

    assert (data.class_names, labelled(data)) == (("ant", "bee", "cow"), [8, 8, 8])


KINDS = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64(), pa.float16(),
         pa.float32(), pa.float64(), pa.decimal128(5, 1), pa.dictionary(pa.int8(), pa.int64())]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_whole_number_is_a_label(tmp_path: Path, kind: pa.DataType) -> None:
    if pa.types.is_dictionary(kind):
        labels = pa.array(NUMBERS).dictionary_encode()
    elif pa.types.is_decimal(kind):
        labels = pa.array([decimal.Decimal(number) for number in NUMBERS], kind)
    else:
        labels = pa.array(np.array(NUMBERS).astype(kind.to_pandas_dtype()), kind)

    data = load(write(tmp_path / "train.parquet", labels))

    assert (data.class_names, labelled(data)) == (("0", "1", "2"), [8, 8, 8])


def test_truth_values_are_two_classes(tmp_path: Path) -> None:
    assert load(write(tmp_path / "train.parquet", [True, False] * 10)).class_names == ("false", "true")


def bytes_as(kind: pa.DataType) -> Callable[[int], pa.Array]:
    return lambda count: pa.array(pictures(count), pa.binary()).cast(kind)


IMAGES: dict[str, Callable[[int], Any]] = {
    "binary": bytes_as(pa.binary()),
    "large_binary": bytes_as(pa.large_binary()),
    "binary_view": bytes_as(pa.binary_view()),
    "struct": lambda count: [{"bytes": content, "path": None} for content in pictures(count)],
    "dictionary": lambda count: bytes_as(pa.binary())(count).dictionary_encode(),
}


@pytest.mark.parametrize("test", IMAGES)
@pytest.mark.parametrize("train", IMAGES)
def test_files_may_store_images_in_different_types(tmp_path: Path, train: str, test: str) -> None:
    write(tmp_path / "train.parquet", NUMBERS, IMAGES[train](24))
    write(tmp_path / "test.parquet", NUMBERS, IMAGES[test](24))

    data = load(tmp_path)

    assert np.array_equal(images(data.test), np.stack([np.asarray(picture(number)) for number in range(24)]))


def test_parts_of_a_set_may_store_numbers_in_different_types(tmp_path: Path) -> None:
    for number, kind in enumerate((pa.int8(), pa.uint64(), pa.float32())):
        labels = pa.array(np.array(NUMBERS).astype(kind.to_pandas_dtype()), kind)
        write(tmp_path / f"train-{number}.parquet", labels)

    assert labelled(load(tmp_path)) == [24, 24, 24]


def test_a_label_may_be_a_field_of_a_struct(tmp_path: Path) -> None:
    labels = [{"id": number, "kind": {"name": "xyz"[number]}} for number in NUMBERS]
    write(tmp_path / "train.parquet", labels)

    (problem,) = problems(f"parquet:{tmp_path}")

    assert problem.endswith("column 'label' holds several fields; set data.label_column to label.id or label.kind")
    assert load(tmp_path, label_column="label.id").class_names == ("0", "1", "2")
    assert load(tmp_path, label_column="label.kind.name").class_names == ("x", "y", "z")
    (problem,) = problems(f"parquet:{tmp_path}", label_column="label.kind.nmae")
    assert "column 'label.kind': unknown field 'nmae'; did you mean 'name'?" in problem


def test_an_image_may_be_a_field_of_a_struct(tmp_path: Path) -> None:
    rows = [{"left": {"bytes": content}, "right": content} for content in pictures(24)]
    write(tmp_path / "train.parquet", NUMBERS, rows)

    first, second = (load(tmp_path, image_column=f"image.{side}") for side in ("left", "right"))

    assert np.array_equal(images(first.train), images(second.train))


WITHHELD = [[-1] * 24, pa.array([None] * 24, pa.int64()), pa.array([None] * 24, pa.string()), [""] * 24, [None] * 24,
            pa.array([float("nan")] * 24)]  # fmt: skip


@pytest.mark.parametrize("name", ["validation", "test"])
@pytest.mark.parametrize("labels", WITHHELD)
def test_a_set_without_labels_counts_as_absent(tmp_path: Path, name: str, labels: Any) -> None:
    write(tmp_path / "train.parquet", NUMBERS)
    write(tmp_path / f"{name}.parquet", labels)

    data = load(tmp_path)

    assert sum(len(split) for _, split in data.splits()) == 24
    (note,) = data.notes
    assert note.startswith(f"{tmp_path / name}.parquet: 24 images whose labels are withheld")
    assert note.endswith(f"the {name} set counts as absent")


def test_a_test_set_without_label_column_counts_as_absent(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", NUMBERS)
    pq.write_table(pa.table({"image": pictures(5)}), tmp_path / "test.parquet")
    pq.write_table(pa.table({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}),
                   tmp_path / "validation.parquet")  # fmt: skip

    notes = load(tmp_path).notes

    assert sorted(notes) == [
        f"{tmp_path}/test.parquet: no column 'label': the test set counts as absent",
        f"{tmp_path}/validation.parquet: no rows: the validation set counts as absent",
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1, None] * 8, "train.parquet row 2: no label, as in 8 of 24 rows; remove such rows or label them"),
        (["a", "b", None] * 8, "train.parquet row 2: no label, as in 8 of 24 rows"),
        (["a", "b", " "] * 8, "train.parquet row 2: no label, as in 8 of 24 rows"),
        ([0.0, 1.0, float("nan")] * 8, "train.parquet row 2: no label, as in 8 of 24 rows"),
        ([None] * 24, "train.parquet row 0: no label, as in all 24 rows of train; a training set needs labels"),
        ([0, 1, -1] * 8, "train.parquet row 2: label -1 is out of range, as in 8 of 24 rows"),
        ([-1] * 24, "train.parquet row 0: label -1 is out of range, as in 24 of 24 rows"),
        ([0.0, 0.5] * 12, "train.parquet row 1: label 0.5 is no whole number, as in 12 of 24 rows"),
        ([0, 1, 7_000_000_000] * 8, "train.parquet row 2: label 7000000000 is not the number of a class"),
        (pa.array([0, 2**64 - 1] * 12, pa.uint64()), "label 18446744073709551615 is not the number of a class"),
        ([[0], [1]] * 12, "column 'label' holds lists; an image needs one label"),
        ([b"a", b"b"] * 12, "column 'label' holds binary; labels must be all integers or all text"),
        (["Cat", "cat"] * 12, "labels: names of classes differ only in case, blanks or Unicode form: 'Cat' and 'cat'"),
        (["caf\u00e9", "cafe\u0301"] * 12, "(in Unicode form)"),
        ([0] * 24, "has one class, '0', and one class teaches nothing"),
        (["a"] * 24, "has one class, 'a', and one class teaches nothing"),
    ],
)
def test_a_mistake_of_a_column_is_one_line(tmp_path: Path, labels: Any, said: str) -> None:
    (problem,) = problems(f"parquet:{write(tmp_path / 'train.parquet', labels)}")

    assert said in problem


def test_text_and_numbers_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", NUMBERS)
    write(tmp_path / "train-1.parquet", TEXT)

    (problem,) = problems(f"parquet:{tmp_path}")

    assert problem == (
        f"{tmp_path}/train-0.parquet holds integers and {tmp_path}/train-1.parquet holds text; all labels must be of"
        " the same kind"
    )


@pytest.mark.parametrize("value", [None, {"bytes": None, "path": "a.png"}])
def test_images_without_bytes_are_one_line(tmp_path: Path, value: Any) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})

    (problem,) = problems(f"parquet:{write(tmp_path / 'train.parquet', NUMBERS, pa.array([value] * 24, kind))}")

    assert "column 'image.bytes' holds no bytes in any of 24 rows" in problem


def test_one_image_without_bytes_is_named(tmp_path: Path) -> None:
    rows = [None if number == 5 else content for number, content in enumerate(pictures(24))]

    (problem,) = problems(f"parquet:{write(tmp_path / 'train.parquet', NUMBERS, pa.array(rows))}")

    assert problem.endswith("train.parquet row 5: holds no image: its bytes are null or empty")


def test_class_names_that_differ_are_one_line(tmp_path: Path) -> None:
    for number in range(30):
        names = ("cat", "dog") if number == 0 else ("dog", "cat")
        write_parquet(tmp_path / f"train-{number:02}.parquet", [0, 1], names=names)

    (problem,) = problems(f"parquet:{tmp_path}")

    assert "train-01.parquet: label 0 is 'dog', but 'cat' in " in problem
    assert problem.endswith("and 26 more")


@pytest.mark.parametrize(
    "name", ["._train.parquet", ".cache/huggingface/x.parquet", "__MACOSX/x.parquet", "@eaDir/train.parquet"]
)
def test_hidden_files_are_no_data(tmp_path: Path, name: str) -> None:
    write(tmp_path / "sub" / "train.parquet", NUMBERS)
    (tmp_path / "sub" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "sub" / name).write_bytes(b"\0\5\x16\7 Mac OS X")

    for place in (tmp_path, tmp_path / "sub"):
        assert labelled(load(place)) == [8, 8, 8]
    assert load(tmp_path).notes != ()


@pytest.mark.parametrize("layout", ["{}.parquet/part-0.snappy.parquet", "split={}/0.parquet", "{}/0.parquet"])
def test_folders_of_parts_name_their_set(tmp_path: Path, layout: str) -> None:
    for name in ("train", "test"):
        write(tmp_path / layout.format(name), NUMBERS)

    assert [len(split) for _, split in load(tmp_path).splits()] == [22, 2, 24]


def test_names_that_only_resemble_sets_are_refused(tmp_path: Path) -> None:
    for name in ("trainset", "testset"):
        write(tmp_path / f"{name}.parquet", NUMBERS)

    (problem,) = problems(f"parquet:{tmp_path}")

    assert problem.endswith("testset.parquet: seems to be a test set; begin its name with test-, as all sets must")
