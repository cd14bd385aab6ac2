"""On several nodes a study survives the loss of one."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from scaling.study.records import read_records, read_study
from tests.support.sweeps import processes, tiny_space

SPACE = tiny_space(repetitions=1, train_limit=400, epochs=6, batch_size=20)

NODE = """
import sys, time
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
for line in sys.stdin:
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
