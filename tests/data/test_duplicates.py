"""Equal images: within a set they are counted, across sets they are a leak."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scaling.data import duplicates as module
from scaling.data import load_data
from scaling.data.duplicates import Repeats, equal_images, refuse_shared
from scaling.data.fingerprint import inventories_of
from scaling.data.images import ArrayImages
from scaling.data.registry import Examples, SourceContent
from scaling.data.splits import three_sets
from scaling.space.schema import Space
from scaling.study.config import DataConfig, TrialConfig
from scaling.study.data_summary import DataSummary
from scaling.study.errors import DataError

FEW = 12  # images of a class and set


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_DATA", str(tmp_path / "cache"))


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def photos(root: Path, sets: tuple[str, ...] = ("train", "val", "test")) -> Path:
    for s, name in enumerate(sets):
        for c, kind in enumerate(("cat", "dog")):
            folder = root / name / kind
            folder.mkdir(parents=True)
            for i in range(FEW):
                Image.fromarray(pixels(1000 * s + 100 * c + i)).save(folder / f"{i}.png")
    return root


def copy(root: Path, source: str, target: str) -> None:
    (root / target).write_bytes((root / source).read_bytes())


def config(root: Path, **more: object) -> DataConfig:
    return DataConfig.model_validate({"source": f"folder:{root}", **more})


def summary(data: DataConfig) -> DataSummary:
    content = load_data(data).content
    assert content
    assert content.summary
    return content.summary


def test_a_test_image_that_was_trained_on_is_refused(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    copy(root, "train/cat/3.png", "test/cat/copied.png")
    copy(root, "train/dog/4.png", "test/cat/renamed.png")  # and relabelled

    with pytest.raises(DataError) as raised:
        load_data(config(root))

    [line] = raised.value.problems
    assert "2 images of test are in train too" in line
    assert f"{root}/test/cat/copied.png = {root}/train/cat/3.png" in line
    assert "set data.allow_duplicates: true" in line


def test_allowed_duplicates_are_counted_and_said(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    copy(root, "train/cat/3.png", "test/cat/copied.png")
    copy(root, "val/cat/3.png", "test/dog/copied.png")
    copy(root, "val/cat/5.png", "train/dog/other.png")

    found = summary(config(root, allow_duplicates=True))

    assert found.shared == {"train and validation": 1, "train and test": 1, "validation and test": 1}
    assert "1 image in train and test both, so that scores are partly of what was seen in training" in found.lines()


def test_each_two_sets_have_a_line(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    copy(root, "train/cat/3.png", "val/cat/copied.png")
    copy(root, "train/cat/3.png", "test/cat/copied.png")

    with pytest.raises(DataError) as raised:
        load_data(config(root))

    assert [line.partition(": ")[2].split(",")[0] for line in raised.value.problems] == [
        "1 image of validation is in train too",
        "1 image of test is in train too",
        "1 image of test is in validation too",
    ]


def test_repeats_within_a_set_are_counted_not_refused(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    copy(root, "train/cat/3.png", "train/cat/a.png")
    copy(root, "train/cat/3.png", "train/cat/b.png")
    copy(root, "train/cat/3.png", "train/dog/c.png")

    train = summary(config(root)).sets["train"]

    assert (train.repeated, train.relabelled) == (3, 1)
    lines = list(summary(config(root)).lines())
    assert "train: 3 images with the bytes of another one of the set, 1 of them under another class" in lines


def test_copies_that_the_division_parts_are_a_leak(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", ("train", "test"))
    for i in range(FEW):
        copy(root, f"train/cat/{i}.png", f"train/cat/copy{i}.png")

    with pytest.raises(DataError, match=r"images? of validation (is|are) in train too"):
        load_data(config(root, validation_fraction=0.4))


def test_equal_sizes_alone_are_no_repeat(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    for number, name in enumerate(("train/cat/x.bmp", "test/cat/x.bmp")):
        Image.fromarray(pixels(7000 + number)).save(root / name)  # as many bytes, other pixels

    assert summary(config(root)).shared == {}


def test_rows_of_parquet_are_compared_by_their_bytes(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    (tmp_path / "table").mkdir()
    for name in ("train", "test"):
        files = sorted((root / name).glob("*/*.png"))
        if name == "test":
            files[2] = root / "train" / "cat" / "7.png"
        images = [{"bytes": file.read_bytes(), "path": None} for file in files]
        labels = ["cat"] * FEW + ["dog"] * FEW
        pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "table" / f"{name}.parquet")

    with pytest.raises(DataError, match=r"1 image of test is in (train|validation) too"):
        load_data(DataConfig(source=f"parquet:{tmp_path / 'table'}"))


def test_arrays_of_a_source_are_compared_too() -> None:
    images, labels = np.stack([pixels(i) for i in range(40)]), np.arange(40) % 2
    train, test = (ArrayImages(images[rows], "made") for rows in (slice(0, 30), slice(29, 40)))
    sets = {"train": Examples("made", train, labels[:30]), "test": Examples("made", test, labels[29:])}
    found = SourceContent(sets, ("even", "odd"))
    groups = equal_images(found, inventories_of(found), None)

    assert groups == [[("train", 29), ("test", 0)]]
    parts = three_sets(found, DataConfig())
    with pytest.raises(DataError, match=r"made: 1 image of test is in (train|validation) too"):
        refuse_shared(Repeats(groups, parts, found), "made")


def test_what_is_too_large_is_said_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path / "photos")
    copy(root, "train/cat/3.png", "test/cat/copied.png")
    monkeypatch.setattr(module, "MOST_BYTES", 10)

    assert "equal images were not looked for, as that would read 0 GiB" in list(summary(config(root)).lines())


def test_a_second_start_reads_no_image_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path / "photos")
    copy(root, "train/cat/3.png", "train/cat/copied.png")
    first = summary(config(root))
    monkeypatch.setattr(module, "_digests", None)

    assert summary(config(root)) == first
    for kept in (tmp_path / "cache" / "fingerprints").glob("*-equal.json"):
        kept.write_text("[[1]]")  # a damaged cache is no answer
    with pytest.raises(TypeError):
        summary(config(root))


def test_allowing_duplicates_changes_neither_key_nor_conditions() -> None:
    plain, allowed = DataConfig(), DataConfig(allow_duplicates=True)
    keys = {TrialConfig(family="patchconvnet", arch={}, data=data).key for data in (plain, allowed)}
    spaces = [Space(family="patchconvnet", axes={"depth": [1, 2]}, arms={"pooling": ["average", "max"]}, data=data)
              for data in (plain, allowed)]  # fmt: skip

    assert len(keys) == 1
    assert spaces[0].conditions() == spaces[1].conditions()
