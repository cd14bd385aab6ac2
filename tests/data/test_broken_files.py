"""A problem in the files is reported in one line that names them."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.images import picture, problems, write_folder, write_parquet


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


def names_in_another_order(root: Path) -> str:
    write_parquet(root / "train-0.parquet", [0, 1] * 10, names=("cat", "dog"))
    return f"parquet:{write_parquet(root / 'test-0.parquet', [0, 1] * 10, names=('dog', 'cat')).parent}"


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
    "empty file": (
        broken_folder(lambda root: (root / "cat" / "003.png").write_bytes(b"")),
        ["cat/003.png: cannot be read as an image (the file is empty)"],
    ),
    "pointer": (
        broken_folder(lambda root: (root / "cat" / "003.png").write_text("version https://git-lfs.github.com/spec/v1")),
        ["cat/003.png: cannot be read as an image (a pointer of Git LFS, run: git lfs pull)"],
    ),
    "cut image": (
        broken_folder(lambda root: (root / "dog" / "005.png").write_bytes((root / "dog/005.png").read_bytes()[:150])),
        ["dog/005.png: cannot be read as an image (", "truncated"],
    ),
    "sizes": (broken_folder(lambda root: picture(0, (9, 8)).save(root / "dog" / "a.png")), ["dog/a.png", "image_size"]),
    "no images": (lambda root: f"folder:{root}", ["is empty; fill it with one folder per class"]),
    "class only in test": (unknown_class_in_test, ["test/horse: class 'horse' has no folder in"]),
    "no parquet": (lambda root: f"parquet:{root}", ["subfolders contain a *.parquet file"]),
    "not parquet": (lambda root: f"parquet:{__file__}", ["test_broken_files.py: not a readable Parquet file"]),
    "missing column": (empty_parquet_column, ["train.parquet: unknown column 'label'; did you mean 'lable'?"]),
    "corrupt row": (broken_parquet([0, 1] * 10, broken=7), ["train-0.parquet row 7: cannot be read as an image"]),
    "label beyond names": (
        broken_parquet([0, 5], names=("a", "b")),
        ["train-0.parquet row 1: label 5 is out of range"],
    ),
    "other names": (names_in_another_order, ["train-0.parquet: label 0 is 'cat', but 'dog' in ", "test-0.parquet"]),
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


def test_up_to_ten_broken_images_are_listed_at_once(tmp_path: Path) -> None:
    for path in list(write_folder(tmp_path).glob("*/*"))[:15]:
        path.write_bytes(b"no image")

    found = problems(f"folder:{tmp_path}")

    assert len(found) == 11
    assert found[-1] == "and more; only the first 10 are listed"
