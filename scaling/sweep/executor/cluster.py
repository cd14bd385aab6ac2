"""The Ray cluster that a sweep runs on: one of its own on this machine, or one that it joins."""

import contextlib
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import ray
from ray._raylet import AuthenticationTokenLoader  # pyright: ignore[reportAttributeAccessIssue]
from ray.exceptions import AuthenticationError

from scaling.study import plugins
from scaling.study.errors import ScalingError
from scaling.sweep.executor.short_folder import short_folder

PATIENCE = 10.0  # seconds in which a cluster that is joined must answer
PORT = 6379  # of a cluster, where its address has none

# Asks a cluster for a number that does not exist. In a process of its own: Ray's client ends the process that it is in
# when nothing answers as a cluster does.
QUESTION = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]).internal_kv_get(b'x', None)"


class ClusterError(ScalingError):
    """A cluster that cannot be joined."""


@dataclass(frozen=True)
class Cluster:
    """The resources that Ray had when the sweep began."""

    cpus: float
    gpus: float
    dashboard: str | None  # address of the dashboard's page
    is_local: bool
    models: tuple[str, ...] = ()  # of its GPUs, as Ray calls them

    def slots(self, cpus: float, gpu: float) -> int:
        """How many trials run at once, if each takes `cpus` and `gpu`."""
        slots = self.cpus / cpus
        return int(min(slots, self.gpus / gpu) if gpu else slots)


@contextlib.contextmanager
def cluster(address: str | None, gpus: int | None = None) -> Iterator[Cluster]:
    """Start Ray on this machine, or join the cluster at `address`; leave it at the end.

    A cluster started here listens on 127.0.0.1 only, and requires Ray's token.

    Args:
        gpus: of this machine, which Ray does not find itself; None lets it look.

    Raises:
        ClusterError: nothing answers at `address`.
        KeyboardInterrupt: SIGTERM arrived while Ray started.
    """
    is_local = address is None
    if address is not None:
        refuse_dead(address)
    AuthenticationTokenLoader.instance().reset_cache()  # an earlier cluster of this process had another token
    with short_folder() if is_local else contextlib.nullcontext():
        try:
            context = ray.init(
                address="local" if address is None else address,
                num_gpus=gpus if is_local else None,
                include_dashboard=True if is_local else None,
                dashboard_host="127.0.0.1",
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
                runtime_env={"worker_process_setup_hook": plugins.loader()} if plugins.are_there() else None,
            )
        except SystemExit:  # from Ray's own handler of SIGTERM, which has replaced ours
            raise KeyboardInterrupt from None
        except (ConnectionError, RuntimeError, AuthenticationError) as error:  # no cluster any more, or another token
            if is_local:
                raise
            raise ClusterError(f"--address {address}: {_first_sentence(error)}; {_ADVICE}") from None
        # Tune logs a traceback for each worker that dies; the record and the display have one line
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        try:
            available = ray.cluster_resources()
            url = context.dashboard_url
            yield Cluster(
                cpus=available.get("CPU", 0),
                gpus=available.get("GPU", 0),
                dashboard=f"http://{url}" if url else None,
                is_local=is_local,
                models=tuple(sorted(n.partition(":")[2] for n in available if n.startswith("accelerator_type:"))),
            )
        finally:
            ray.shutdown()


def gpus_now() -> float:
    """Return the GPUs of the cluster at this moment; nodes join and leave."""
    return ray.cluster_resources().get("GPU", 0)


_ADVICE = "start one with `ray start --head`, give the address of its head, or leave --address out"


def refuse_dead(address: str, patience: float = PATIENCE) -> None:
    """Ask the cluster at `address` once. Ray itself would try for minutes, and then print a traceback.

    Raises:
        ClusterError: there is no cluster, or nothing that answers as one does.
    """
    found = address
    if address == "auto":
        found = _of_this_machine()
        if not found:
            raise ClusterError(f"--address auto: no Ray cluster runs on this machine; {_ADVICE}")
    host, port = _host_and_port(found)
    try:
        with socket.create_connection((host, port), timeout=patience):
            pass
    except (OSError, OverflowError) as error:  # the second: a port beyond 65535
        why = f"no answer in {patience:.0f} s" if isinstance(error, TimeoutError) else str(error).partition("] ")[2]
        raise ClusterError(f"--address {address}: no cluster at {host}:{port} ({why or error}); {_ADVICE}") from None
    if "://" not in found and (problem := _problem(f"{host}:{port}", patience)):
        raise ClusterError(f"--address {address}: {problem}")


def _of_this_machine() -> str | None:
    """Return the address that `auto` stands for, or None where no cluster runs here."""
    from ray._private import services  # Ray offers no other way to ask without joining

    with contextlib.suppress(ConnectionError):
        return services.canonicalize_bootstrap_address("auto")
    return None


def _host_and_port(address: str) -> tuple[str, int]:
    """Split `HOST:PORT`, `[HOST]:PORT` or `ray://HOST:PORT`."""
    authority = (address.partition("://")[2] or address).partition("/")[0].partition("?")[0]
    host, _, port = authority.rpartition(":")
    if not port.isdecimal() or len(port) > 6 or not host:
        host, port = authority, str(10001 if address.startswith("ray://") else PORT)
    return host.strip("[]"), int(port)


def _problem(address: str, patience: float) -> str | None:
    """Why what listens at `address` is of no use, or None if it is a cluster that takes this process's token."""
    no_cluster = f"what listens at {address} is no Ray cluster; {_ADVICE}"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", QUESTION, address], capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return no_cluster
    if "InvalidAuthToken" in asked.stderr:
        return (
            f"the cluster at {address} refuses the token of this process; copy its own (`ray get-auth-token` there"
            " prints it) into RAY_AUTH_TOKEN"
        )
    # a token that is missing here is for Ray to explain
    return None if asked.returncode == 0 or "token" in asked.stderr.lower() else no_cluster


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split()).partition(". ")[0].rstrip(".")[:300]
