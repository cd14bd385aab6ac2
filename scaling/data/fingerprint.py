"""The fingerprint of what a source holds: by it a study knows its data again, wherever they lie.

It is taken of what the source lists, before anything is divided, limited, decoded or resized: the relative name, the
class and the size of every image, and the bytes of a sample, in the source's order, on which the division depends.
What is read is bounded, so a large set with a changed image of the same name and size may look unchanged.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from scaling.data.class_names import one_form
from scaling.data.images import Images, Inventory, StreamedImages
from scaling.data.registry import Examples, SourceContent
from scaling.data.splits import Chosen
from scaling.data.torchvision import data_root
from scaling.study.data_fingerprint import (
    DIGITS,
    DataContent,
    DataFingerprint,
    SetFingerprint,
    UsedData,
    UsedSet,
    digest_of,
)
from scaling.study.errors import DataError, StorageError
from scaling.study.storage import write_atomically
from scaling.wording import plural

VERSION = 1  # of what a digest is taken of; another gives every study other fingerprints
SMALL_IMAGES, SMALL_BYTES = 2000, 64 * 2**20  # up to both, all images of a set are read
SAMPLE = 512  # images that are read of a larger set, unless their bytes are more than the above


def inventories_of(found: SourceContent) -> dict[str, Inventory]:
    """Return what is known of the images of each set without reading one."""
    return {name: examples.images.inventory() for name, examples in found.sets.items()}


def content_of(
    found: SourceContent, parts: Mapping[str, Chosen], inventories: Mapping[str, Inventory], cached: Path | None
) -> DataContent:
    """Return the fingerprint of a source and of the parts of it that trials use.

    Args:
        parts: as `splits.with_limit` returns them.
        inventories: of each set.
        cached: where the fingerprint is kept (`cache_file`); None: nowhere.
    """
    names = {name: _names(one, found.class_names, inventories[name]) for name, one in found.sets.items()}
    whole = _from_cache(cached)
    if whole is None:
        sets = {
            name: _of_set(examples, found.class_names, inventories[name], names[name])
            for name, examples in found.sets.items()
        }
        whole = DataFingerprint(sets=sets, flip=found.flip, shift=found.shift)
        if cached is not None:
            with contextlib.suppress(StorageError):  # what cannot be cached is computed again
                write_atomically(cached, whole.model_dump_json(indent=1).encode())
    redrawn = {"train", "validation"} if "pool" in parts else set()  # anew in every repetition
    used = {
        name: _used(found, whole, examples, rows) for name, (examples, rows) in parts.items() if name not in redrawn
    }
    return DataContent(whole, UsedData(fingerprint=whole.digest, sets=used))


def _of_set(examples: Examples, class_names: Sequence[str], inventory: Inventory, names: str) -> SetFingerprint:
    lengths = []
    content = hashlib.sha256()
    for index in _sample(examples.images, inventory).tolist():
        read = _stored(examples.images, index)
        lengths.append(len(read))
        content.update(f"{index} {len(read)} ".encode() + read)
        if inventory.sizes is None and sum(lengths) > SMALL_BYTES:
            break
    is_whole = len(lengths) == len(examples.images)  # then how rows are grouped does not matter
    sizes = lengths if is_whole else [] if inventory.sizes is None else inventory.sizes.tolist()
    return SetFingerprint(
        images=len(examples.images),
        classes=dict(Counter(_classes(examples, class_names))),
        names=names,
        sizes=digest_of(map(str, sizes)),
        content=content.hexdigest()[:DIGITS],
    )


def _names(examples: Examples, class_names: Sequence[str], inventory: Inventory) -> str:
    """Return the digest of the name and class of every image.

    Raises:
        DataError: there are not as many labels as images.
    """
    classes = _classes(examples, class_names)
    if len(classes) != len(examples.images):
        counts = f"{plural(len(examples.images), 'image')} and {plural(len(classes), 'label')}"
        raise DataError(f"{examples.name}: {counts}; a source gives every image a label")
    names = inventory.names if inventory.names is not None else [""] * len(classes)
    return digest_of(f"{name}\0{of}\0" for name, of in zip(names, classes, strict=True))


def _classes(examples: Examples, class_names: Sequence[str]) -> list[str]:
    """Return the name of the class of every image; of a label that has none, its number."""
    known = {label: one_form(name) for label, name in enumerate(class_names)}
    return [known.get(label, str(label)) for label in examples.labels.tolist()]


def _sample(images: Images, inventory: Inventory) -> np.ndarray:
    """Return the indices of the images to read: all of a small set in order, else a seeded sample.

    Of images that can only be read in blocks, whole blocks are taken. Where sizes are unknown, so is the end.
    """
    count, sizes = len(images), inventory.sizes
    blocks = images.blocks() if isinstance(images, StreamedImages) else None
    rng = np.random.default_rng(0)
    if blocks is not None:
        chosen = _within(rng.permutation(len(blocks.sizes)), blocks.sizes)
        return np.flatnonzero(np.isin(blocks.numbers, chosen))
    if sizes is None:
        return rng.permutation(count)[:SAMPLE]
    if count <= SMALL_IMAGES and sizes.sum() <= SMALL_BYTES:
        return np.arange(count)
    return np.sort(_within(rng.permutation(count)[:SAMPLE], sizes))


def _within(order: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the first of `order` whose sizes together are small; at least one."""
    return order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), SMALL_BYTES, side="right")))]


def _stored(images: Images, index: int) -> bytes:
    """Return the bytes of one image, or what stands for one that cannot be read; decoding names it."""
    try:
        return images.stored(index)
    except Exception:
        return b"unreadable"


def _used(found: SourceContent, whole: DataFingerprint, examples: Examples, rows: np.ndarray) -> UsedSet:
    """Return which images of a source's set are used; all of them have the set's own digest."""
    name = next(name for name, one in found.sets.items() if one is examples)
    digest = whole.sets[name].digest
    if not np.array_equal(rows, np.arange(len(examples.labels))):
        chosen = hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()
        digest = digest_of([digest, chosen])
    return UsedSet(images=len(rows), classes=len(np.unique(examples.labels[rows])), digest=digest)


def cache_file(found: SourceContent, inventories: Mapping[str, Inventory]) -> Path | None:
    """Return the file in `data_root()` that keeps the fingerprint; None if changes of the images could not be seen.

    It is another one as soon as a file has another name, class, size, time or inode.
    """
    identity = hashlib.sha256(f"{VERSION} {SMALL_IMAGES} {SMALL_BYTES} {SAMPLE} {found.flip} {found.shift}".encode())
    for name, inventory in inventories.items():
        if inventory.state is None:
            return None
        names = _names(found.sets[name], found.class_names, inventory)
        identity.update(f"{name} {len(found.sets[name].labels)} {names} ".encode() + inventory.state)
    return data_root() / "fingerprints" / f"{identity.hexdigest()[:20]}.json"


def _from_cache(file: Path | None) -> DataFingerprint | None:
    """Return the cached fingerprint; None if there is none, or a damaged one."""
    if file is None:
        return None
    try:
        content = file.read_bytes()
        whole = DataFingerprint.model_validate_json(content)
    except (OSError, ValidationError):
        return None
    return whole if content == whole.model_dump_json(indent=1).encode() else None  # its own digest is part of it
