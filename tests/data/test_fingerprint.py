"""A fingerprint tells other data from the same data in another place, in every source."""

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scaling.data import fingerprint, load_data
from scaling.data.images import Blocks, FileImages, Images, StreamedImages
from scaling.data.registry import Examples, SourceContent, find
from scaling.study.config import DataConfig
from scaling.study.data_fingerprint import DataFingerprint, UsedData
from scaling.study.errors import DataError
from tests.support.images import (
    all_pixels,
    encoded,
    load_folder,
    numbered_picture,
    picture,
    write_folder,
    write_numbered_parquet,
    write_parquet,
    write_shards,
    write_tar,
)


def of(source: str, **settings: Any) -> DataFingerprint:
    content = load_data(DataConfig(source=source, allow_duplicates=True, **settings)).content
    assert content is not None
    return content.fingerprint


def used(source: str, **settings: Any) -> UsedData:
    content = load_data(DataConfig(source=source, allow_duplicates=True, **settings)).content
    assert content is not None
    return content.used


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos")


SPELLINGS: dict[str, Callable[[Path], str]] = {
    "slash": lambda photos: f"{photos}/",
    "through its parent": lambda photos: f"{photos}/../photos",
    "from here": lambda photos: os.path.relpath(photos),
    "link": lambda photos: str(linked(photos)),
    "copy": lambda photos: str(shutil.copytree(photos, photos.parent / "other disk" / "pictures")),
    "written in another order": lambda photos: str(reversed_copy(photos)),
}


def linked(photos: Path) -> Path:
    (link := photos.parent / "link").symlink_to(photos)
    return link


def reversed_copy(photos: Path) -> Path:
    for file in sorted(photos.rglob("*.png"), reverse=True):
        copy = photos.parent / "reversed" / file.relative_to(photos)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
        os.utime(copy, (1, 1))
    return photos.parent / "reversed"


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_the_same_folder_elsewhere_is_the_same(photos: Path, spelled: Callable[[Path], str]) -> None:
    assert of(f"folder:{spelled(photos)}") == of(f"folder:{photos}")


def test_unicode_forms_of_names_are_one(tmp_path: Path) -> None:
    classes = ("café", "caz", "öl", "zug")  # decomposed, é and ö would stand elsewhere in the order
    write_folder(tmp_path / "composed", classes=classes)
    write_folder(tmp_path / "decomposed", classes=tuple(unicodedata.normalize("NFD", name) for name in classes))
    for letter, root in (("\u00e4", tmp_path / "composed"), ("a\u0308", tmp_path / "decomposed")):
        for file in sorted(root.rglob("00[13].png")):
            file.rename(file.with_name(f"{letter}{file.name}"))

    assert of(f"folder:{tmp_path}/composed") == of(f"folder:{tmp_path}/decomposed")
    one, other = (load_folder(tmp_path / form) for form in ("composed", "decomposed"))
    assert np.array_equal(all_pixels(one), all_pixels(other))  # an equal division belongs to an equal fingerprint


def add(photos: Path) -> None:
    picture(7).save(photos / "cat" / "new.png")


def remove(photos: Path) -> None:
    (photos / "cat" / "003.png").unlink()


def rename(photos: Path) -> None:
    (photos / "cat" / "003.png").rename(photos / "cat" / "other.png")


def move(photos: Path) -> None:
    (photos / "cat" / "003.png").rename(photos / "dog" / "moved.png")


def swap(photos: Path) -> None:
    one, other = photos / "cat" / "003.png", photos / "dog" / "003.png"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def rename_class(photos: Path) -> None:
    (photos / "dog").rename(photos / "wolf")


def encode_anew(photos: Path) -> None:
    file = photos / "cat" / "003.png"
    Image.open(file).save(file, compress_level=0)


