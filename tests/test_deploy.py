"""The files in deploy/ are valid for Ray, SLURM and Kubernetes, require a token and mark what a user must change."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from scaling.study.records import read_records
from scaling.sweep.lease import DEAD
from tests.support import ROOT
from tests.support.sweeps import tiny_space

CHECKOUT = ROOT
DEPLOY = CHECKOUT / "deploy"
SPACE = tiny_space(repetitions=3, train_limit=200, epochs=8, batch_size=20)


def loaded(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["slurm.sh", "aws.yaml", "kuberay.yaml"])
def test_deploy_files_mark_three_lines_and_require_a_token(name: str) -> None:
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()

    marks = [line.partition("# ← ")[2][:2] for line in lines if "# ← " in line]
    text = "\n".join(lines)

    assert marks == ["1:", "2:", "3:"]
    assert "RAY_AUTH_MODE=token" in text or "authOptions: {mode: token}" in text
    assert "python -m scaling.sweep" in text
    assert "--address" in text


def test_the_slurm_script_is_sound_bash() -> None:
    script = DEPLOY / "slurm.sh"

    checked = subprocess.run(["bash", "-n", script], capture_output=True, text=True)

    assert (checked.returncode, checked.stderr) == (0, "")
    if linter := shutil.which("shellcheck"):
        checked = subprocess.run([linter, script], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout


def test_tasks_get_their_cores_and_requeued_jobs_wait(tmp_path: Path) -> None:
    """SLURM's srun reads a variable of its own; the lease of the earlier run of a job expires after two minutes."""
    lines = (DEPLOY / "slurm.sh").read_text(encoding="utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("# Since SLURM 22.05"))
    end = next(i for i, line in enumerate(lines) if line.startswith("export STUDY RESULTS"))
    said = 'echo "${SRUN_CPUS_PER_TASK:-none} $LEASE"'

    def printed(**environment: str) -> str:
        script = "\n".join(["set -euo pipefail", *lines[begin:end], said])
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert printed(SLURM_CPUS_PER_TASK="16") == "16 0"
    assert printed(SLURM_RESTART_COUNT="0") == "none 0"
    requeued = printed(SLURM_CPUS_PER_TASK="4", SLURM_RESTART_COUNT="1").split()
    assert requeued[0] == "4"
    assert float(requeued[1]) > DEAD


def test_workers_that_join_later_are_waited_for() -> None:
    """Their heads have no GPU and no cores, and workers come when trials ask for them."""
    kubernetes = loaded("kuberay.yaml")["spec"]
    asked = "--set resources.gpus=1"

    assert kubernetes["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert asked in kubernetes["entrypoint"]
    # these mean something to KubeRay's autoscaler alone
    assert not {"minReplicas", "maxReplicas"} & set(kubernetes["rayClusterSpec"]["workerGroupSpecs"][0])
    assert loaded("aws.yaml")["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert asked in (DEPLOY / "aws.yaml").read_text(encoding="utf-8")


def test_ray_takes_the_cluster_file() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = loaded("aws.yaml")

    prepared = prepare_config(config)  # merges the defaults of AWS, as `ray up` does first
    validate_config(prepared)

    assert set(prepared["available_node_types"]) == {"head", "worker"}
    assert prepared["available_node_types"]["worker"]["max_workers"] == config["max_workers"]
    mounted = [path for path in config["file_mounts"] if path.endswith(".ray/auth_token")]
    assert mounted == ["/home/ubuntu/.ray/auth_token"]
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert all(line.startswith("source env && ") for line in prepared[commands])


def test_the_kubernetes_manifest_is_a_ray_job() -> None:
    manifest = loaded("kuberay.yaml")

    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    spec = manifest["spec"]
    assert set(spec) == {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "rayClusterSpec"}
    assert spec["entrypoint"].startswith("python -m scaling.sweep ")
    cluster = spec["rayClusterSpec"]
    assert set(cluster) == {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}
    assert cluster["authOptions"] == {"mode": "token"}
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    images = {c["image"] for group in groups for c in group["template"]["spec"]["containers"]}
    assert len(images) == 1
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        claims = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert set(container) == {"name", "image", "env", "resources", "volumeMounts"}
            assert container["resources"]["limits"] == container["resources"]["requests"]
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert set(mounts) == claims
            assert "--results /shared/" in spec["entrypoint"]
            assert mounts["shared"] == "/shared"


def test_versions_of_ray_agree() -> None:
    pinned = next(
        line for line in (CHECKOUT / "constraints.txt").read_text().splitlines() if line.startswith("ray==")
    ).partition("==")[2]

    assert loaded("kuberay.yaml")["spec"]["rayClusterSpec"]["rayVersion"] == pinned
    assert f"FROM rayproject/ray:{pinned}-" in (DEPLOY / "Dockerfile").read_text()


# Stand-ins for SLURM's commands: two tasks on this machine in place of two nodes
SHIMS = {
    "scontrol": 'hostname -i | cut -d" " -f1; echo second',
    "srun": 'shift; for i in 0 1; do SLURM_PROCID=$i "$@" & pids="$pids $!"; done; code=0;'
    " for pid in $pids; do wait $pid || code=$?; done; exit $code",
}


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_the_slurm_script_runs_two_nodes_and_stops_cleanly(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, body in SHIMS.items():
        shim = tmp_path / "bin" / name
        shim.write_text(f"#!/bin/bash\n{body}\n")
        shim.chmod(0o755)
    (tmp_path / "tiny.yaml").write_text(SPACE)
    activate = tmp_path / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f'export PATH="{Path(sys.executable).parent}:$PATH"\n')
    job = str(os.getpid())
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": job,
        "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "1", "OMP_NUM_THREADS": "1",
        "STUDY": "--space tiny.yaml", "RESULTS": str(tmp_path / "results"),
        "RAY_AUTH_TOKEN_PATH": str(tmp_path / "ray" / "token"),
    }  # fmt: skip
    study = tmp_path / "results" / "tiny"

    script = subprocess.Popen(
        ["bash", DEPLOY / "slurm.sh"], env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not list(study.glob("records/*.json")) or len(list(study.glob("checkpoints/*"))) < 2:
        assert script.poll() is None, script.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    script.send_signal(signal.SIGTERM)
    output, _ = script.communicate(timeout=100)
    shutil.rmtree(f"/tmp/ray-{job}", ignore_errors=True)

    assert script.returncode == 130, output
    assert {record.status for record in read_records(study)} == {"finished"}
    assert list(study.glob("checkpoints/*"))  # running trials resume from there
    assert not list(tmp_path.glob(".slurm-*"))
    assert (tmp_path / "ray" / "token").stat().st_mode & 0o77 == 0
