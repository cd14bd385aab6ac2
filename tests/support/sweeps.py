"""Sweeps of `tiny.yaml` as processes of their own, as a user starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path


def tiny_space(*, repetitions: int, train_limit: int, epochs: int, batch_size: int) -> str:
    """Return the text of a space of two cells and two arms."""
    return f"""\
question: Does it run?
family: patchconvnet
arch: {{patch_size: 2, width: 16}}
axes:
  depth: [1, 2]
arms:
  pooling: [average, attention]
repetitions: {repetitions}
data: {{source: digits, train_limit: {train_limit}}}
recipe: {{epochs: {epochs}, batch_size: {batch_size}}}
"""


def start(folder: Path, *arguments: str, hook: str = "") -> subprocess.Popen[str]:
    """Start a sweep in `folder`.

    Args:
        hook: code that the interpreters of the sweep and its workers run when they start.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if hook:
        (folder / "hooks").mkdir(exist_ok=True)
        (folder / "hooks" / "sitecustomize.py").write_text(hook)
        kept = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
        environment["PYTHONPATH"] = os.pathsep.join([str(folder / "hooks"), *kept])
    return subprocess.Popen(
        [sys.executable, "-m", "scaling.sweep", "--space", "tiny.yaml", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        # tests that a shell runs in the background ignore Ctrl-C, and so would their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end of a sweep; return its exit code and output."""
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def wait_for_files(
    folder: Path,
    pattern: str,
    process: subprocess.Popen[str],
    *,
    number: int = 1,
    besides: Collection[Path] = (),
) -> None:
    """Wait until a running sweep has written `number` files of a pattern, besides those of earlier sweeps."""
    deadline = time.monotonic() + 180
    while len(set(folder.glob(pattern)) - set(besides)) < number:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{pattern} did not appear"
        time.sleep(0.02)


def processes(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def listening(pids: list[int]) -> set[str]:
    """Addresses on which these processes listen."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":  # LISTEN, include/net/tcp_states.h
                words = bytes.fromhex(fields[1].partition(":")[0])
                address = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))  # each little-endian
                sockets[f"socket:[{fields[9]}]"] = socket.inet_ntop(
                    socket.AF_INET if len(address) == 4 else socket.AF_INET6, address
                )
    found = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                found.add(sockets.get(os.readlink(handle), ""))
            except OSError:
                continue
    return found - {""}
