"""The Ray cluster that a sweep runs on: one of its own on this machine, or one that it joins."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import ray

from scaling.study import plugins


@dataclass(frozen=True)
class Cluster:
    """The resources that Ray has."""

    cpus: float
    gpus: float
    dashboard: str | None  # address of the dashboard's page
    is_local: bool

    def slots(self, cpus: float, gpu: float) -> int:
        """How many trials run at once, if each takes `cpus` and `gpu`."""
        slots = self.cpus / cpus
        return int(min(slots, self.gpus / gpu) if gpu else slots)


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Cluster]:
    """Start Ray on this machine, or join the cluster at `address`; leave it at the end.

    A cluster started here listens on 127.0.0.1 only, and requires Ray's token (`ray get-auth-token`).

    Raises:
        KeyboardInterrupt: SIGTERM arrived while Ray started.
    """
    is_local = address is None
    try:
        context = ray.init(
            address="local" if address is None else address,
            include_dashboard=True if is_local else None,
            dashboard_host="127.0.0.1",
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            runtime_env={"worker_process_setup_hook": plugins.loader()} if plugins.are_there() else None,
        )
    except SystemExit:  # from Ray's own handler of SIGTERM, which has replaced ours
        raise KeyboardInterrupt from None
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
        )
    finally:
        ray.shutdown()
