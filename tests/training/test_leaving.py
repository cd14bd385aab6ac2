"""A worker that fails on NCCL leaves without the others and lets them stop, and its process ends in any case."""

import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import torch.distributed as dist

from scaling.training import parallel
from scaling.training.parallel import EXIT_CODE, Group


class Store:
    """Stands in for the store of reasons; None where the process that held it is gone."""

    def __init__(self) -> None:
        self.values: dict[str, str] | None = {}

    def check(self, names: list[str]) -> bool:
        return self._held().keys() >= set(names)

    def set(self, name: str, value: str) -> None:
        self._held()[name] = value

    def wait(self, names: list[str], patience: Any) -> None: ...

    def _held(self) -> dict[str, str]:
        if self.values is None:
            raise ConnectionError
        return self.values


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of torch.distributed, in order."""
    made: list[str] = []
    monkeypatch.setattr(dist, "destroy_process_group", lambda group=None: made.append(f"destroy {group}"))
    monkeypatch.setattr(dist.distributed_c10d, "_abort_process_group", lambda: made.append("abort"))
    monkeypatch.setattr(parallel, "LOOK", 0.02)
    return made


def group(*, uses_nccl: bool = True) -> Group:
    made: Any = object.__new__(Group)
    made.rank, made.count, made.uses_nccl = 1, 2, uses_nccl
    made.control, made.store, made.left = "control", Store(), threading.Event()
    return made


def test_a_failing_worker_aborts_after_closing_the_control_group(calls: list[str]) -> None:
    failing = group()

    failing.report_failure("the disk is gone")

    assert calls == ["destroy control", "abort"]  # to destroy the whole group would wait for the others
    assert failing.store.values == {"failure": "worker 1: the disk is gone"}  # pyright: ignore
    assert failing.left.is_set()


def test_on_cpus_the_group_is_destroyed(calls: list[str]) -> None:
    group(uses_nccl=False).report_failure("x")

    assert calls == ["destroy None"]


def watched(one: Group) -> threading.Thread:
    thread = threading.Thread(target=one.abort_after_others, daemon=True)
    thread.start()
    return thread


def test_a_worker_aborts_once_another_has_left_a_reason(calls: list[str]) -> None:
    waiting = group()
    thread = watched(waiting)

    time.sleep(0.1)
    assert calls == []
    waiting.store.set("failure", "worker 0: x")
    thread.join(5)

    assert calls == ["abort"]


def test_a_worker_aborts_once_the_store_is_gone(calls: list[str]) -> None:
    waiting = group()
    waiting.store.values = None  # pyright: ignore[reportAttributeAccessIssue]

    watched(waiting).join(5)

    assert calls == ["abort"]


def test_a_worker_that_has_ended_no_longer_looks(calls: list[str]) -> None:
    ended = group()
    thread = watched(ended)

    ended.left.set()
    thread.join(5)

    assert not thread.is_alive()
    assert calls == []


HANGS = """
import time
import torch.distributed as dist
from scaling.training import parallel
from tests.training.test_leaving import group
parallel.LEAVING = 1.0
dist.destroy_process_group = lambda group=None: None
dist.distributed_c10d._abort_process_group = lambda: time.sleep(60)
group().report_failure("x")
"""


def test_a_process_that_cannot_leave_ends_all_the_same() -> None:
    began = time.monotonic()

    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == EXIT_CODE, done.stderr
    assert time.monotonic() - began < 45
