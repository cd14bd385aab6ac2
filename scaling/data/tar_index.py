"""Where the images lie in a tar file: read once from its headers, kept beside other caches, used for random access."""

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

from scaling.data.folder import SUFFIXES
from scaling.data.images import StreamedImages
from scaling.study.errors import DataError

INDEX_VERSION = 1  # of the cached files; raise it when their content changes its meaning
LABEL_FIELDS = ("label", "cls")  # of a sample's JSON, most usual first
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)  # of a kept index: it is made anew


@dataclass(frozen=True, eq=False)
class TarIndex:
    """The samples of one tar file, in its order; arrays (N,)."""

    names: np.ndarray  # bytes: the member that is the image
    offsets: np.ndarray  # int64: of its first byte in the file
    sizes: np.ndarray  # int64: bytes
    labels: np.ndarray  # str: as they are written; empty where a sample has none


class TarImages(StreamedImages):
    """Images at known places of some tar files.

    Args:
        shard: int32 (N,): number of each image's file.
        names, offsets, sizes: as in `TarIndex`.
    """

    def __init__(
        self, files: tuple[str, ...], shard: np.ndarray, names: np.ndarray, offsets: np.ndarray, sizes: np.ndarray
    ) -> None:
        self.files, self.shard, self.names, self.offsets, self.sizes = files, shard, names, offsets, sizes

    @classmethod
    def of(cls, files: tuple[str, ...], found: list[TarIndex]) -> "TarImages":
        """All images of some files."""
        shard = np.repeat(np.arange(len(found), dtype=np.int32), [len(index.names) for index in found])
        columns = (np.concatenate([getattr(index, name) for index in found]) for name in ("names", "offsets", "sizes"))
        return cls(files, shard, *columns)

    def __len__(self) -> int:
        return len(self.names)

    def open(self, index: int) -> Image.Image:
        with open(self.files[self.shard[index]], "rb", buffering=0) as file:
            file.seek(int(self.offsets[index]))
            return Image.open(io.BytesIO(file.read(int(self.sizes[index]))))

    def place(self, index: int) -> str:
        return f"{self.files[self.shard[index]]} member {os.fsdecode(self.names[index])}"

    def take(self, indices: np.ndarray) -> "TarImages":
        columns = (column[indices] for column in (self.shard, self.names, self.offsets, self.sizes))
        return TarImages(self.files, *columns)


def indexed(file: Path, label_field: str | None, cache: Path) -> TarIndex:
    """Index of a tar file: the one in `cache`, if the file has not changed since, else a new one, which is kept there.

    Args:
        label_field: of a sample's JSON; None finds one of `LABEL_FIELDS`.

    Raises:
        DataError: the file is no tar file, or is cut off, or is compressed; a sample's JSON tells no class; or it
            cannot be told which image or which class is a sample's.
    """
    state = file.stat()
    identity = (INDEX_VERSION, str(file), state.st_size, state.st_mtime_ns, label_field)
    kept = cache / f"{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:20]}.npz"
    with contextlib.suppress(*DAMAGE), kept.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
        return TarIndex(**{field.name: arrays[field.name] for field in fields(TarIndex)})
    index = _read(file, label_field)
    with contextlib.suppress(OSError):  # without a place to keep it, it is read again next time
        cache.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as out:
            np.savez(out, **{field.name: getattr(index, field.name) for field in fields(TarIndex)})
        temporary.replace(kept)
    return index


@dataclass
class _Sample:
    name: str = ""
    offset: int = 0
    size: int = 0
    label: str = ""
    endings: set[str] = field(default_factory=set)  # of its members
    dotted: str = ""  # a member that would be an image, were a sample's name not what stands before the first dot


def _read(file: Path, label_field: str | None) -> TarIndex:
    """Go through the headers: members of one name up to its first dot are one sample, as WebDataset has it."""
    samples: dict[str, _Sample] = {}
    end = 0
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if member.isfile() and not os.path.basename(member.name).startswith("."):
                    folder, base = os.path.split(member.name)
                    stem, _, ending = base.partition(".")
                    _note(samples.setdefault(os.path.join(folder, stem), _Sample()), ending, member, tar, label_field)
                tar.members = []  # type: ignore[attr-defined]  # or all headers of a large file stay in memory
        _check_end(file, end)
    except (tarfile.TarError, EOFError) as error:
        done = sum(bool(sample.name) for sample in samples.values())
        raise DataError(
            f"{file}: not a whole, uncompressed tar file: {' '.join(str(error).split())} after {done} images; fetch it"
            " again, or unpack what is packed"
        ) from None
    except _SampleError as error:
        raise DataError(f"{file}: {error}") from None
    for sample in samples.values():
        if sample.dotted and not sample.name:
            raise DataError(
                f"{file}: {sample.dotted}: a sample's name ends at its first dot, so this is no image of its own; write"
                " names without dots"
            )
    whole = [sample for sample in samples.values() if sample.name]
    return TarIndex(
        names=np.array([os.fsencode(sample.name) for sample in whole], dtype=bytes),
        offsets=np.array([sample.offset for sample in whole], np.int64),
        sizes=np.array([sample.size for sample in whole], np.int64),
        labels=np.array([sample.label for sample in whole], dtype=str),
    )


def _check_end(file: Path, end: int) -> None:
    """Raise where no end mark stands behind the last member: tarfile takes a damaged header for the end."""
    with file.open("rb") as content:
        content.seek(end)
        if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("cut off or damaged")


class _SampleError(Exception):
    """What a sample is cannot be told."""


def _note(sample: _Sample, ending: str, member: tarfile.TarInfo, tar: tarfile.TarFile, label_field: str | None) -> None:
    """Take from a member what it says of its sample: the image, its class, or nothing."""
    if ending in sample.endings:
        raise _SampleError(f"{member.name} is there twice; which of them is the sample's cannot be told")
    sample.endings.add(ending)
    if "." + ending.lower() in SUFFIXES and not sample.name:
        sample.name, sample.offset, sample.size = member.name, member.offset_data, member.size
    elif os.path.splitext(ending)[1].lower() in SUFFIXES:
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
            raise _SampleError(f"{member.name}: its label is {json.dumps(label)[:60]}, neither a number nor a name")
        sample.label = str(label)


def _text(member: tarfile.TarInfo, tar: tarfile.TarFile) -> str:
    content = tar.extractfile(member)
    return content.read().decode("utf-8", "replace").strip() if content else ""
