"""Lease: that one sweep at a time holds a study, and who that is.

On a file system of this machine the lock is the kernel's: it goes with the process, however that ends. On an object
store there is none, and on a network file system it may hold on one machine only. There a sweep keeps a lease besides:
a small file that says who holds the study and that is written anew every `REFRESH` seconds. One that was not for
`DEAD` seconds is its holder's no more. The clocks of machines that share a study must agree to within a minute.
"""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from scaling.study.errors import ScalingError, StorageError
from scaling.study.storage import RemotePath, Where, write_atomically

REFRESH = 20.0  # seconds
DEAD = 120.0  # seconds without a word; several refreshes may fail before a sweep is taken for dead
LOST = signal.SIGUSR2  # tells the main thread that the lease is another's
SETTLE = 2.0  # seconds in which two sweeps that start at once see each other's lease

# File systems that machines share, as /proc/mounts calls them; fuse.* may be, and a lease there does no harm.
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
    refreshed: float  # likewise

    @classmethod
    def here(cls) -> "Holder":
        now = time.time()
        return cls(host=socket.gethostname(), pid=os.getpid(), token=secrets.token_hex(8), taken=now, refreshed=now)

    @property
    def is_dead(self) -> bool:
        """Whether it has not been heard of for `DEAD` seconds, or ran on this machine and does not any more."""
        if time.time() - self.refreshed > DEAD:
            return True
        return self.host == socket.gethostname() and not Path(f"/proc/{self.pid}").exists() and Path("/proc/1").exists()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@contextlib.contextmanager
def locked(folder: Where) -> Iterator[None]:
    """Hold the study for one sweep.

    Where a lease is lost, because this sweep was not heard of for too long, the sweep is interrupted as by Ctrl-C.

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
    """The sweep that holds the study at `folder` now, if any does."""
    if isinstance(folder, RemotePath) or is_shared(folder):
        found = _read(folder / ".lease")
        return None if found is None or found.is_dead else found
    with contextlib.suppress(FileNotFoundError), (folder / ".lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _read(folder / ".lock")
    return None


def is_shared(folder: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Whether `folder` lies on a file system that other machines may write to as well."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:  # no Linux
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
    with lock:
        for last in (False,) * 5 + (True,):  # whoever only asks who holds it does so for a moment
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if last:
                    who = _read(folder / ".lock")
                    by = f" ({who})" if who else ""
                    raise ScalingError(f"{folder} is being run by another sweep{by}; wait for it, or stop it") from None
                time.sleep(0.05)
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            lock.truncate(0)
            lock.write(me.model_dump_json())
            lock.flush()
        yield


@contextlib.contextmanager
def _lease(folder: Where, me: Holder) -> Iterator[None]:
    file = folder / ".lease"
    found = _read(file)
    if found is not None and not found.is_dead:
        raise _taken(folder, found)
    write_atomically(file, me.model_dump_json().encode())
    time.sleep(SETTLE)
    found = _read(file)
    if found is None or found.token != me.token:
        raise _taken(folder, found)
    stop, lost = threading.Event(), threading.Event()
    with _interruptible() as interrupt:
        recorder = threading.Thread(target=_keep, args=(file, me, stop, lost, interrupt), daemon=True, name="lease")
        recorder.start()
        try:
            yield
        finally:
            stop.set()
            recorder.join()
            if not lost.is_set():
                with contextlib.suppress(StorageError, OSError):  # it dies by itself
                    file.unlink(missing_ok=True)
    if lost.is_set():
        raise _taken(folder, _read(file))


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Give a function by which another thread interrupts the main one, as Ctrl-C does.

    By a signal of its own: SIGINT is ignored in a process that a shell has put into the background.
    """
    main = threading.main_thread()
    if threading.current_thread() is not main:  # only the main thread may say what a signal does
        yield lambda: None
        return

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(LOST, interrupt)
    try:
        yield lambda: signal.pthread_kill(main.ident or 0, LOST)
    finally:
        signal.signal(LOST, before)


def _keep(file: Where, me: Holder, stop: threading.Event, lost: threading.Event, interrupt: Callable[[], None]) -> None:
    """Refresh the lease until `stop`; where it is another's, interrupt the main thread."""
    while not stop.wait(REFRESH):
        with contextlib.suppress(StorageError):  # a store that does not answer now may do so in time
            found = _read(file)
            if found is not None and found.token != me.token:
                lost.set()
                interrupt()
                return
            write_atomically(file, me.model_copy(update={"refreshed": time.time()}).model_dump_json().encode())


def _taken(folder: Where, by: Holder | None) -> ScalingError:
    who = f" ({by}, last heard of {time.time() - by.refreshed:.0f} s ago)" if by else ""
    return ScalingError(
        f"{folder} is being run by another sweep{who}; wait for it, or stop it; killed, it counts as dead after"
        f" {DEAD:.0f} s of silence"
    )


def _read(file: Where) -> Holder | None:
    try:
        return Holder.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):  # none, or an older version's
        return None


def _unescaped(point: str) -> str:
    return point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
