"""Index of the images in a tar file, for random access: read once from the headers and cached."""

import contextlib
import hashlib
import io
import json
import os
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from PIL import Image

from scaling.data.class_names import one_form
from scaling.data.images import Inventory, StreamedImages, state_of
from scaling.data.listing import ENDING, IMAGE_ENDINGS, reason_to_skip_path
from scaling.study.errors import DataError

INDEX_VERSION = 2  # of the cached files; raise it when the meaning of their content changes
LABEL_FIELDS = ("label", "cls")  # of a sample's JSON, most common first
# Errors of a damaged index in the cache, which is then rebuilt
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class TarIndex:
    """The samples of one tar file, in file order; arrays (N,)."""

    names: np.ndarray  # bytes: name of the image's member
    offsets: np.ndarray  # int64: of the image's first byte in the file
    sizes: np.ndarray  # int64: bytes
    labels: np.ndarray  # str: as in the file; empty if a sample has none
    passed: np.ndarray  # str (M,): members that are passed over
    reasons: np.ndarray  # str (M,): why, as in `listing`


class TarImages(StreamedImages):
    """Images at known positions in tar files.

    Args:
        shard: int32 (N,): index of each image's file.
        names, offsets, sizes: as in `TarIndex`.
    """

    def __init__(
        self, files: tuple[str, ...], shard: np.ndarray, names: np.ndarray, offsets: np.ndarray, sizes: np.ndarray
    ) -> None:
        self.files, self.shard, self.names, self.offsets, self.sizes = files, shard, names, offsets, sizes

    @classmethod
    def of(cls, files: tuple[str, ...], found: list[TarIndex]) -> "TarImages":
        """Return all images of some files."""
        shard = np.repeat(np.arange(len(found), dtype=np.int32), [len(index.names) for index in found])
        columns = (np.concatenate([getattr(index, name) for index in found]) for name in ("names", "offsets", "sizes"))
        return cls(files, shard, *columns)

    def __len__(self) -> int:
        return len(self.names)

    def open(self, index: int) -> Image.Image:
        return Image.open(io.BytesIO(self.stored(index)))

    def place(self, index: int) -> str:
        return f"{self.files[self.shard[index]]} member {os.fsdecode(self.names[index])}"

    def take(self, indices: np.ndarray) -> "TarImages":
        columns = (column[indices] for column in (self.shard, self.names, self.offsets, self.sizes))
        return TarImages(self.files, *columns)

    def inventory(self) -> Inventory:
        names = [one_form(os.path.normpath(os.fsdecode(name))) for name in self.names.tolist()]
        return Inventory(names, self.sizes, state_of(self.files)[1])

    def stored(self, index: int) -> bytes:
        with open(self.files[self.shard[index]], "rb", buffering=0) as file:
            file.seek(int(self.offsets[index]))
            return file.read(int(self.sizes[index]))


def indexed(file: Path, label_field: str | None, cache: Path) -> TarIndex:
    """Return the index of a tar file: from `cache` if the file has not changed, else a new one, which is cached.

    Args:
        label_field: of a sample's JSON; None means the first of `LABEL_FIELDS` that is there.

    Raises:
        DataError: the file is not a tar file, is truncated or compressed, or the image or class of a sample is invalid
            or ambiguous.
    """
    state = file.stat()
    identity = (INDEX_VERSION, str(file), state.st_size, state.st_mtime_ns, label_field)
    cached = cache / f"{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:20]}.npz"
    with contextlib.suppress(*DAMAGE), cached.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
        return TarIndex(**{field.name: arrays[field.name] for field in fields(TarIndex)})
    index = _read(file, label_field)
    with contextlib.suppress(OSError):  # an index that cannot be cached is rebuilt next time
        cache.mkdir(parents=True, exist_ok=True)
        temporary = cached.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as out:
            np.savez(out, **{field.name: getattr(index, field.name) for field in fields(TarIndex)})
        temporary.replace(cached)
    return index


