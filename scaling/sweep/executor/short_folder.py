"""A short folder for temporary files: sockets lie in it, and the path of a socket has at most 107 bytes.

Batch systems make long ones (`/scratch/slurm/job_1355700/user/…`). Ray puts its sockets some 70 bytes below it, and
Python's multiprocessing about 30.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from scaling.study.errors import ScalingError

LONGEST_SOCKET = 107  # bytes: 108 in struct sockaddr_un (unix(7)), of which the last is zero
BELOW = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store") + 2
SHORT = ("/tmp", "/dev/shm", "/var/tmp")  # the folder in it has a random name and is the user's alone
VARIABLES = ("RAY_TMPDIR", "TMPDIR")  # in the order in which Ray reads them


@contextlib.contextmanager
def short_folder(environ: MutableMapping[str, str] | None = None) -> Iterator[Path | None]:
    """Put temporary files of this process and its children into a short folder, if theirs is too long for sockets.

    Yields the folder, or None where the usual one is short enough.

    Raises:
        ScalingError: no short folder can be written.
    """
    environ = os.environ if environ is None else environ
    named = next((name for name in VARIABLES if environ.get(name)), None)
    usual = environ[named] if named else tempfile.gettempdir()
    if len(os.fsencode(usual)) + BELOW <= LONGEST_SOCKET:
        yield None
        return
    short = _made(named or "the folder for temporary files", usual)
    before = {name: environ.get(name) for name in VARIABLES}, tempfile.tempdir
    environ.update(dict.fromkeys(VARIABLES, str(short)))
    tempfile.tempdir = str(short)
    try:
        yield short
    finally:
        for name, value in before[0].items():
            environ.pop(name, None)
            if value is not None:
                environ[name] = value
        tempfile.tempdir = before[1]
        shutil.rmtree(short, ignore_errors=True)


def _made(name: str, usual: str) -> Path:
    for place in SHORT:
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix="sw-", dir=place))
    raise ScalingError(
        f"{name} is too long for sockets: {usual} has {len(os.fsencode(usual))} bytes, of which"
        f" {LONGEST_SOCKET - BELOW} are possible, and none of {', '.join(SHORT)} can be written; set TMPDIR to a"
        " shorter folder"
    )
