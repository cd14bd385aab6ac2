"""Two fingerprints tell what changed, set by set, in the order of what a user would look for."""

import hashlib
import json

import pytest

from scaling.study.config import DataConfig, TrialConfig
from scaling.study.data_fingerprint import DataFingerprint, SetFingerprint, UsedData, UsedSet, changes


def of(names: str = "n", sizes: str = "s", content: str = "c", **classes: int) -> SetFingerprint:
    return SetFingerprint(images=sum(classes.values()), classes=classes, names=names, sizes=sizes, content=content)


BEFORE = {"train": of(cat=10, dog=5), "test": of(cat=2, dog=2)}
CASES = {
    "more": ({"train": of("m", cat=130, dog=5)}, ["train: 120 images more in class cat"]),
    "fewer": ({"train": of("m", cat=10, dog=4)}, ["train: 1 image fewer in class dog"]),
    "moved": ({"train": of("m", cat=9, dog=6)}, ["train: 1 image more in class dog, 1 image fewer in class cat"]),
    "new class": ({"train": of("m", cat=10, dog=5, cow=3)}, ["train: 3 images in a new class cow"]),
    "class gone": ({"train": of("m", cat=10)}, ["train: 5 images fewer, as class dog is gone"]),
    "renamed": (
        {"train": of("m", cat=10, wolf=5)},
        ["train: 5 images in a new class wolf, 5 images fewer, as class dog is gone"],
    ),
    "swapped": (
        {"train": of("m", cat=10, dog=5)},
        ["train: as many images in each class, but others, or in another order: their names or classes differ"],
    ),
    "written anew": (
        {"train": of(sizes="m", cat=10, dog=5)},
        ["train: the same names, but the images were written anew: their sizes in bytes differ"],
    ),
    "flipped": ({"test": of(content="m", cat=2, dog=2)}, ["test: the same names and sizes, but other content"]),
    "two sets": (
        {"train": of("m", cat=11, dog=5), "test": of("m", cat=2, dog=1)},
        ["train: 1 image more in class cat", "test: 1 image fewer in class dog"],
    ),
    "new set": ({"validation": of(cat=1)}, ["a validation set is new (1 image)"]),
    "same": ({}, []),
}


@pytest.mark.parametrize(("change", "said"), CASES.values(), ids=CASES)
def test_changes_are_named_set_by_set(change: dict[str, SetFingerprint], said: list[str]) -> None:
    before, now = DataFingerprint(sets=BEFORE), DataFingerprint(sets={**BEFORE, **change})

    assert changes(before, now) == said
    assert (before.digest == now.digest) == (not said)


def test_many_changed_classes_are_summed_up() -> None:
    before = DataFingerprint(sets={"train": of(a=1, b=1, c=1, d=1, e=1), "test": of(a=4)})
    now = DataFingerprint(sets={"train": of("m", a=2, b=3, c=4, d=5, e=6)})

    assert changes(before, now) == [
        "train: 5 images more in class e; 4 images more in class d; 3 images more in class c; and 2 more",
        "the test set is gone (4 images)",
    ]


def test_advice_on_augmentation_belongs_to_the_data() -> None:
    one, other = DataFingerprint(sets=BEFORE), DataFingerprint(sets=BEFORE, flip=False)

    assert one.digest != other.digest
    assert changes(one, other) == ["the source recommends other random flips or shifts"]


def test_a_fingerprint_is_stored_with_its_digest() -> None:
    whole = DataFingerprint(sets=BEFORE)

    assert whole.digest in whole.model_dump_json()
    assert DataFingerprint.model_validate_json(whole.model_dump_json()) == whole


def test_the_test_set_has_a_digest_of_its_own() -> None:
    data = UsedData(fingerprint="f", sets={"test": UsedSet(images=1, classes=1, digest="t")})

    assert (data.test, UsedData(fingerprint="f", sets={}).test) == ("t", None)


def config(source: str = "folder:photos", known: str | None = "f", **data: object) -> TrialConfig:
    settings = DataConfig.model_validate({"source": source, **data})
    return TrialConfig(family="patchconvnet", arch={}, data=settings, data_fingerprint=known)


def test_a_known_fingerprint_replaces_the_source_in_the_key() -> None:
    assert config().key == config("folder:/other/disk/photos/").key == config("digits").key
    assert config().key != config(known="g").key
    assert config().key != config(known=None).key
    assert config().key != config(image_size=32).key
    assert config(image_size=32).key == config("digits", image_size=32).key
    assert config(known=None).key != config("folder:photos/", known=None).key


def test_a_key_without_a_fingerprint_is_the_earlier_one() -> None:
    written = {"key_version": 1, "family": "patchconvnet", "arch": {}, "data": {"source": "folder:photos"}}

    assert config(known=None).key == hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:16]
