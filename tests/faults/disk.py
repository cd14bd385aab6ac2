"""A disk that fails: every operation on files below a folder may be the last, or may go wrong.

What a process wrote and did not sync is lost with it, also where it was renamed meanwhile.
"""

import builtins
import contextlib
import errno
import io
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FULL, BROKEN = errno.ENOSPC, errno.EIO


class Killed(BaseException):
    """The process has ended; nothing may catch this but the campaign."""


class Disk:
    """Counts operations and lets some fail, by a seed.

    Args:
        chance: of a fault at an operation.
    """

    def __init__(self, folder: Path, dice: random.Random, chance: float) -> None:
        self.folder = os.fspath(folder.resolve())
        self.dice = dice
        self.chance = chance
        self.landed: Counter[str] = Counter()  # faults by kind
        self.operations = 0
        self._unsynced: set[str] = set()  # files with content that a power cut would lose
        self._skew = 0.0  # seconds that the clock is wrong

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Let all file operations of this process go through the disk."""
        originals = {
            (io, "open"): io.open,
            (builtins, "open"): builtins.open,
            (time, "time"): time.time,
            **{(os, name): getattr(os, name) for name in ("replace", "rename", "fsync", "unlink", "mkdir", "rmdir")},
        }
        opened, clock, replace = io.open, time.time, os.replace

        def open_(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
            if not self._is_here(file):
                return opened(file, mode, *more, **options)
            writes = any(letter in mode for letter in "wxa+")
            self._step(file)
            found = opened(file, mode, *more, **options)
            return _File(found, self, os.fspath(file)) if writes and "b" in mode else found

        def replace_(source: Any, target: Any, **options: Any) -> None:
            if not self._is_here(target):
                return replace(source, target, **options)
            self._step(source)
            replace(source, target, **options)
            if (name := os.fspath(source)) in self._unsynced:
                self._unsynced.discard(name)
                self._unsynced.add(os.fspath(target))
            return None

        def plain(name: str) -> Callable[..., Any]:
            original = originals[os, name]

            def operation(path: Any, *more: Any, **options: Any) -> Any:
                if "dir_fd" in options or self._is_here(path):
                    self._step(path)
                return original(path, *more, **options)

            return operation

        def fsync_(number: int) -> None:
            self._step(None)
            originals[os, "fsync"](number)

        patched: dict[tuple[Any, str], Any] = {
            (io, "open"): open_, (builtins, "open"): open_, (time, "time"): lambda: clock() + self._skew,
            (os, "replace"): replace_, (os, "rename"): replace_, (os, "fsync"): fsync_,
            **{(os, name): plain(name) for name in ("unlink", "mkdir", "rmdir")},
        }  # fmt: skip
        for (module, name), function in patched.items():
            setattr(module, name, function)
        try:
            yield
        finally:
            for (module, name), function in originals.items():
                setattr(module, name, function)

    def lose_what_was_not_synced(self) -> None:
        """Cut every file that was not synced, as a power cut does."""
        for name in self._unsynced:
            with contextlib.suppress(OSError):
                length = os.path.getsize(name)
                os.truncate(name, self.dice.randrange(length + 1))
                self.landed["unsynced rename"] += 1
        self._unsynced.clear()

    def synced(self, name: str) -> None:
        self._unsynced.discard(name)

    def written(self, file: Any, name: str, content: bytes) -> None:
        """Write, or fail in the middle."""
        self._unsynced.add(name)
        if self._is_due():
            file.write(content[: self.dice.randrange(len(content) + 1)])
            file.flush()
            self._fail(self.dice.choice(["torn write", "full disk", "broken disk"]), name)
        file.write(content)

    def _is_here(self, path: Any) -> bool:
        try:
            return os.path.abspath(os.fspath(path)).startswith(self.folder)
        except TypeError:  # an open file's number
            return False

    def _is_due(self) -> bool:
        return self.dice.random() < self.chance

    def _step(self, path: Any) -> None:
        self.operations += 1
        if self._is_due():
            self._fail(self.dice.choice(["kill", "kill", "full disk", "broken disk", "clock"]), path)

    def _fail(self, kind: str, path: Any) -> None:
        self.landed[kind] += 1
        if kind == "clock":
            self._skew = self.dice.choice([-86400.0, -60.0, 0.0, 60.0, 86400.0])
        elif kind in ("full disk", "broken disk"):
            number = FULL if kind == "full disk" else BROKEN
            raise OSError(number, os.strerror(number), None if path is None else os.fspath(path))
        else:
            raise Killed(kind)


class _File:
    """A file open for writing, whose content is not safe before it is synced."""

    def __init__(self, file: Any, disk: Disk, name: str) -> None:
        self._file, self._disk, self._name = file, disk, os.path.abspath(name)

    def write(self, content: bytes) -> int:
        self._disk.written(self._file, self._name, content)
        return len(content)

    def fileno(self) -> int:
        self._disk.synced(self._name)  # taken only to sync
        return self._file.fileno()

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