def flip_a_byte(photos: Path) -> None:
    """Change one pixel, at the same size and time."""
    file = photos / "cat" / "003.bmp"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = [add, remove, rename, move, swap, rename_class, encode_anew, flip_a_byte]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_other_images_or_labels_are_other_data(photos: Path, change: Callable[[Path], None]) -> None:
    picture(3).save(photos / "cat" / "003.bmp")
    before = of(f"folder:{photos}")

    change(photos)

    assert of(f"folder:{photos}").digest != before.digest


def test_what_is_no_content_does_not_matter(photos: Path) -> None:
    before = of(f"folder:{photos}")

    (photos / "cat" / "notes.txt").write_text("passed over")
    (photos / "dog" / ".hidden.png").write_bytes(b"passed over")
    (photos / "cat" / "000.png").touch()
    (photos / "cat" / "001.png").chmod(0o600)

    assert of(f"folder:{photos}") == before
    for settings in ({"image_size": 4}, {"train_limit": 4}, {"test_fraction": 0.3}, {"split_seed": 5}):
        assert of(f"folder:{photos}", **settings) == before
    assert of(f"folder:{photos}", image_size=8, memory_gib=1e-9) == before  # read from its files in every epoch


def test_a_fingerprint_counts_the_images_of_every_class(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", per_class=5)
    write_folder(tmp_path / "test", per_class=2)
    (tmp_path / "test" / "cat" / "000.png").unlink()

    sets = of(f"folder:{tmp_path}").sets

    assert {name: (one.images, one.classes) for name, one in sets.items()} == {
        "train": (10, {"cat": 5, "dog": 5}),
        "test": (3, {"cat": 1, "dog": 2}),
    }


def parquet(folder: Path, labels: list[int], *, names: tuple[str, ...] | None = None) -> str:
    return f"parquet:{write_parquet(folder / 'train.parquet', labels, names=names).parent}"


LABELS = [0, 1] * 10


def test_parquet_files_are_known_by_their_rows(tmp_path: Path) -> None:
    before = of(parquet(tmp_path / "one", LABELS, names=("cat", "dog")))

    assert of(parquet(tmp_path / "two", LABELS, names=("cat", "dog"))) == before
    for folder, labels, names in (
        ("labels", [1, 0, *LABELS[2:]], ("cat", "dog")),
        ("names", LABELS, ("cat", "wolf")),
        ("more", [*LABELS, 0], ("cat", "dog")),
    ):
        assert of(parquet(tmp_path / folder, labels, names=names)).digest != before.digest
    again = write_parquet(tmp_path / "image" / "train.parquet", LABELS, names=("cat", "dog"), broken=7)
    assert fingerprint_alone(f"parquet:{again}").digest != before.digest


def fingerprint_alone(source: str) -> DataFingerprint:
    """Take the fingerprint of data that cannot be loaded."""
    return of_listed(find(DataConfig(source=source)))


def of_listed(found: SourceContent) -> DataFingerprint:
    inventories = fingerprint.inventories_of(found)
    return fingerprint.content_of(found, {}, inventories, fingerprint.cache_file(found, inventories)).fingerprint


def test_small_parquet_data_may_be_grouped_and_divided_anew(tmp_path: Path) -> None:
    one = write_numbered_parquet(tmp_path / "one", range(60), files=1, rows_per_group=60)
    other = write_numbered_parquet(tmp_path / "other", range(60), files=4, rows_per_group=7)

    assert of(f"parquet:{one}") == of(f"parquet:{other}")


def test_tar_files_are_known_by_their_members(tmp_path: Path) -> None:
    before = of(f"wds:{write_shards(tmp_path / 'one', 20, per_shard=7)}")

    assert of(f"wds:{write_shards(tmp_path / 'two', 20, per_shard=20)}") == before
    assert of(f"wds:{write_shards(tmp_path / 'more', 21)}").digest != before.digest
    members = [(f"{n:05}.png", encoded(numbered_picture(n))) for n in range(20)]
    labels = [(f"{n:05}.cls", str(n % 2).encode()) for n in range(20)]
    write_tar(tmp_path / "same" / "train-0.tar", [*members, *labels])
    assert of(f"wds:{tmp_path / 'same'}") == before
    write_tar(tmp_path / "turned" / "train-0.tar", [*members[::-1], *labels])
    assert of(f"wds:{tmp_path / 'turned'}").digest != before.digest  # another order is divided otherwise


class Plain(Images):
    """Images as a plugin may define them, with nothing for fingerprints."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.opened: list[int] = []

    def __len__(self) -> int:
        return len(self.array)

    def open(self, index: int) -> Image.Image:
        self.opened.append(index)
        return Image.fromarray(self.array[index])

    def place(self, index: int) -> str:
        return f"image {index}"


def of_plain(images: Images, labels: np.ndarray) -> DataFingerprint:
    found = SourceContent({"train": Examples("plain", images, labels)}, ("a", "b"))
    return of_listed(found)


@pytest.mark.parametrize("change", [None, "pixel", "label"])
def test_a_plain_source_of_a_plugin_is_known_by_pixels(change: str | None) -> None:
    values = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    labels = np.arange(40) % 2
    other, relabelled = values.copy(), labels.copy()
    other[17, 2, 2] ^= 255 if change == "pixel" else 0
    relabelled[:2] = relabelled[1::-1] if change == "label" else relabelled[:2]

    digests = {of_plain(Plain(values), labels).digest, of_plain(Plain(other), relabelled).digest}

    assert len(digests) == (1 if change is None else 2)


def test_of_a_plain_source_little_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    images = Plain(np.zeros((3000, 4, 4), np.uint8))
    of_plain(images, np.arange(3000) % 2)
    assert len(images.opened) == len(set(images.opened)) == fingerprint.SAMPLE

    images.opened.clear()
    monkeypatch.setattr(fingerprint, "SMALL_BYTES", 100)  # pixels, of 16 and a few letters a picture
    of_plain(images, np.arange(3000) % 2)
    assert 4 <= len(images.opened) <= 7


def test_blocks_without_an_inventory_are_read_in_part() -> None:
    class Grouped(StreamedImages):
        def __init__(self) -> None:
            self.opened: list[int] = []

        def __len__(self) -> int:
            return 100

        def open(self, index: int) -> Image.Image:
            self.opened.append(index)
            return numbered_picture(index)

        def place(self, index: int) -> str:
            return f"image {index}"

        def take(self, indices: np.ndarray) -> "Grouped":
            return self

        def blocks(self) -> Blocks:
            return Blocks(np.arange(100) // 10, np.full(10, 50 * 2.0**20))

    images = Grouped()
    of_plain(images, np.arange(100) % 2)

    assert len(images.opened) == 10
    assert len({index // 10 for index in images.opened}) == 1


def test_images_without_labels_are_named() -> None:
    with pytest.raises(DataError, match="plain: 4 images and 3 labels; a source gives every image a label"):
        of_plain(Plain(np.zeros((4, 2, 2), np.uint8)), np.zeros(3, np.int64))
    odd = of_plain(Plain(np.zeros((3, 2, 2), np.uint8)), np.array([0, 7, -1]))
    assert odd.sets["train"].classes == {"a": 1, "7": 1, "-1": 1}


def test_absolute_paths_of_a_plugin_are_relative_to_its_place(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "elsewhere" / "photos")

    def names(root: Path) -> Any:
        return FileImages(root, [str(path) for path in sorted(root.rglob("*.png"))]).inventory().names

    assert names(photos) == names(copy)
    assert names(photos)[0] == "cat/000.png"


def test_what_cannot_be_read_is_left_to_decoding(photos: Path) -> None:
    (photos / "cat" / "000.png").write_bytes(b"junk")
    (photos / "cat" / "001.png").unlink()
    (photos / "cat" / "001.png").symlink_to(photos / "nowhere.png")

    assert fingerprint_alone(f"folder:{photos}").sets["train"].images == 20


def test_a_second_start_reads_no_image_again(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(f"folder:{photos}")
    read: list[int] = []
    stored = FileImages.stored
    monkeypatch.setattr(FileImages, "stored", lambda self, index: read.append(index) or stored(self, index))
    monkeypatch.setattr("scaling.data.load.equal_images", lambda *_: [])  # which reads images too

    assert of(f"folder:{photos}") == before
    assert read == []
    add(photos)
    of(f"folder:{photos}")
    assert len(read) == 21


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-9],
        lambda content: b"{}",
        lambda content: b"[1, 2]",
        lambda content: b"\xff\xfe",
        lambda content: content.replace(b'"images": 20', b'"images": 21'),
    ],
)
def test_a_damaged_cache_is_ignored(
    photos: Path, damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_DATA", str(tmp_path / "cache"))
    before = of(f"folder:{photos}")
    (cached,) = (tmp_path / "cache" / "fingerprints").glob("*[0-9a-f].json")
    content = cached.read_bytes()

    cached.write_bytes(damage(content))

    assert of(f"folder:{photos}") == before
    assert cached.read_bytes() == content


def test_a_cache_that_cannot_be_written_is_done_without(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCALING_DATA", str(tmp_path / "file"))

    assert of(f"folder:{photos}").sets["train"].images == 20


def test_of_a_large_set_a_bounded_sample_is_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "SMALL_IMAGES", 10)
    monkeypatch.setattr(fingerprint, "SAMPLE", 6)
    read: list[int] = []
    stored = FileImages.stored
    monkeypatch.setattr(FileImages, "stored", lambda self, index: read.append(index) or stored(self, index))
    monkeypatch.setattr("scaling.data.load.equal_images", lambda *_: [])  # which reads images too
    before = of(f"folder:{photos}")
    assert len(read) == 6
    chosen = set(read)
    outside = next(index for index in range(10) if index not in chosen)

    file = photos / "cat" / f"{outside:03}.png"
    file.write_bytes(file.read_bytes() + b"\0")  # as if it were written anew: its size tells

    after = of(f"folder:{photos}")
    assert after.digest != before.digest
    assert after.sets["train"].content == before.sets["train"].content
    monkeypatch.setattr(fingerprint, "SMALL_BYTES", 1)
    read.clear()
    of(f"folder:{photos}")
    assert len(read) == 1  # never none


def test_of_large_parquet_data_whole_row_groups_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_numbered_parquet(tmp_path, range(100), rows_per_group=10)
    whole = of(f"parquet:{folder}")
    monkeypatch.setattr(fingerprint, "SMALL_BYTES", 2000)

    part = of(f"parquet:{folder}")

    assert part.sets["train"].names == whole.sets["train"].names
    assert part.sets["train"].content != whole.sets["train"].content


def test_the_images_of_a_score_have_a_digest(tmp_path: Path) -> None:
    write_folder(tmp_path / "own" / "train")
    write_folder(tmp_path / "own" / "test", per_class=3)
    own, drawn = f"folder:{tmp_path}/own", f"folder:{write_folder(tmp_path / 'drawn')}"
    before = used(own), used(drawn)

    assert before[0].test != before[1].test
    assert {name: one.images for name, one in before[1].sets.items()} == {"train": 14, "validation": 2, "test": 4}
    for settings in ({"image_size": 4}, {"train_limit": 4}, {"validation_fraction": 0.3}):
        assert [used(one, **settings).test for one in (own, drawn)] == [one.test for one in before]
    for settings in ({"split_seed": 1}, {"test_fraction": 0.5}):
        assert used(own, **settings).test == before[0].test
        assert used(drawn, **settings).test != before[1].test
    picture(7).save(tmp_path / "own" / "train" / "cat" / "new.png")
    assert used(own).test == before[0].test
    assert used(own).fingerprint != before[0].fingerprint


def test_repetitions_that_draw_share_a_pool(photos: Path) -> None:
    assert set(used(f"folder:{photos}", split="per_repetition").sets) == {"pool", "test"}
