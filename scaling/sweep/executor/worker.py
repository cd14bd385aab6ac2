"""What a worker does with its trials, one after another: run each and say what has come of it.

A class for Tune, not a function: between two trials a worker then only starts the next, where Tune's functions wait
for their thread to end and for one more answer of the driver.
"""

import time
from collections.abc import Iterator
from typing import Any

import ray
import torch
from ray import tune

from scaling.data import Dataset
from scaling.study.config import DataConfig, Trial
from scaling.study.records import Epoch, Record
from scaling.study.storage import Where
from scaling.sweep.executor.replay import Replay

WAITING_SHARE = 0.005  # of its time that a worker may wait for the driver, which takes what it says: 10 ms, or 100
LEAST, MOST = 2.0, 10.0  # seconds of epochs that are said together


class Bundle:
    """When epochs are said: the longer the driver took to take the last ones, the more come together."""

    def __init__(self) -> None:
        self._seconds = LEAST
        self._since = 0.0  # when this bundle was begun, as `time.monotonic` has it
        self._said: float | None = None  # when the last one was

    def begin(self) -> None:
        """The driver asks for more."""
        self._since = time.monotonic()
        if self._said is not None:
            self._seconds = min(max((self._since - self._said) / WAITING_SHARE, LEAST), MOST)
        self._said = None

    def is_full(self) -> bool:
        """Whether to say now what there is; to be asked after each epoch, and then to be followed."""
        if (now := time.monotonic()) - self._since < self._seconds:
            return False
        self._said = now
        return True


class TrialWorker(tune.Trainable):
    """Lives on from trial to trial.

    `config` of each: `trial` as JSON; `until`, the epoch after which it rests (None: it runs to its end); its `cpus`
    and `gpus`.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": config["cpus"], "GPU": config["gpus"]}])

    def setup(  # pyright: ignore[reportIncompatibleMethodOverride]  # as `tune.with_parameters` wants it
        self, config: dict[str, Any], *, datasets: dict[DataConfig, Dataset], folder: Where, replay: Replay | None
    ) -> None:
        """Take what all trials share.

        Args:
            replay: recorded trials to take curves from, in place of training.
        """
        self.datasets, self.folder, self.replay = datasets, folder, replay
        self.bundle = Bundle()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        trial, self.until = Trial.model_validate_json(new_config["trial"]), new_config["until"]
        if self.replay:
            self.events = self.replay.run(trial, self.until)
        else:
            self.events = train(trial, self.datasets[trial.config.data], self.folder, self.until)
        return True

    def step(self) -> dict[str, Any]:
        """The epochs that ended since the last step, and the record where the trial has ended."""
        epochs: list[str] = []
        self.bundle.begin()
        for event in self.events:
            if isinstance(event, Record):
                return {"epochs": epochs, "record": event.model_dump_json(by_alias=True), "done": True}
            epochs.append(event.model_dump_json())
            if self.bundle.is_full():
                return {"epochs": epochs}
        return {"epochs": epochs, "rested": self.until, "done": True}


def train(trial: Trial, data: Dataset, folder: Where, until: int | None) -> Iterator[Epoch | Record]:
    """Run the trial with what Ray has given it."""
    from scaling.trial import run_trial

    device = torch.device("cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu")
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    torch.set_num_threads(max(1, int(cpus)))
    yield from run_trial(trial, data, device=device, folder=folder, until=until)
