"""Sweeps of `tiny.yaml` as processes of their own, as a user starts them."""

import os
import signal
import subprocess
import sys
import time
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
        environment["PYTHONPATH"] = str(folder / "hooks")
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


def wait_for_files(folder: Path, pattern: str, process: subprocess.Popen[str], *, number: int = 1) -> None:
    """Wait until a running sweep has written `number` files of a pattern."""
    deadline = time.monotonic() + 180
    while len(list(folder.glob(pattern))) < number:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{pattern} did not appear"
        time.sleep(0.02)
