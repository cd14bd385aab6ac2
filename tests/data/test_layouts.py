"""A folder is never taken for what it does not hold: what is left out is said, what cannot be meant is refused."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scaling.data import Dataset
from tests.support.images import load_folder, picture, problems, write_folder

COMPOSED, DECOMPOSED = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")


def counts(data: Dataset) -> list[int]:
    """Return the number of images of each class, of all sets."""
    return np.bincount(np.concatenate([split.labels for _, split in data.splits()])).tolist()


def one_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(7).save(path, "PNG")


@pytest.mark.parametrize(
    "inside",
    [
        ".ipynb_checkpoints/a.png", ".thumbnails/large/a.png", ".git/a.png", "._000.png", "@eaDir/000.png/THUMB.jpg",
        "__MACOSX/cat/a.png", "#recycle/a.png", "$RECYCLE.BIN/a.png", "lost+found/a.png",
        "System Volume Information/a.png", "deeper/.hidden/a.png",
    ],
)  # fmt: skip
def test_what_tools_put_into_a_class_is_left_out(tmp_path: Path, inside: str) -> None:
    one_image(write_folder(tmp_path) / "cat" / inside)

    data = load_folder(tmp_path)

    assert counts(data) == [10, 10]
    (note,) = data.notes
    assert note.startswith("left out: ")
    assert any(part in note for part in (inside.split("/")[0], "deeper/.hidden"))


@pytest.mark.parametrize("name", ["__MACOSX", "@eaDir", ".cache", "$RECYCLE.BIN", "lost+found"])
def test_a_folder_of_a_tool_is_no_class(tmp_path: Path, name: str) -> None:
    one_image(write_folder(tmp_path) / name / "a.png")

    assert load_folder(tmp_path).class_names == ("cat", "dog")


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini"])
def test_files_of_the_system_are_no_data(tmp_path: Path, name: str) -> None:
    (write_folder(tmp_path) / "dog" / name).write_bytes(b"x")

    assert [note for note in load_folder(tmp_path).notes if f"(dog/{name})" in note] != []


def test_endings_of_browsers_and_cameras_are_read(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for number, ending in enumerate(["jfif", "jpe", "JPG", "tif", "webp", "avif", "jp2", "dib", "pbm"]):
        kind = {"jfif": "JPEG", "jpe": "JPEG", "JPG": "JPEG", "jp2": "JPEG2000", "tif": "TIFF", "pbm": "PPM"}
        picture(number).save(tmp_path / "cat" / f"x{number}.{ending}", kind.get(ending, ending.upper()))

    data = load_folder(tmp_path)

    assert (counts(data), data.notes) == ([19, 10], ())


def test_files_of_other_endings_are_counted_by_ending(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for name in ("a.heic", "b.HEIC", "c.txt", "LICENSE"):
        (tmp_path / "cat" / name).write_bytes(b"x")

    assert load_folder(tmp_path).notes == (
        "left out: files that do not end as images do: 2 .heic, 1 .txt, 1 without any"
        " (cat/LICENSE; cat/a.heic; cat/b.HEIC; and 1 more)",
    )


def test_ten_thousand_files_are_left_out_in_one_line(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for number in range(10_000):
        (tmp_path / "cat" / f"{number:05}.heic").touch()

    (note,) = load_folder(tmp_path).notes

    assert note == (
        "left out: files that do not end as images do: 10000 .heic"
        " (cat/00000.heic; cat/00001.heic; cat/00002.heic; and 9997 more)"
    )


def test_images_beside_class_folders_are_counted(tmp_path: Path) -> None:
    for name in ("train", "test"):
        one_image(write_folder(tmp_path / name) / "loose.png")

    (note,) = load_folder(tmp_path).notes

    assert note == "left out: images beside the class folders, which have no class: 2 (test/loose.png; train/loose.png)"


@pytest.mark.parametrize("levels", ["photos", "photos/photos", "a/b/c"])
def test_a_folder_too_high_is_refused_with_the_right_one(tmp_path: Path, levels: str) -> None:
    write_folder(tmp_path / levels)
    one_image(tmp_path / "__MACOSX" / "a.png")

    (problem,) = problems(f"folder:{tmp_path}")

    assert "one class teaches nothing; it holds folders (cat, dog)" in problem
    assert problem.endswith(f"did you mean folder:{tmp_path / levels}?")


def test_one_class_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "flat", classes=("cat",))
    write_folder(tmp_path / "sets" / "train", classes=("cat",))
    write_folder(tmp_path / "sets" / "test", classes=("cat",))

    for name in ("flat", "sets/train", "sets"):
        (problem,) = problems(f"folder:{tmp_path / name}")
        assert "has one class, 'cat', and one class teaches nothing" in problem


@pytest.mark.parametrize(
    "names",
    [
        ("train_images", "test_images"), ("TrainSet", "TestSet"), ("train2017", "val2017"), ("trainset", "testset"),
        ("cat_train", "cat_test", "dog_train", "dog_test"), ("training data", "validation data"), ("val", "test"),
        ("cat", "dog", "test"), ("TRAIN", "TEST"), ("train-cat", "val-cat"),
    ],
)  # fmt: skip
def test_sets_are_not_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    write_folder(tmp_path, classes=names)

    (problem,) = problems(f"folder:{tmp_path}")

    assert "set" in problem or "has no class folders" in problem
    assert str(tmp_path) in problem


@pytest.mark.parametrize("names", [("plane", "train"), ("invalid", "valid"), ("bullet_train", "test_tube", "cat")])
def test_words_that_can_be_classes_stay_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert load_folder(write_folder(tmp_path, classes=names)).class_names == tuple(sorted(names))


def images_and_labels(root: Path) -> Path:
    for name in ("train", "val"):
        write_folder(root / "images" / name)
        (root / "labels" / name).mkdir(parents=True)
    return root


def sets_in_classes(root: Path) -> Path:
    for name in ("cat", "dog"):
        write_folder(root / name, classes=("train", "test"))
    return root


def double_train(root: Path) -> Path:
    for name in ("train", "test"):
        write_folder(root / "train" / name)
    write_folder(root / "test")
    return root


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (images_and_labels, "did you mean folder:{root}/images?"),
        (sets_in_classes, "cat would be a class, but holds sets (test, train); put sets above classes"),
        (double_train, "'test' and 'train' would be classes, but seem to be sets"),
    ],
)
def test_sets_at_another_level_are_refused(tmp_path: Path, write: Callable[[Path], Path], said: str) -> None:
    assert said.format(root=tmp_path) in problems(f"folder:{write(tmp_path)}")[0]


@pytest.mark.parametrize("pair", [("Cat", "cat"), ("cat", "cat "), ("hot  dog", "hot dog"), (COMPOSED, DECOMPOSED)])
def test_classes_that_are_spelled_alike_are_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    write_folder(tmp_path, classes=(*pair, "horse"))
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system takes both names for one")

    (problem,) = problems(f"folder:{tmp_path}")

    assert "differ only in case, blanks or Unicode form" in problem


def test_letters_of_two_cases_are_two_classes(tmp_path: Path) -> None:
    write_folder(tmp_path, classes=("A", "a"))
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system takes both names for one")

    assert load_folder(tmp_path).class_names == ("A", "a")


def test_one_unicode_form_stands_for_another(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", classes=(COMPOSED, "dog"))
    write_folder(tmp_path / "test", classes=(DECOMPOSED, "dog"))

    data = load_folder(tmp_path)

    assert data.class_names == (COMPOSED, "dog")
    assert np.bincount(data.test.labels).tolist() == [10, 10]
    assert [note for note in data.notes if "differs only in Unicode form" in note] != []


def test_a_class_in_another_case_in_test_is_explained(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", classes=("Cat", "dog"))

    (problem,) = problems(f"folder:{tmp_path}")

    assert "class 'Cat' has no folder in train, which has 'cat': the names differ only in case" in problem


@pytest.mark.parametrize("name", ["test", "val", "Evaluation"])
def test_a_set_without_class_folders_counts_as_absent(tmp_path: Path, name: str) -> None:
    write_folder(tmp_path / "train")
    for number in range(3):
        one_image(tmp_path / name / f"{number}.png")

    data = load_folder(tmp_path)

    assert [len(split) for _, split in data.splits()] == [14, 2, 4]
    (note,) = data.notes
    assert note.startswith(f"{tmp_path / name}: 3 images without class folders, so without labels")


def test_a_single_unknown_folder_in_test_names_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", classes=("unknown",))

    (problem,) = problems(f"folder:{tmp_path}")

    assert f"if these images have no labels, move them directly into {tmp_path / 'test'}" in problem


def test_folders_beside_the_sets_are_named(tmp_path: Path) -> None:
    for name in ("train", "test", "val_images", "raw"):
        write_folder(tmp_path / name)

    notes = load_folder(tmp_path).notes

    assert f"{tmp_path / 'val_images'} seems to be a validation set; rename it to validation to use it" in notes
    assert "left out: folders beside the sets: 2 (raw; val_images)" in notes


def test_folders_of_years_are_remarked(tmp_path: Path) -> None:
    for name in ("2020", "2021"):
        write_folder(tmp_path / name)

    (note,) = load_folder(tmp_path).notes

    assert "hold folders of the same names (cat, dog); the classes are 2020, 2021" in note


def test_a_class_without_images_says_what_it_holds(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "empty").mkdir()
    (tmp_path / "empty" / "a.heic").touch()

    (problem,) = problems(f"folder:{tmp_path}")

    assert "empty: class folder without images" in problem
    assert "1 .heic (empty/a.heic)" in problem


def link_to_itself(root: Path) -> None:
    (write_folder(root) / "loop").symlink_to(root)


def link_to_a_class(root: Path) -> None:
    (write_folder(root) / "puppy").symlink_to(root / "dog")


def link_to_train(root: Path) -> None:
    write_folder(root / "train")
    (root / "test").symlink_to(root / "train")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (link_to_itself, "loop leads to a folder that holds other classes; remove it"),
        (link_to_a_class, "puppy is the same folder as"),
        (link_to_train, "is the same folder as"),
    ],
)
def test_links_between_classes_and_sets_are_refused(tmp_path: Path, write: Callable[[Path], None], said: str) -> None:
    write(tmp_path)

    assert said in problems(f"folder:{tmp_path}")[0]


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    (tmp_path / "test").mkdir()

    assert problems(f"folder:{tmp_path}") == [
        f"{tmp_path / 'test'} is empty; fill it with one folder per class, or remove it"
    ]


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b"])
@pytest.mark.parametrize("source", ["folder", "parquet", "wds"])
def test_a_path_that_cannot_be_is_one_short_line(source: str, path: str) -> None:
    (problem,) = problems(f"{source}:{path}")

    assert len(problem) < 200
