"""Executor: hands trials to Ray Tune and passes on what they report. The only module that knows Ray.

Tune's own experiment state is not used to continue a study: it can neither change a space nor add trials, and after a
kill it repeats what finished since its last snapshot. A study continues from its records and checkpoints instead.
"""

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

from scaling.config import DataConfig, Trial
from scaling.data import Dataset
from scaling.records import Epoch, Record

# Ray and Tune read these when they are imported. Ray asks visitors of a local cluster for a token whatever we say, and
# refuses its own driver where that is not told so too. Tune's per-trial log files would repeat what the records say;
# its handler of Ctrl-C is replaced by ours, which also takes SIGTERM; its usage report would leave the machine. The
# last one chooses the behaviour that Ray announces as its future default, and so silences the announcement.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
import torch
from ray import tune
from ray.tune.experiment import Trial as TuneTrial

MAX_RESTARTS = 2  # of a trial whose worker died; it continues from its checkpoint


class Watcher(Protocol):
    """Told of everything that happens to trials, in the sweep's own process."""

    def started(self, trial: Trial) -> None: ...
    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None: ...
    def ended(self, trial: Trial, record: Record) -> None: ...
    def died(self, trial: Trial, reason: str) -> None: ...


@dataclass(frozen=True)
class Cluster:
    """What Ray has to run on."""

    cpus: float
    gpus: float
    dashboard: str | None  # address of the dashboard's page
    is_local: bool

    def slots(self, cpus: float, gpu: float) -> int:
        """Trials that run at once, where each takes so much."""
        slots = self.cpus / cpus
        return int(min(slots, self.gpus / gpu) if gpu else slots)


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Cluster]:
    """Start Ray on this machine, or join the cluster at `address`; leave it at the end.

    A cluster of our own listens on 127.0.0.1 only, and wants Ray's token (`ray get-auth-token`) from its visitors.
    """
    is_local = address is None
    context = ray.init(
        address="local" if address is None else address,
        include_dashboard=True if is_local else None,
        dashboard_host="127.0.0.1",
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )
    # Tune logs a traceback for each worker that dies; the record and the display say it in one line
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


def run(
    trials: Sequence[Trial],
    datasets: Mapping[DataConfig, Dataset],
    *,
    folder: Path,
    watcher: Watcher,
    cpus: float,
    gpus: Sequence[float],
) -> None:
    """Run trials to their end, in their order, as many at once as the cluster holds.

    Workers live on from trial to trial: starting one costs more than a small trial does.

    Args:
        datasets: the data that the trials' settings name.
        folder: of the study; checkpoints go there, so all machines of a cluster must see it.
        cpus: cores of a trial.
        gpus: share of a GPU for each trial, in the order of the trials.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the workers are stopped when the cluster is left.
    """
    scratch = folder / ".tune"
    shutil.rmtree(scratch, ignore_errors=True)
    body = tune.with_parameters(_run_one, trials=list(trials), datasets=dict(datasets), folder=str(folder))
    tuner = tune.Tuner(
        tune.with_resources(
            body, lambda config: tune.PlacementGroupFactory([{"CPU": cpus, "GPU": gpus[config["number"]]}])
        ),
        param_space={"number": tune.grid_search(list(range(len(trials))))},
        tune_config=tune.TuneConfig(reuse_actors=True, num_samples=1),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
            callbacks=[_Relay(trials, watcher)],
        ),
    )
    with _interrupted_by_sigterm():
        tuner.fit()
    shutil.rmtree(scratch, ignore_errors=True)


def _run_one(config: dict[str, Any], *, trials: list[Trial], datasets: dict[DataConfig, Dataset], folder: str) -> None:
    """Body of a Tune trial, in a worker: run ours and report each epoch and the record."""
    from scaling.trial import run_trial

    trial = trials[config["number"]]
    device = torch.device("cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu")
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    torch.set_num_threads(max(1, int(cpus)))
    data = datasets[trial.config.data]
    for event in run_trial(trial, data, device=device, folder=Path(folder)):
        kind = "record" if isinstance(event, Record) else "epoch"
        tune.report({kind: event.model_dump_json(by_alias=True)})


class _Relay(tune.Callback):
    """Translates Tune's callbacks into a `Watcher`'s."""

    def __init__(self, trials: Sequence[Trial], watcher: Watcher) -> None:
        self.trials = trials
        self.watcher = watcher

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks to restore an experiment from them, which we never do

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        self.watcher.started(self._ours(trial))

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        if "record" in result:
            self.watcher.ended(self._ours(trial), Record.model_validate_json(result["record"]))
        elif "epoch" in result:
            self.watcher.epoch_ended(self._ours(trial), Epoch.model_validate_json(result["epoch"]))

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        self.watcher.died(self._ours(trial), _reason(trial))

    def _ours(self, trial: TuneTrial) -> Trial:
        return self.trials[trial.config["number"]]


def _reason(trial: TuneTrial) -> str:
    """Why Tune gave a trial up, from the file that it keeps in the trial's scratch folder."""
    if not trial.error_file:
        return "Ray gives no reason"
    text = " ".join(Path(trial.error_file).read_text(encoding="utf-8").split())
    return text.rpartition("Worker exit detail:")[2].partition(" Some common causes")[0].strip()[:300]


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which batch systems send before they kill, stop the sweep as cleanly as Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
