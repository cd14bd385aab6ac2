"""Lease: makes sure that one sweep at a time holds a study, and names the one that does.

On a local file system the kernel holds the lock, which ends with the process. An object store has no locks, and those
of a network file system may not reach other machines. There a sweep also keeps a lease: a small file that names the
holder and is written again every `REFRESH` seconds. A lease that was not refreshed for `DEAD` seconds has expired. The
clocks of machines that share a study must agree to within a minute.
"""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from scaling.study.errors import ScalingError, StorageError
from scaling.study.storage import RemotePath, Where, write_atomically
from scaling.sweep.signals import interrupted_by

REFRESH = 20.0  # seconds
DEAD = 120.0  # seconds without a refresh; several refreshes may fail before a lease expires
LOST = signal.SIGUSR2  # interrupts the main thread when the lease is lost
SETTLE = 2.0  # seconds in which two sweeps that start at once see each other's lease

# File systems that machines share, as named in /proc/mounts. Those of fuse.* may be shared; a lease does no harm there.
SHARED = frozenset(
    "nfs nfs4 cifs smb3 smbfs lustre gpfs beegfs ceph glusterfs 9p afs orangefs panfs pvfs2 wekafs".split()  # noqa: SIM905
)


class Holder(BaseModel):
    """The sweep that holds a study."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    pid: int
    token: str  # of this run of a sweep
    taken: float  # seconds since 1970
    refreshed: float  # seconds since 1970

    @classmethod
    def here(cls) -> "Holder":
        now = time.time()
        return cls(host=socket.gethostname(), pid=os.getpid(), token=secrets.token_hex(8), taken=now, refreshed=now)

    @property
    def is_dead(self) -> bool:
        """Whether it has not refreshed its lease for `DEAD` seconds, or ran on this machine and has ended."""
        if abs(time.time() - self.refreshed) > DEAD:  # a clock that jumped may have written one from the future
            return True
        return self.host == socket.gethostname() and not Path(f"/proc/{self.pid}").exists() and Path("/proc/1").exists()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


UNKNOWN = Holder(host="this machine", pid=0, token="", taken=0.0, refreshed=0.0)  # the file that names it is gone


@contextlib.contextmanager
def locked(folder: Where) -> Iterator[None]:
    """Hold the study for one sweep.

    If the lease is lost because it was not refreshed for too long, the sweep is interrupted as by Ctrl-C.

    Raises:
        ScalingError: another sweep holds the study, or took it over meanwhile.
    """
    me = Holder.here()
    with contextlib.ExitStack() as held:
        if isinstance(folder, Path):
            held.enter_context(_kernel_lock(folder, me))
        if isinstance(folder, RemotePath) or is_shared(folder):
            held.enter_context(_lease(folder, me))
        yield


def holder(folder: Where) -> Holder | None:
    """The sweep that holds the study at `folder` now, if any."""
    if isinstance(folder, RemotePath) or is_shared(folder):
        found = _read(folder / ".lease")
        return None if found is None or found.is_dead else found
    with _folder_lock(folder) as number:
        if number is not None and _is_taken(number, fcntl.LOCK_SH):
            return _read(folder / ".lock") or UNKNOWN
    with contextlib.suppress(FileNotFoundError), (folder / ".lock").open() as lock:
        if _is_taken(lock.fileno(), fcntl.LOCK_SH):
            return _read(folder / ".lock") or UNKNOWN
    return None


def is_shared(folder: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Whether `folder` is on a file system that other machines may write to as well."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:  # not Linux
        return False
    where = folder.resolve()
    inner = [(len(point), kind) for _, point, kind, *_ in lines if where.is_relative_to(_unescaped(point))]
    kind = max(inner, default=(0, ""), key=lambda found: found[0])[1]
    return kind in SHARED or kind.startswith("fuse.")


@contextlib.contextmanager
def _kernel_lock(folder: Path, me: Holder) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock: IO[str] = (folder / ".lock").open("a+")
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from None
    with lock, _folder_lock(folder) as number:  # the folder's lock holds where somebody removes the file
        for handle in (lock.fileno(), *([] if number is None else [number])):
            for last in (False,) * 5 + (True,):  # a process that only asks for the holder locks it for a moment
                if not _is_taken(handle, fcntl.LOCK_EX):
                    break
                if last:
                    who = _read(folder / ".lock")
                    by = f" ({who})" if who else ""
                    raise ScalingError(f"{folder} is being run by another sweep{by}; wait for it, or stop it")
                time.sleep(0.05)
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same
            lock.truncate(0)
            lock.write(me.model_dump_json())
            lock.flush()
        yield


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[int | None]:
    """Open a folder to lock it; None where it is absent or its file system cannot."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield number
    finally:
        os.close(number)


def _is_taken(number: int, kind: int) -> bool:
    """Try to lock an open file or folder; return whether another process holds it. Some file systems have no locks."""
    try:
        fcntl.flock(number, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def _lease(folder: Where, me: Holder) -> Iterator[None]:
    lease = _Lease(folder, me)
    lease.take()
    with interrupted_by(LOST):
        lease.start()
        try:
            yield
        finally:
            lease.release()
    if lease.is_lost:
        raise _taken(folder, _read(lease.file))


class _Lease(threading.Thread):
    """Refreshes a lease until it is released; interrupts the main thread if another sweep has taken it over."""

    def __init__(self, folder: Where, me: Holder) -> None:
        super().__init__(daemon=True, name="lease")
        self.folder = folder
        self.file = folder / ".lease"
        self.me = me
        self.is_lost = False
        self._for_main = threading.current_thread() is threading.main_thread()  # which then handles `LOST`
        self._released = threading.Event()

    def take(self) -> None:
        """Write the lease; raise `ScalingError` if another sweep holds the study."""
        found = _read(self.file)
        if found is not None and not found.is_dead:
            raise _taken(self.folder, found)
        self._write(self.me)
        time.sleep(SETTLE)
        found = _read(self.file)
        if found is None or found.token != self.me.token:
            raise _taken(self.folder, found)

    def run(self) -> None:
        while not self._released.wait(REFRESH):
            with contextlib.suppress(StorageError):  # a store that does not answer now may answer later
                found = _read(self.file)
                if found is not None and found.token != self.me.token:
                    self.is_lost = True
                    self._interrupt()
                    return
                self._write(self.me.model_copy(update={"refreshed": time.time()}))

    def release(self) -> None:
        """Stop refreshing and remove the lease."""
        self._released.set()
        self.join()
        if not self.is_lost:
            with contextlib.suppress(StorageError, OSError):  # it expires by itself
                self.file.unlink(missing_ok=True)

    def _interrupt(self) -> None:
        """Interrupt the main thread by a signal of its own, because a process in the background may ignore SIGINT."""
        if self._for_main:
            signal.pthread_kill(threading.main_thread().ident or 0, LOST)

    def _write(self, holder: Holder) -> None:
        write_atomically(self.file, holder.model_dump_json().encode())


def _taken(folder: Where, by: Holder | None) -> ScalingError:
    who = f" ({by}, last refreshed {time.time() - by.refreshed:.0f} s ago)" if by else ""
    return ScalingError(
        f"{folder} is being run by another sweep{who}; wait for it, or stop it; the lease of a killed sweep expires"
        f" after {DEAD:.0f} s"
    )


def _read(file: Where) -> Holder | None:
    try:
        return Holder.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):  # missing, or an older version's
        return None


def _unescaped(point: str) -> str:
    return point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
