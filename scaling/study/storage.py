"""Storage of results: a local folder, a shared folder or an object store.

`place(text)` returns a `pathlib.Path`, or for a URI such as `s3://bucket/prefix` a `RemotePath`, which has the methods
of Path that results need. `write_atomically` writes to both, `remove_tree` removes both.
"""

import contextlib
import fnmatch
import functools
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from scaling.study.errors import StorageError, unknown

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

AT_ONCE = 32  # parallel requests to a store; each waits tens of milliseconds for the network
URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?", re.S
)


TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}")  # name of a file that is being written


@dataclass(frozen=True)
class Scheme:
    """What a type of store supports."""

    has_folders: bool  # whether a folder must be created before its files
    renames: bool  # whether files are renamed atomically; the other stores create an object whole or not at all


# File systems of pyarrow with these names. hdfs:// is left out because others would see a file half-written.
SCHEMES = {
    "s3": Scheme(has_folders=False, renames=False),
    "gs": Scheme(has_folders=False, renames=False),
    "file": Scheme(has_folders=True, renames=True),
    "mock": Scheme(has_folders=True, renames=True),  # in this process's memory, for tests
}


@dataclass(frozen=True, order=True)
class RemotePath:
    """A file or folder in a store that pyarrow can open; holds no connection, so that it can be sent to other machines.

    Its methods do what those of `Path` with the same name do, and raise `StorageError` if the store does not answer.
    """

    scheme: str
    authority: str  # the bucket
    path: str  # within the bucket, without slashes at its ends
    query: str = ""  # pyarrow's options, such as region=eu-central-1 or endpoint_override=https://minio.example:9000

    def __str__(self) -> str:
        base = f"{self.scheme}://{self.authority}/{self.path}"
        return f"{base}?{self.query}" if self.query else base

    def __truediv__(self, inner: str) -> "RemotePath":
        return self._at("/".join(part for part in (self.path, inner.strip("/")) if part))

    def _at(self, path: str) -> "RemotePath":
        return RemotePath(self.scheme, self.authority, path, self.query)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2] or self.authority

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0] or self.name

    @property
    def parent(self) -> "RemotePath":
        return self._at(self.path.rpartition("/")[0])

    def resolve(self) -> "RemotePath":
        return self

    def exists(self) -> bool:
        return self._type() != "NotFound"

    def is_file(self) -> bool:
        return self._type() == "File"

    def is_dir(self) -> bool:
        return self._type() == "Directory"

    def read_bytes(self) -> bytes:
        with self._as_storage_error("read"):
            system, path = self._opened()
            with system.open_input_file(path) as file:
                return file.read()

    def write_bytes(self, content: bytes) -> int:
        """Write `content` here, whole or not at all."""
        with self._as_storage_error("written", may_be_missing=False):
            system, path = self._opened()
            kind = SCHEMES[self.scheme]
            if kind.has_folders:
                system.create_dir(path.rpartition("/")[0], recursive=True)
            if kind.renames:
                _write_beside(system, path, content)
            else:
                with system.open_output_stream(path) as file:  # the object appears when the stream closes
                    file.write(content)
        return len(content)

    def unlink(self, missing_ok: bool = False) -> None:
        with self._as_storage_error("removed"):
            system, path = self._opened()
            try:
                system.delete_file(path)
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Yield what matches `pattern`, such as `*.json` or `*/study.json`; * matches within one name."""
        first, _, rest = pattern.partition("/")
        found = sorted((name, is_folder) for name, is_folder in self._names() if fnmatch.fnmatchcase(name, first))
        if not rest:
            yield from (self / name for name, _ in found)
            return
        folders = [self / name for name, is_folder in found if is_folder]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for inner in pool.map(lambda folder: list(folder.glob(rest)), folders):
                yield from inner

    def remove_tree(self) -> None:
        """Remove this folder and its content; do nothing if it does not exist."""
        with self._as_storage_error("removed"), contextlib.suppress(FileNotFoundError):
            system, path = self._opened()
            system.delete_dir(path)

    def _names(self) -> list[tuple[str, bool]]:
        """Return the names in this folder, and whether each is a folder."""
        from pyarrow.fs import FileSelector, FileType

        with self._as_storage_error("listed"):
            system, path = self._opened()
            found = system.get_file_info(FileSelector(path, allow_not_found=True))
            infos = found if isinstance(found, list) else [found]
            return [(info.base_name, info.type == FileType.Directory) for info in infos]

    def _type(self) -> str:
        with self._as_storage_error("read"):
            system, path = self._opened()
            return system.get_file_info([path])[0].type.name

    def _opened(self) -> tuple["FileSystem", str]:
        system, base = _filesystem(self.scheme, self.authority, self.query)
        return system, "/".join(part for part in (base.rstrip("/"), self.path) if part or self.scheme == "file")

    @contextlib.contextmanager
    def _as_storage_error(self, done: str, *, may_be_missing: bool = True) -> Iterator[None]:
        """Turn errors of a store into one-line `StorageError`s; keep `FileNotFoundError` if `may_be_missing`."""
        try:
            yield
        except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
            if isinstance(error, FileNotFoundError) and may_be_missing:
                raise
            raise StorageError(f"{self} cannot be {done}: {cause(error)}") from None


Where: TypeAlias = Path | RemotePath


def place(where: str | Path | RemotePath) -> Where:
    """Return a path, or a `RemotePath` if `where` is a URI; open no connection yet.

    Raises:
        StorageError: the scheme is unknown, or the URI contains a password, which would end up in records.
    """
    match = URI.fullmatch(where) if isinstance(where, str) else None
    if match is None:
        return Path(where) if isinstance(where, str) else where
    scheme, authority = match["scheme"].lower(), match["authority"]
    if scheme not in SCHEMES:
        known = [name for name in SCHEMES if name != "mock"]
        raise StorageError(f"{where}: {unknown('store', scheme, known)}; a plain path works too")
    query = match["query"] or ""
    if ("@" in authority and authority.partition("@")[0] != "anonymous") or "secret" in query:
        raise StorageError(
            f"{scheme}://…@{authority.rpartition('@')[2]}: no keys in the address, which is printed and stored; set"
            " them in the environment of every machine (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or its role)"
        )
    if scheme in {"s3", "gs"} and not authority:
        raise StorageError(f"{where}: the bucket is missing; write {scheme}://BUCKET/PREFIX")
    return RemotePath(scheme, authority, match["path"].strip("/"), query)


def write_atomically(where: Where, content: bytes, *, sync: bool = True) -> None:
    """Write `content` to `where` so that a kill or a power cut leaves either the old or the new file, whole.

    Args:
        sync: whether to wait until the disk has it. Without, a power cut may leave it torn; for what can be made again.

    Raises:
        StorageError: the file cannot be written, for example on a full disk; the old file, if any, is unchanged.
    """
    if isinstance(where, RemotePath):
        where.write_bytes(content)
        return
    # Not tempfile.mkstemp: only the owner may read its files, but results and pages are shared.
    temporary = where.with_name(f".{where.name}.{secrets.token_hex(8)}")
    try:
        with _created(temporary) as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, where)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the first error is the one to report
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageError(f"{where} cannot be written: {cause(error)}") from None
        raise


def _created(path: Path) -> BinaryIO:
    """Open a new file for writing; make its folder only where there is none, which is rare."""
    try:
        return path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")


def read_all(files: Iterable[Where]) -> Iterator[tuple[Where, bytes | OSError | StorageError]]:
    """Read files in order, in parallel from a store; yield the error in place of a file that cannot be read."""
    files = list(files)
    if not any(isinstance(file, RemotePath) for file in files):
        yield from ((file, _read(file)) for file in files)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip(files, pool.map(_read, files), strict=True)


def remove_tree(where: Where) -> None:
    """Remove a folder and its content as far as possible; do nothing if it does not exist."""
    if isinstance(where, RemotePath):
        with contextlib.suppress(StorageError):
            where.remove_tree()
    else:
        shutil.rmtree(where, ignore_errors=True)


def cause(error: Exception) -> str:
    """Return the cause of a file system error in one line, without what pyarrow adds."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return " ".join(str(error).split())[:300] or type(error).__name__


def _read(file: Where) -> bytes | OSError | StorageError:
    try:
        return file.read_bytes()
    except (OSError, StorageError) as error:
        return error


def _write_beside(system: "FileSystem", path: str, content: bytes) -> None:
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{secrets.token_hex(8)}"
    try:
        with system.open_output_stream(temporary) as file:
            file.write(content)
        system.move(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            system.delete_file(temporary)
        raise


@functools.lru_cache(maxsize=64)  # one connection per process
def _filesystem(scheme: str, authority: str, query: str) -> tuple["FileSystem", str]:
    """Return pyarrow's file system and its path for the root of the store."""
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(f"{scheme}://{authority}/" + (f"?{query}" if query else ""))
