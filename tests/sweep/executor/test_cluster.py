"""On several nodes a study survives the loss of one; nodes with GPUs may join; a dead address is refused at once."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from scaling.study.records import read_records, read_study
from scaling.sweep.executor.cluster import ClusterError, refuse_dead
from tests.support.sweeps import processes, tiny_space

SPACE = tiny_space(repetitions=1, train_limit=400, epochs=6, batch_size=20)

NODE = """
import sys, time
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "join\\n":
        cluster.add_node(num_cpus=1, num_gpus=2)
        print("joined", flush=True)
    if line == "lose\\n":
        cluster.remove_node(second, allow_graceful=False)
        print("lost", flush=True)
"""


@contextmanager
def two_nodes() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Two Ray nodes of one core each on this machine, in a process of their own."""
    nodes = subprocess.Popen(
        [sys.executable, "-c", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    assert nodes.stdout
    try:
        yield nodes.stdout.readline().strip(), nodes
    finally:
        for pid in processes(nodes.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        nodes.communicate()


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_after_a_lost_node_every_trial_ends_exactly_once(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPACE)
    study = tmp_path / "results" / "tiny"
    with two_nodes() as (address, nodes):
        sweep = subprocess.Popen(
            [sys.executable, "-m", "scaling.sweep", "--space", "tiny.yaml", "--address", address],
            cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while len(list(study.glob("checkpoints/*"))) < 2:  # both nodes are at work
            assert sweep.poll() is None, sweep.communicate()[0]
            assert time.monotonic() < deadline, "two trials did not run at once"
            time.sleep(0.02)
        before = len(list(study.glob("records/*.json")))
        assert nodes.stdin
        assert nodes.stdout
        nodes.stdin.write("lose\n")
        nodes.stdin.flush()
        assert nodes.stdout.readline() == "lost\n"
        output, _ = sweep.communicate(timeout=200)

    assert sweep.returncode == 0, output
    assert "4 of 4 trials finished" in output
    records = read_records(study)
    assert before < 4
    assert Counter(r.key for r in records) == Counter(read_study(study).planned)
    assert {r.status for r in records} == {"finished"}
    assert all([epoch.epoch for epoch in r.curve] == list(range(1, 7)) for r in records)
    assert not list(study.glob("checkpoints/*"))


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_gpus_that_join_later_are_used(tmp_path: Path) -> None:
    """Ray has only pretended GPUs here, which torch cannot use: every trial says so, and none trains on the CPU."""
    (tmp_path / "tiny.yaml").write_text(SPACE)
    with two_nodes() as (address, nodes):
        assert nodes.stdin
        assert nodes.stdout
        command = [sys.executable, "-m", "scaling.sweep", "--space", "tiny.yaml", "--address", address]
        sweep = subprocess.Popen(
            [*command, "--set", "resources.gpus=1", "--track", ""],
            cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert sweep.stdout
        said = ""
        while "waiting" not in said:
            said += sweep.stdout.readline()
            assert sweep.poll() is None, said
        nodes.stdin.write("join\n")
        nodes.stdin.flush()
        assert nodes.stdout.readline() == "joined\n"
        output, _ = sweep.communicate(timeout=200)

    assert "device     GPUs of nodes that join; none is there yet" in said
    assert sweep.returncode == 1, output
    records = read_records(tmp_path / "results" / "tiny")
    assert len(records) == 4
    assert {(r.status, r.environment["device_type"], r.environment["gpus"]) for r in records} == {("failed", "cuda", 1)}
    assert all("was granted, but torch" in (r.reason or "") for r in records)


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_another_token_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with two_nodes() as (address, _):
        refuse_dead(address)  # with the token that the nodes have
        monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
        with pytest.raises(
            ClusterError, match=r"^--address \S+: the cluster at \S+ refuses the token of this process; "
        ):
            refuse_dead(address)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and answers nothing, as a wrong service does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def take() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield server.getsockname()[1]
        for one in held:
            one.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_an_address_where_nothing_listens_is_refused(form: str) -> None:
    address = form.format(free_port())

    with pytest.raises(
        ClusterError, match=rf"^--address {address}: no cluster at \S+ \(Connection refused\); start one"
    ):
        refuse_dead(address)


def test_an_address_that_answers_nothing_is_refused_in_time(silent: int) -> None:
    began = time.monotonic()

    with pytest.raises(ClusterError, match="is no Ray cluster; "):
        refuse_dead(f"127.0.0.1:{silent}", patience=2)

    assert time.monotonic() - began < 8


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"no cluster at no\.such\.host\.invalid:6379 "):
        refuse_dead("no.such.host.invalid")
    with pytest.raises(ClusterError, match="no cluster at"):
        refuse_dead("127.0.0.1:999999")
