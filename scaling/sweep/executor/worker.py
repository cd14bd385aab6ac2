"""A worker of Tune: runs one trial after another and reports their epochs and records.

It is a class, not a function, because a function of Tune waits between two trials for its thread to end and for one
more answer of the driver.
"""

import time
from collections.abc import Iterator
from typing import Any

import ray
import torch
from ray import tune

from scaling import devices
from scaling.data import Dataset
from scaling.devices import kind_of
from scaling.study.config import DataConfig, Trial
from scaling.study.records import Epoch, Record
from scaling.study.storage import Where
from scaling.sweep.executor.replay import Replay
from scaling.training.micro_batches import release_memory

WAITING_SHARE = 0.005  # of its time that a worker may wait for the driver to take a report, which lasts 10 to 100 ms
LEAST, MOST = 2.0, 10.0  # seconds of epochs in one report


class ReportInterval:
    """Decides when to report epochs: the longer the driver took for the last report, the more epochs share the next."""

    def __init__(self) -> None:
        self._seconds = LEAST
        self._since = 0.0  # start of this interval in seconds of `time.monotonic`
        self._reported: float | None = None  # time of the last report

    def begin(self) -> None:
        """Start an interval; the driver has taken the last report."""
        self._since = time.monotonic()
        if self._reported is not None:
            self._seconds = min(max((self._since - self._reported) / WAITING_SHARE, LEAST), MOST)
        self._reported = None

    def is_over(self) -> bool:
        """Whether to report now; call it after each epoch, and report if it is true."""
        if (now := time.monotonic()) - self._since < self._seconds:
            return False
        self._reported = now
        return True


class TrialWorker(tune.Trainable):
    """Runs one trial after another.

    `config` of each: `trial` as JSON; `until`, the epoch after which it rests (None runs it to its end); its `cpus`
    and `gpus`.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": config["cpus"], "GPU": config["gpus"]}])

    def setup(  # pyright: ignore[reportIncompatibleMethodOverride]  # as `tune.with_parameters` requires
        self, config: dict[str, Any], *, datasets: dict[DataConfig, Dataset], folder: Where, replay: Replay | None
    ) -> None:
        """Store what all trials share, and start the first one.

        Args:
            replay: recorded trials to replay in place of training.
        """
        self.datasets, self.folder, self.replay = datasets, folder, replay
        self.interval = ReportInterval()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        trial, self.until = Trial.model_validate_json(new_config["trial"]), new_config["until"]
        if self.replay:
            self.events = self.replay.run(trial, self.until)
        else:
            self.events = train(trial, self.datasets[trial.config.data], self.folder, self.until, new_config["gpus"])
        return True

    def step(self) -> dict[str, Any]:
        """Return the epochs that ended since the last step, and the record if the trial has ended."""
        epochs: list[str] = []
        self.interval.begin()
        for event in self.events:
            if isinstance(event, Record):
                return {"epochs": epochs, "record": event.model_dump_json(by_alias=True), "done": True}
            epochs.append(event.model_dump_json())
            if self.interval.is_over():
                return {"epochs": epochs}
        return {"epochs": epochs, "rested": self.until, "done": True}


def train(trial: Trial, data: Dataset, folder: Where, until: int | None, gpus: float) -> Iterator[Epoch | Record]:
    """Run the trial on the device and cores that Ray has assigned, within its share of the device's memory.

    Args:
        gpus: that it has got, a share of one or several.
    """
    from scaling.trial import run_trial

    device = devices.granted(ray.get_gpu_ids(), trial.device)
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    torch.set_num_threads(max(1, int(cpus)))
    try:
        yield from run_trial(trial, data, device=device, folder=folder, until=until, gpus=gpus)
    finally:
        if kind_of(device).is_accelerator:
            release_memory()  # the next trial on the device may be another worker's