@dataclass
class _Sample:
    name: str = ""
    offset: int = 0
    size: int = 0
    label: str = ""
    endings: set[str] = field(default_factory=set)  # of its members
    dotted: str = ""  # a member like 0001.left.png, which is no image of its own: names end at the first dot


def _read(file: Path, label_field: str | None) -> TarIndex:
    """Read the headers; members whose names agree up to the first dot are one sample, as in WebDataset."""
    samples: dict[str, _Sample] = {}
    passed: list[tuple[str, str]] = []
    end = 0
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if member.isfile() and (reason := reason_to_skip_path(member.name)):
                    passed.append((member.name, reason))
                elif member.isfile():
                    folder, base = os.path.split(member.name)
                    stem, _, ending = base.partition(".")
                    _note(samples.setdefault(os.path.join(folder, stem), _Sample()), ending, member, tar, label_field)
                tar.members = []  # type: ignore[attr-defined]  # frees the headers, which fill memory in large files
        _check_end(file, end)
    except (tarfile.TarError, EOFError) as error:
        done = sum(bool(sample.name) for sample in samples.values())
        raise DataError(
            f"{file}: not a complete, uncompressed tar file: {' '.join(str(error).split())} after {done} images;"
            " download it again, or decompress it"
        ) from None
    except _SampleError as error:
        raise DataError(f"{file}: {error}") from None
    for sample in samples.values():
        if sample.dotted and not sample.name:
            raise DataError(
                f"{file}: {sample.dotted}: a sample's name ends at its first dot, so this is not a sample of its own;"
                " use names without dots"
            )
    whole = [sample for sample in samples.values() if sample.name]
    for stem, sample in samples.items():
        if sample.label and not sample.name:
            passed += [(f"{stem}.{ending}", ENDING) for ending in sorted(sample.endings - {"cls", "json"})]
    return TarIndex(
        names=np.array([os.fsencode(sample.name) for sample in whole], dtype=bytes),
        offsets=np.array([sample.offset for sample in whole], np.int64),
        sizes=np.array([sample.size for sample in whole], np.int64),
        labels=np.array([sample.label for sample in whole], dtype=str),
        passed=np.array([name for name, _ in passed], dtype=str),
        reasons=np.array([reason for _, reason in passed], dtype=str),
    )


def _check_end(file: Path, end: int) -> None:
    """Raise if no end marker follows the last member: tarfile mistakes a damaged header for the end."""
    with file.open("rb") as content:
        content.seek(end)
        if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("truncated or damaged")


class _SampleError(Exception):
    """A sample is invalid or ambiguous."""


def _note(sample: _Sample, ending: str, member: tarfile.TarInfo, tar: tarfile.TarFile, label_field: str | None) -> None:
    """Add to `sample` what its member holds: the image, the class, or nothing of use."""
    if ending in sample.endings:
        raise _SampleError(f"{member.name} occurs twice; keep one")
    sample.endings.add(ending)
    if "." + ending.lower() in IMAGE_ENDINGS and not sample.name:
        sample.name, sample.offset, sample.size = member.name, member.offset_data, member.size
    elif os.path.splitext(ending)[1].lower() in IMAGE_ENDINGS:
        sample.dotted = member.name
    elif ending == "cls" and label_field is None:
        sample.label = _text(member, tar)
    elif ending == "json" and not sample.label:
        try:
            content = json.loads(_text(member, tar))
        except ValueError:
            raise _SampleError(f"{member.name} is not JSON") from None
        names = LABEL_FIELDS if label_field is None else (label_field,)
        values = content if isinstance(content, dict) else {}
        label = next((values[name] for name in names if values.get(name) is not None), "")
        if not isinstance(label, str | int) or isinstance(label, bool):
            raise _SampleError(f"{member.name}: label {json.dumps(label)[:60]} is neither an integer nor a string")
        sample.label = str(label)


def _text(member: tarfile.TarInfo, tar: tarfile.TarFile) -> str:
    content = tar.extractfile(member)
    return content.read().decode("utf-8", "replace").strip() if content else ""
