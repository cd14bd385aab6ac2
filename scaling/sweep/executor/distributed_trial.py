"""A trial of several workers: a Tune trial that starts workers of Ray Train and passes on their events.

Tune does not accept a Train run as a trial; Ray supports a function that starts one. Its workers take their resources
from the cluster, not from the Tune trial's share, so the trial itself takes almost nothing (`OWN_SHARE`), and no more
trials may start at once than the cluster has room for workers.
"""

import uuid
from typing import Any

import ray
import torch
from ray import train, tune
from ray.train.torch import TorchTrainer, get_device
from ray.tune.integration.ray_train import TuneReportCallback

from scaling.data import Dataset
from scaling.devices import granted, kind_of
from scaling.study.config import DataConfig, Trial
from scaling.study.records import Record
from scaling.study.storage import Where, place

OWN_SHARE = {"memory": 2.0**20}  # bytes; Ray refuses a trial that takes nothing


def run_shared_segment(config: dict[str, Any], *, datasets: dict[DataConfig, Dataset], folder: Where) -> None:
    """Run a Tune trial, which reports as `TrialWorker` does.

    A worker that dies ends the trial; Tune starts it again, and it resumes from its checkpoint.

    Args:
        config: `trial` as JSON; `until`, the epoch after which it rests (None runs it to its end); the number of
            `workers`, and the `cpus` and `gpus` of all of them together.
    """
    trial, workers = Trial.model_validate_json(config["trial"]), config["workers"]
    each = {"CPU": config["cpus"] / workers, "GPU": config["gpus"] / workers}
    TorchTrainer(
        train_together,
        train_loop_config={
            "trial": config["trial"],
            "until": config["until"],
            "folder": str(folder),
            "data": [ray.put(datasets[trial.config.data])],  # in a list, or Ray would look for one of its own data sets
            "threads": max(1, int(each["CPU"])),
            "gpus": config["gpus"],
        },
        scaling_config=train.ScalingConfig(
            num_workers=workers, use_gpu=each["GPU"] > 0, resources_per_worker={k: v for k, v in each.items() if v}
        ),
        run_config=train.RunConfig(
            name=f"{trial.key}-{uuid.uuid4().hex[:8]}",  # a name used before would continue Train's own state
            storage_path=str(folder / ".tune" / "workers"),
            callbacks=[TuneReportCallback()],
        ),
    ).fit()
    if config["until"] is not None:
        tune.report({"rested": config["until"]})  # after a record it changes nothing


def train_together(config: dict[str, Any]) -> None:
    """Run the trial in one worker; all workers report in step, and the events of the first one count."""
    from scaling.training.parallel import Group, WorkerLost
    from scaling.trial import run_trial

    trial = Trial.model_validate_json(config["trial"])
    data: Dataset = ray.get(config["data"][0])  # pyright: ignore[reportAssignmentType]  # as put above
    torch.set_num_threads(config["threads"])
    device = get_device()
    if config["gpus"] and not kind_of(device).is_accelerator:  # Ray falls back to the CPU where torch cannot use a GPU
        device = granted(ray.get_gpu_ids(), trial.device)
    group = Group(device)
    until, folder, gpus = config["until"], place(config["folder"]), config["gpus"]
    try:
        for event in run_trial(trial, data, device=device, folder=folder, until=until, workers=group, gpus=gpus):
            if isinstance(event, Record):
                if group.is_first:
                    group.release()
                train.report({"record": event.model_dump_json(by_alias=True)})
            else:
                train.report({"epochs": [event.model_dump_json()]})
    except WorkerLost as lost:  # Ray Train restarts after an Exception
        raise RuntimeError(str(lost)) from None
    finally:
        group.left.set()
