"""Runs a queue of trials on Ray Tune, as many at once as the cluster has room for."""

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from scaling.data import Dataset
from scaling.study.config import DataConfig, Trial
from scaling.study.records import Epoch, Record
from scaling.study.storage import RemotePath, Where, remove_tree
from scaling.sweep.executor.replay import Replay
from scaling.sweep.executor.worker import TrialWorker
from scaling.sweep.search.cell_run import Segment

MAX_RESTARTS = 2  # of a trial whose worker died; it continues from its checkpoint
TRIALS_A_RUN = 1000  # after which Tune is restarted: until its end it keeps some 60 kB of every trial
MOST_WAITING = 64  # most trials that Tune holds ready
Share = Callable[[Trial], float]  # of a GPU


class Queue(Protocol):
    """Source of trials; the next one may depend on the events that the watcher got."""

    def next(self) -> Segment | None: ...
    @property
    def is_over(self) -> bool: ...


class Watcher(Protocol):
    """Receives all events of trials, in the sweep's own process."""

    def started(self, trial: Trial) -> None: ...
    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None: ...
    def rested(self, trial: Trial) -> None: ...
    def ended(self, trial: Trial, record: Record) -> None: ...
    def died(self, trial: Trial, reason: str) -> None: ...


def run(
    queue: Queue,
    datasets: Mapping[DataConfig, Dataset],
    *,
    folder: Where,
    watcher: Watcher,
    cpus: float,
    share: Share,
    workers: int = 1,
    replay: Replay | None = None,
) -> None:
    """Run trials until the queue is over.

    A worker runs many trials, because starting one takes longer than a small trial.

    Args:
        datasets: the data that the trials' settings name.
        folder: of the study; checkpoints are written there, so all machines of a cluster must see it.
        cpus: cores of a trial.
        share: of a GPU that a trial takes; whole GPUs if several workers train it together.
        workers: of a trial.
        replay: recorded trials to replay in place of training.

    Raises:
        KeyboardInterrupt: Ctrl-C; the workers stop when the cluster shuts down.
    """
    # By default Tune keeps one trial of a searcher waiting. It abandons a worker that is starting as soon as another
    # becomes free, so one worker would run all trials while the others never start.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(2, min(MOST_WAITING, int(_cpus() / cpus))))
    given = _Given()
    body = _trainable(datasets, folder, workers, replay)
    with _scratch(folder) as scratch:
        while not queue.is_over:
            tune.Tuner(
                body,
                tune_config=tune.TuneConfig(
                    search_alg=_QueueSearcher(queue, given, cpus, share, workers),
                    num_samples=-1,
                    reuse_actors=workers == 1,  # of several, what Tune would reuse only waits for Train's workers
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="trials",
                    storage_path=scratch,
                    verbose=0,
                    failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # trials keep their own
                    callbacks=[_WatcherCallback(given, watcher)],
                ),
            ).fit()


def _trainable(datasets: Mapping[DataConfig, Dataset], folder: Where, workers: int, replay: Replay | None) -> Any:
    """Return what Tune runs for each trial."""
    if workers == 1 or replay is not None:
        known = {} if replay else dict(datasets)
        return tune.with_parameters(TrialWorker, datasets=known, folder=folder, replay=replay)
    from scaling.sweep.executor.distributed_trial import OWN_SHARE, run_shared_segment

    shared = tune.with_parameters(run_shared_segment, datasets=dict(datasets), folder=folder)
    return tune.with_resources(shared, tune.PlacementGroupFactory([OWN_SHARE]))


@contextlib.contextmanager
def _scratch(folder: Where) -> Iterator[str]:
    """Provide a folder for Tune's own files, which are never read again; all machines of a cluster must see it."""
    if isinstance(folder, RemotePath) and len(ray.nodes()) == 1:
        with tempfile.TemporaryDirectory(prefix="scaling-", ignore_cleanup_errors=True) as local:
            yield local
        return
    remove_tree(folder / ".tune")
    yield str(folder / ".tune")
    remove_tree(folder / ".tune")


def _cpus() -> float:
    return ray.cluster_resources().get("CPU", 1)


