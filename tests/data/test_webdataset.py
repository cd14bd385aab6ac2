"""Tar files in WebDataset's layout are found, indexed once and read image by image."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scaling.data import StreamSplit, load_data, tar_index, webdataset
from scaling.data.batches import BatchIndices, UnreadableImageWarning, batches
from scaling.study.config import DataConfig
from scaling.study.errors import DataError
from tests.support.images import check, encoded, images, number_of, numbered_picture, problems, write_shards, write_tar

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCALING_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


def stream(folder: Path, **settings) -> StreamSplit:
    data = load_data(DataConfig(source=f"wds:{folder}", image_size=8, memory_gib=1e-9, **settings))
    assert isinstance(data.train, StreamSplit)
    return data.train


def numbered_member(number: int, label: str, ending: str = "cls") -> list[tuple[str, bytes]]:
    return [(f"{number}.png", encoded(numbered_picture(number))), (f"{number}.{ending}", label.encode())]


def test_small_shards_are_decoded_into_memory_with_every_image_once(tmp_path: Path) -> None:
    data = load_data(DataConfig(source=f"wds:{write_shards(tmp_path / 'shards', 40)}"))

    check(data)
    numbers = [number for _, split in data.splits() for number in number_of(torch.from_numpy(images(split)))]
    assert sorted(numbers) == list(range(40))
    for _, split in data.splits():
        assert [n % 2 for n in number_of(torch.from_numpy(images(split)))] == list(split.labels)


def test_streamed_shards_give_each_image_with_its_label(tmp_path: Path) -> None:
    split = stream(write_shards(tmp_path / "shards", 40, per_shard=7))
    steps = [BatchIndices(np.arange(start, min(start + 5, len(split)))) for start in range(0, len(split), 5)]

    served = [(number_of(pixels), labels.tolist()) for pixels, labels in batches(split, steps, CPU)]

    numbers = [number for batch, _ in served for number in batch]
    assert len(numbers) == len(set(numbers)) == len(split)
    assert all([n % 2 for n in batch] == labels for batch, labels in served)


@pytest.mark.parametrize(
    ("pattern", "sets"),
    [("train-{000..002}.tar", [21]), ("train-00[12].tar", [14]), ("train-{000,004}.tar", [14]), ("*.tar", [40])],
)
def test_patterns_name_shards_as_webdataset_does(tmp_path: Path, pattern: str, sets: list[int]) -> None:
    write_shards(tmp_path / "shards", 40, per_shard=7)

    data = load_data(DataConfig(source=f"wds:{tmp_path}/shards/{pattern}"))

    assert sum(len(split) for _, split in data.splits()) == sum(sets)


def test_braces_expand_in_order_and_keep_leading_zeros() -> None:
    assert webdataset.expanded("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert webdataset.expanded("{train,val}-{0..1}") == ["train-0", "train-1", "val-0", "val-1"]
    assert webdataset.expanded("plain.tar") == ["plain.tar"]


def test_a_word_in_its_name_gives_a_file_its_set(tmp_path: Path) -> None:
    for name, start in (("imagenet1k-train-0000", 0), ("imagenet1k-validation-00", 50), ("imagenet1k-test-00", 90)):
        members = [member for i in range(start, start + 20) for member in numbered_member(i, str(i % 2))]
        write_tar(tmp_path / "shards" / f"{name}.tar", members)

    data = load_data(DataConfig(source=f"wds:{tmp_path}/shards"))

    firsts = [min(number_of(torch.from_numpy(images(split)))) for _, split in data.splits()]
    assert firsts == [0, 50, 90]


def test_labels_come_from_cls_or_json_or_the_folder(tmp_path: Path) -> None:
    shards = {
        "cls": [member for i in range(20) for member in numbered_member(i, "ab"[i % 2])],
        "json": [m for i in range(20) for m in numbered_member(i, json.dumps({"label": "ab"[i % 2]}), "json")],
        "folder": [(f"{'ab'[i % 2]}/{i}.png", encoded(numbered_picture(i))) for i in range(20)],
    }
    for name, members in shards.items():
        data = load_data(DataConfig(source=f"wds:{write_tar(tmp_path / f'{name}.tar', members)}"))

        assert data.class_names == ("a", "b")
        assert [n % 2 for n in number_of(torch.from_numpy(images(data.train)))] == list(data.train.labels)


def test_another_field_of_the_json_can_be_the_label(tmp_path: Path) -> None:
    members = [m for i in range(20) for m in numbered_member(i, json.dumps({"label": 0, "kind": i % 2}), "json")]
    file = write_tar(tmp_path / "a.tar", members)

    data = load_data(DataConfig(source=f"wds:{file}", label_column="kind"))

    assert data.num_classes == 2


def test_class_names_lie_beside_the_shards(tmp_path: Path) -> None:
    (write_shards(tmp_path / "shards", 20) / "classnames.txt").write_text("cat\ndog\n")

    assert load_data(DataConfig(source=f"wds:{tmp_path}/shards")).class_names == ("cat", "dog")


def test_a_tar_file_is_indexed_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, read = write_shards(tmp_path / "shards", 21, per_shard=7), []
    index_file = tar_index._read
    monkeypatch.setattr(tar_index, "_read", lambda file, field: read.append(file.name) or index_file(file, field))

    first, second = stream(folder), stream(folder)
    write_tar(folder / "train-001.tar", [m for i in range(100, 107) for m in numbered_member(i, str(i % 2))])
    third = stream(folder)

    assert sorted(read) == ["train-000.tar", "train-001.tar", "train-001.tar", "train-002.tar"]
    assert [first.images.place(i) for i in range(len(first))] == [second.images.place(i) for i in range(len(second))]
    assert any("member 10" in third.images.place(i) for i in range(len(third)))


def test_other_views_of_a_sample_are_ignored(tmp_path: Path) -> None:
    members = [m for i in range(20) for m in numbered_member(i, str(i % 2))]
    views = [(f"{i}.left.png", encoded(numbered_picture(99))) for i in range(20)]
    write_tar(tmp_path / "train.tar", members + views)

    data = load_data(DataConfig(source=f"wds:{tmp_path}"))

    numbers = [number for _, split in data.splits() for number in number_of(torch.from_numpy(images(split)))]
    assert sorted(numbers) == list(range(20))


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: content[:-40]])
def test_a_damaged_index_is_rebuilt(tmp_path: Path, cache: Path, damage: Callable[[bytes], bytes]) -> None:
    folder = write_shards(tmp_path / "shards", 21, per_shard=7)
    whole = stream(folder)
    for kept in (cache / "index").iterdir():
        kept.write_bytes(damage(kept.read_bytes()))

    again = stream(folder)

    assert [whole.images.place(i) for i in range(len(whole))] == [again.images.place(i) for i in range(len(again))]


def test_corrupt_images_in_a_tar_are_named_within_limits(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", 40, per_shard=7)
    split = stream(folder)
    victim = int(split.images.place(3).rsplit("member ", 1)[1].removesuffix(".png"))
    write_shards(folder, 40, per_shard=7, broken={victim})

    split = stream(folder)
    plan = [BatchIndices(np.arange(len(split)), seed=(0,))]
    with pytest.warns(UnreadableImageWarning, match=rf"train-00{victim // 7}\.tar member {victim:05}\.png: cannot be"):
        ((pixels, labels),) = batches(split, plan, CPU)
    assert len(labels) == len(split) - 1
    assert victim not in number_of(pixels)

    strict = stream(folder, most_unreadable=0)
    with pytest.raises(DataError, match=r"1 images cannot be read, more than data\.most_unreadable = 0"):
        list(batches(strict, plan, CPU))


def test_a_broken_tar_file_is_named_in_one_line(tmp_path: Path) -> None:
    whole = write_shards(tmp_path / "whole", 14, per_shard=14) / "train-000.tar"
    for name, keep in (("cut", 3 * 2048 + 700), ("header", 2048 * 2 + 100)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train-0.tar").write_bytes(whole.read_bytes()[:keep])
    (tmp_path / "junk.tar").write_bytes(b"no tar" * 200)
    write_tar(tmp_path / "unlabelled.tar", [(f"{i}.png", encoded(numbered_picture(i))) for i in range(3)])
    write_tar(tmp_path / "half.tar", [*numbered_member(1, "0"), *numbered_member(2, "1")[:1]])
    write_tar(tmp_path / "badjson.tar", numbered_member(1, "{", "json"))
    write_tar(tmp_path / "empty.tar", [("readme.txt", b"hello")])
    write_tar(tmp_path / "twice.tar", [*numbered_member(1, "0"), *numbered_member(2, "1"), *numbered_member(1, "1")])
    write_tar(tmp_path / "dotted.tar", [(f"img_0.{i}.png", encoded(numbered_picture(i))) for i in range(3)])
    for name, label in (("null", "null"), ("list", "[0, 1]"), ("truth", "true")):
        write_tar(tmp_path / f"{name}.tar", numbered_member(1, f'{{"label": {label}}}', "json"))
    write_tar(tmp_path / "number.tar", numbered_member(1, "3", "json"))
    expected = {
        "cut": "train-0.tar: not a complete, uncompressed tar file",
        "header": "train-0.tar: not a complete, uncompressed tar file",
        "junk.tar": "junk.tar: not a complete, uncompressed tar file",
        "unlabelled.tar": "unlabelled.tar member 0.png: no label",
        "half.tar": "half.tar member 2.png: no label",
        "badjson.tar": "badjson.tar: 1.json is not JSON",
        "empty.tar": "empty.tar: contains no images",
        "twice.tar": "twice.tar: 1.png occurs twice; keep one",
        "dotted.tar": "dotted.tar: img_0.2.png: a sample's name ends at its first dot",
        "null.tar": "null.tar member 1.png: no label",
        "list.tar": "list.tar: 1.json: label [0, 1] is neither an integer nor a string",
        "truth.tar": "truth.tar: 1.json: label true is neither an integer nor a string",
        "number.tar": "number.tar member 1.png: no label",
        "{half,half}.tar": "half.tar is named twice",
        "train-{0..1}.tar": "train-0.tar does not exist",
    }
    for name, text in expected.items():
        assert any(text in problem for problem in problems(f"wds:{tmp_path / name}")), name


@pytest.mark.parametrize("shards", ["{0000000..9999999}", "{0..999999999999999999}", "{a,b}" * 40])
def test_too_many_names_in_braces_are_refused_at_once(tmp_path: Path, shards: str) -> None:
    (problem,) = problems(f"wds:{tmp_path}/train-{shards}.tar")

    assert "at most 100,000 can be read" in problem


def test_missing_shards_are_one_line(tmp_path: Path) -> None:
    write_shards(tmp_path, 14, per_shard=7)

    (problem,) = problems(f"wds:{tmp_path}/train-{{000..999}}.tar")

    assert problem.startswith(f"{tmp_path}/train-{{000..999}}.tar: 998 of 1000 files do not exist: ")
    assert problem.endswith("; and 995 more")


def test_braces_that_count_down_are_refused(tmp_path: Path) -> None:
    assert "counts down" in problems(f"wds:{tmp_path}/train-{{9..0}}.tar")[0]


@pytest.mark.parametrize(
    "name", ["cat/.ipynb_checkpoints/0.png", "__MACOSX/cat/._0.png", "cat/@eaDir/0.png", "cat/._0.png"]
)
def test_members_of_tools_are_left_out(tmp_path: Path, name: str) -> None:
    members = [(f"{'cat' if i % 2 else 'dog'}/{i}.png", encoded(numbered_picture(i))) for i in range(20)]
    write_tar(tmp_path / "a.tar", [*members, (name, encoded(numbered_picture(99)))])
    (tmp_path / "._a.tar").write_bytes(b"Mac OS X")

    data = load_data(DataConfig(source=f"wds:{tmp_path}"))

    assert (data.class_names, sum(len(split) for _, split in data.splits())) == (("cat", "dog"), 20)
    assert any(f"a.tar member {name}" in note for note in data.notes)
    assert any("._a.tar" in note for note in data.notes)


def test_samples_of_unknown_endings_are_counted(tmp_path: Path) -> None:
    members = [member for i in range(20) for member in numbered_member(i, str(i % 2))]
    file = write_tar(tmp_path / "a.tar", [*members, ("90.cls", b"1"), ("90.heic", b"x")])

    notes = load_data(DataConfig(source=f"wds:{file}")).notes

    assert "left out: files that do not end as images do: 1 .heic (a.tar member 90.heic)" in notes


@pytest.mark.parametrize("label", ["-1", None])
@pytest.mark.parametrize("names", ["01", "ab"])
def test_shards_without_labels_count_as_absent(tmp_path: Path, label: str | None, names: str) -> None:
    write_tar(tmp_path / "train-0.tar", [m for i in range(20) for m in numbered_member(i, names[i % 2])])
    members = [numbered_member(i, label or "")[: 2 if label else 1] for i in range(5)]
    write_tar(tmp_path / "test-0.tar", [member for pair in members for member in pair])

    data = load_data(DataConfig(source=f"wds:{tmp_path}"))

    assert sum(len(split) for _, split in data.splits()) == 20
    assert any(note.endswith("the test set counts as absent") for note in data.notes)


def test_sets_inside_a_tar_are_not_classes(tmp_path: Path) -> None:
    members = [(f"{'train' if i % 2 else 'test'}/{i}.png", encoded(numbered_picture(i))) for i in range(20)]

    (problem,) = problems(f"wds:{write_tar(tmp_path / 'a.tar', members)}")

    assert "'test' and 'train' would be classes, but seem to be sets" in problem


def test_compressed_shards_are_named(tmp_path: Path) -> None:
    (tmp_path / "train-0.tar.gz").write_bytes(b"x")

    assert problems(f"wds:{tmp_path}")[0].endswith("decompress train-0.tar.gz")
