"""The summary of data sets against hand counts, and the picture of samples against their pixels."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaling.data import load_data
from scaling.data.sample_picture import A_CLASS, GAP, MOST_CLASSES, SIDE, pictured_classes, sample_picture
from scaling.study.config import DataConfig
from scaling.study.data_summary import DataSummary

SIZES = [(8, 8), (10, 8), (30, 20)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_DATA", str(tmp_path / "cache"))


def summary(config: DataConfig) -> DataSummary:
    content = load_data(config).content
    assert content
    assert content.summary
    return content.summary


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three sets of two classes: 20 cats and 10 dogs to train on, grey and coloured, in three sizes."""
    number = 0
    for name, cats, dogs in (("train", 20, 10), ("val", 4, 4), ("test", 5, 7)):
        for kind, count in (("cat", cats), ("dog", dogs)):
            folder = tmp_path / "photos" / name / kind
            folder.mkdir(parents=True)
            for i in range(count):
                number += 1
                width, height = SIZES[i % 3]
                values = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
                image = Image.fromarray(values).convert("L" if kind == "dog" else "RGB")
                image.save(folder / f"{i}.png")
    (tmp_path / "photos" / "train" / "cat" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.mark.parametrize("memory_gib", [4.0, 1e-9])  # in memory, and streamed
def test_counts_sizes_and_modes_are_those_of_the_files(photos: Path, memory_gib: float) -> None:
    found = summary(DataConfig(source=f"folder:{photos}", image_size=8, memory_gib=memory_gib))

    assert {name: one.images for name, one in found.sets.items()} == {"train": 30, "validation": 8, "test": 12}
    assert (found.sets["train"].smallest, found.sets["train"].largest) == (("dog", 10), ("cat", 20))
    assert found.sizes == ["8×8", "10×8", "30×20"]
    assert found.modes == {"RGB": 29, "L": 21}
    assert (found.looked_at, found.of, found.input) == (50, 50, "8×8×3")
    lines = list(found.lines())
    assert lines[0] == "2 classes; images: 30 train, 8 validation and 12 test"
    assert lines[1] == "smallest training class dog (10), largest cat (20)"
    assert lines[2].startswith("stored 8×8 to 30×20, middle 10×8, 29 RGB and 21 L; a network gets 8×8×3; mean colour ")
    assert any("notes.txt" in line for line in lines)


def test_the_mean_colour_is_that_of_the_training_pixels(tmp_path: Path) -> None:
    for kind, colour in (("red", (200, 0, 10)), ("blue", (0, 100, 30))):
        folder = tmp_path / "flat" / kind
        folder.mkdir(parents=True)
        for i in range(10):
            image = Image.new("RGB", (4, 4), colour)
            image.putpixel((0, 0), (i, i, i))
            image.save(folder / f"{i}.png")

    data = load_data(DataConfig(source=f"folder:{tmp_path / 'flat'}", allow_duplicates=True))
    expected = data.train.pixels.reshape(-1, 3).mean(0)  # pyright: ignore[reportAttributeAccessIssue]
    assert data.content
    assert data.content.summary
    assert data.content.summary.mean == pytest.approx(expected, abs=0.06)


def test_of_many_images_a_sample_is_looked_at(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.data.summary.ALL", 10)
    monkeypatch.setattr("scaling.data.summary.SAMPLE", 25)
    found = summary(DataConfig(source=f"folder:{photos}", image_size=8))

    assert found.looked_at == 25
    assert "(of 25 images looked at)" in " ".join(found.lines())


def test_built_in_digits_are_described_in_three_lines() -> None:
    assert list(summary(DataConfig()).lines()) == [
        "10 classes; images: 1,294 train, 144 validation and 359 test",
        "smallest training class 8 (125), largest 1 (131)",
        "stored 8×8, L; a network gets 8×8×1; mean colour 78 of 255",
    ]


def test_pictured_images_are_training_images_of_their_class() -> None:
    data = load_data(DataConfig())
    picture = np.asarray(Image.open(io.BytesIO(sample_picture(data))))
    side = SIDE // 8 * 8
    train = data.train.pixels[:, :, :, 0]  # pyright: ignore[reportAttributeAccessIssue]

    assert picture.shape == (10 * (side + GAP) - GAP, A_CLASS * (side + GAP) - GAP)
    for row in range(10):
        of_class = {image.tobytes() for image in train[data.train.labels == row]}
        for column in range(A_CLASS):
            top, left = row * (side + GAP), column * (side + GAP)
            shown = picture[top : top + side, left : left + side]
            assert shown[3::7, 3::7].tobytes() in of_class


def test_of_many_classes_twenty_are_pictured(tmp_path: Path) -> None:
    for kind in range(30):
        folder = tmp_path / "many" / f"{kind:02}"
        folder.mkdir(parents=True)
        for i in range(10):
            values = np.random.default_rng(100 * kind + i).integers(0, 256, (6, 9), dtype=np.uint8)
            Image.fromarray(values).save(folder / f"{i}.png")
    data = load_data(DataConfig(source=f"folder:{tmp_path / 'many'}"))

    assert len(set(pictured_classes(data))) == MOST_CLASSES
    assert len(sample_picture(data)) < 200_000