class _Given:
    """The segments that Tune has got, and those that it lost and must get again.

    Tune restarts a trial whose worker dies while it runs. It gives the trial up at once where the worker dies between
    two trials, because it learns of that death twice (`_actor_failed`, then the failed reset).
    """

    def __init__(self) -> None:
        self.segments: dict[str, Segment] = {}  # by Tune's name of the trial
        self.over: set[str] = set()  # of them, those whose end was reported
        self.lost: list[Segment] = []
        self.deaths: Counter[str] = Counter()  # of workers, by content key

    def gave_up(self, name: str, deaths: int) -> Trial | None:
        """Note that Tune gave up a trial after so many deaths; return it if it shall not start again."""
        segment = self.segments.pop(name)
        if name in self.over:
            return None
        self.deaths[segment.trial.key] += max(1, deaths)
        if self.deaths[segment.trial.key] > MAX_RESTARTS:
            return segment.trial
        self.lost.append(segment)
        return None


class _QueueSearcher(Searcher):
    """Gives Tune its trials from a queue."""

    def __init__(self, queue: Queue, given: _Given, cpus: float, share: Share, workers: int = 1) -> None:
        super().__init__()
        self.queue = queue
        self.given = given
        self.cpus = cpus
        self.share = share
        self.workers = workers
        self.count = 0  # trials that this run of Tune has got
        self.taken: dict[str, float] = {}  # GPUs of each running trial, because Tune does not count Train's workers

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher to restore an experiment, which is never done here

    # Tune's own type leaves out FINISHED, which its documentation requires
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.workers > 1 and not self._has_room():
            return None
        if self.count >= TRIALS_A_RUN:
            return Searcher.FINISHED
        segment = self.given.lost.pop() if self.given.lost else self.queue.next()
        if segment is None:
            return Searcher.FINISHED if self.queue.is_over else None
        self.count += 1
        self.given.segments[trial_id] = segment
        self.taken[trial_id] = self.share(segment.trial)
        taken = {"cpus": self.cpus, "gpus": self.taken[trial_id], "workers": self.workers}
        return {"trial": segment.trial.model_dump_json(), "until": segment.until, **taken}

    def _has_room(self) -> bool:
        """Whether the workers of one more trial fit beside the running ones; a single trial may wait for room."""
        there, running = ray.cluster_resources(), len(self.taken)
        most = max(self.taken.values(), default=0.0)
        fits = (running + 1) * self.cpus <= there.get("CPU", 0) and (running + 1) * most <= there.get("GPU", 0)
        return not running or fits

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if not error:  # after an error the callback still needs it
            self.given.segments.pop(trial_id, None)
        self.taken.pop(trial_id, None)

    def save(self, checkpoint_path: str) -> None: ...  # a study continues from its records

    def restore(self, checkpoint_path: str) -> None: ...

    def get_state(self) -> dict[str, Any]:
        return {}

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None: ...


class _WatcherCallback(tune.Callback):
    """Translates Tune's callbacks into events for a `Watcher`."""

    def __init__(self, given: _Given, watcher: Watcher) -> None:
        self.given = given
        self.watcher = watcher

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks to restore an experiment, which is never done here

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        self.watcher.started(self.given.segments[trial.trial_id].trial)

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        ours = self.given.segments[trial.trial_id].trial
        if "record" in result or "rested" in result:
            self.given.over.add(trial.trial_id)
        for epoch in result.get("epochs", ()):
            self.watcher.epoch_ended(ours, Epoch.model_validate_json(epoch))
        if "record" in result:
            self.watcher.ended(ours, Record.model_validate_json(result["record"]))
        elif "rested" in result:
            self.watcher.rested(ours)

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        if ours := self.given.gave_up(trial.trial_id, trial.num_failures):
            self.watcher.died(ours, _reason(trial))


def _reason(trial: TuneTrial) -> str:
    """Read why Tune gave up a trial from the error file in the trial's scratch folder."""
    if not trial.error_file:
        return "Ray gives no reason"
    text = " ".join(Path(trial.error_file).read_text(encoding="utf-8").split())
    return text.rpartition("Worker exit detail:")[2].partition(" Some common causes")[0].strip()[:300]
