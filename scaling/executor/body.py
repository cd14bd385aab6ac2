"""What a worker does with a trial: run it and report each epoch and the record."""

from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from scaling.config import DataConfig, Trial
from scaling.data import Dataset
from scaling.records import Record


def run_leg(config: dict[str, Any], *, datasets: dict[DataConfig, Dataset], folder: Path) -> None:
    """Body of a Tune trial.

    Args:
        config: `trial` as JSON, and `until`, the epoch after which it rests (None: it runs to its end).
    """
    from scaling.trial import run_trial

    trial = Trial.model_validate_json(config["trial"])
    device = torch.device("cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu")
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    torch.set_num_threads(max(1, int(cpus)))
    for event in run_trial(trial, datasets[trial.config.data], device=device, folder=folder, until=config["until"]):
        kind = "record" if isinstance(event, Record) else "epoch"
        tune.report({kind: event.model_dump_json(by_alias=True)})
    if config["until"] is not None:
        tune.report({"rested": config["until"]})  # after a record it says nothing new
