"""What a worker does with a trial: run it and report each epoch and the record."""

from collections.abc import Iterator
from typing import Any

import ray
import torch
from ray import tune

from scaling.config import DataConfig, Trial
from scaling.data import Dataset
from scaling.records import Epoch, Record
from scaling.replay import Replay
from scaling.storage import Where


def run_leg(
    config: dict[str, Any], *, datasets: dict[DataConfig, Dataset], folder: Where, replay: Replay | None
) -> None:
    """Body of a Tune trial.

    Args:
        config: `trial` as JSON, and `until`, the epoch after which it rests (None: it runs to its end).
        replay: recorded trials to take curves from, in place of training.
    """
    trial, until = Trial.model_validate_json(config["trial"]), config["until"]
    events = replay.run(trial, until) if replay else train(trial, datasets[trial.config.data], folder, until)
    for event in events:
        kind = "record" if isinstance(event, Record) else "epoch"
        tune.report({kind: event.model_dump_json(by_alias=True)})
    if until is not None:
        tune.report({"rested": until})  # after a record it says nothing new


def train(trial: Trial, data: Dataset, folder: Where, until: int | None) -> Iterator[Epoch | Record]:
    """Run the trial with what Ray has given it."""
    from scaling.trial import run_trial

    device = torch.device("cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu")
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    torch.set_num_threads(max(1, int(cpus)))
    yield from run_trial(trial, data, device=device, folder=folder, until=until)
