"""One trial: build → cost → train → score → record. It does not depend on Ray, and runs in a plain process too."""

import copy
import functools
import json
import traceback
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import torch
from torch import nn

from scaling import devices
from scaling.costs.complexity import measure
from scaling.costs.live_tensors import Step, measured_training_memory
from scaling.costs.memory import inference_memory, training_memory
from scaling.costs.training_compute import ImageMacs
from scaling.data import Dataset, for_repetition
from scaling.models import build_model
from scaling.models.activation_checkpointing import enable_activation_checkpointing
from scaling.study.config import Trial
from scaling.study.notes import Notes
from scaling.study.plugins import require
from scaling.study.recipe_registries import refuse_unknown
from scaling.study.records import CountedCost, Epoch, Record, Scores
from scaling.study.storage import Where
from scaling.study.training_compute import total
from scaling.tasks import TASKS
from scaling.training.artifacts import keep
from scaling.training.compiling import is_worthwhile
from scaling.training.divergence import Diverged, not_finite
from scaling.training.environment import environment
from scaling.training.resolution import largest, sizes_for
from scaling.training.train import fit, moving_average, steps_per_epoch
from scaling.training.training_run import TrainingRun
from scaling.training.width import follow_width
from scaling.training.workers import Workers

TASK = "classification"  # the only one so far


@dataclass
class TrialResult:
    """What a trial has reached so far, from which its record is made."""

    environment: dict[str, Any]
    started: str  # ISO 8601, UTC
    status: Literal["finished", "failed", "diverged"] = "failed"
    reason: str | None = None
    traceback: str | None = None
    cost: CountedCost | None = None
    image_macs: list[int] | None = None  # multiply-accumulates of one image's training step in each epoch
    curve: list[Epoch] = field(default_factory=list)
    scores: Scores | None = None

    def add(self, epoch: Epoch) -> Epoch:
        """Add an epoch to the curve; return it with its training compute."""
        if self.image_macs and epoch.images is not None:
            compute = epoch.images * self.image_macs[epoch.epoch - 1]
            epoch = epoch.model_copy(update={"training_compute": compute})
        self.curve.append(epoch)
        return epoch

    def spent(self, under_way: int) -> tuple[int | None, int | None]:
        """Images seen and training compute in MACs, those of an epoch that broke off after `under_way` images too."""
        images = total([*(epoch.images for epoch in self.curve), under_way])
        compute = total(epoch.training_compute for epoch in self.curve)
        if under_way and compute is not None:
            compute = compute + under_way * self.image_macs[len(self.curve)] if self.image_macs else None
        return images, compute

    def record(self, trial: Trial, run: TrainingRun) -> Record:
        """Return the record of `trial`, with the times and notes of its `run`."""
        images, compute = self.spent(run.account.images)
        return Record.of(
            trial,
            status=self.status,
            reason=self.reason,
            traceback=self.traceback,
            notes=run.notes.lines,
            cost=self.cost,
            curve=self.curve,
            scores=self.scores,
            train_seconds=sum(epoch.train_seconds for epoch in self.curve) if self.curve else None,
            wall_seconds=sum(run.watch.seconds.values()),
            seconds=run.watch.seconds,
            images_seen=images,
            training_compute=compute,
            shared_epochs=run.account.shared_epochs or None,
            environment=self.environment,
            started=self.started,
            ended=_now(),
        )


def run_trial(  # a trial from start to end is read in one piece
    trial: Trial,
    data: Dataset,
    *,
    device: torch.device,
    folder: Where | None = None,
    until: int | None = None,
    workers: Workers | None = None,
    gpus: float | None = None,
) -> Generator[Epoch | Record]:
    """Run one trial: yield each epoch as it ends, then the record.

    A failure does not raise an exception: it ends in a record that gives the reason.

    Args:
        data: the data that `trial.config.data` names.
        folder: of the study. `checkpoints/KEY` in it holds the training state, from which the trial resumes if there is
            one; weights are written there too if `trial.keeps_weights`.
        until: epoch after which the trial rests, its state in its checkpoint; no record follows then.
        workers: the processes that train it together; each runs the trial, and the events of the first one count.
        gpus: that the trial holds, a share of one or several; its processes take no more of their memory. None: not
            known, and not limited here.
    """
    run = TrainingRun.of(trial, device, folder, until, workers)
    result = TrialResult(environment(device, gpus), _now())
    recipe = trial.config.recipe
    try:
        devices.refuse_unusable(device)
        if gpus is not None:
            devices.limit_memory(device, gpus / run.workers.count)
        require(trial.config.plugins)
        refuse_unknown(recipe)
        data = for_repetition(data, trial.config.data, trial.config.seed)
        model = build(trial, data)
        scales = follow_width(model, trial.config.family, _complete(trial, data), recipe, trial.config.seed)
        model.to(device)
        if run.workers.count > 1:
            run.notes.add(f"trained by {run.workers.count} workers together; memory is that of one of them")
        if run.workers.is_first:  # the others wait
            result.cost = costs(model, trial, data, device, run.notes, run.workers.count)
            result.image_macs = ImageMacs.of(trial.config, data, result.cost).of_epochs(recipe, data.image_size)
        task, average = TASKS[TASK](data, recipe, run), moving_average(model, recipe)
        for epoch in fit(model, task, data, recipe, run, seed=trial.config.seed, average=average, scales=scales):
            yield (epoch := result.add(epoch))
            if until is not None and epoch.epoch >= until:
                return
        scores = task.score(model, average.module if average else None)
        run.watch.book("evaluation")
        if wrong := not_finite(scores):
            raise Diverged(recipe.epochs * steps_per_epoch(len(data.train), recipe), recipe.epochs, wrong)
        result.scores, result.status = scores, "finished"
        if folder and trial.keeps_weights and run.workers.is_first:
            result.reason = kept(trial, model, data, folder)
            run.watch.book("artifacts")
    except Diverged as trouble:
        result.status, result.reason = "diverged", str(trouble)
    except Exception as trouble:
        result.reason, result.traceback = in_one_line(trouble), traceback.format_exc()
    if result.status == "failed":  # after `except`, whose error keeps the workers' connections open
        run.workers.report_failure(result.reason or "")
    if result.status != "finished":
        run.watch.book("failure")
    yield result.record(trial, run)


def build(trial: Trial, data: Dataset) -> nn.Module:
    """Build the trial's network for its data; trunk and head start equal in all arms of a cell and repetition."""
    return build_model(trial.config.family, **_complete(trial, data), seed=trial.config.seed)


def _complete(trial: Trial, data: Dataset) -> dict[str, Any]:
    """Return all parameters of the trial's network, including those that follow from its data."""
    seen = {"num_classes": data.num_classes, "in_chans": data.channels, "image_size": data.image_size}
    return {**trial.config.arch, **seen}


def costs(
    model: nn.Module, trial: Trial, data: Dataset, device: torch.device, notes: Notes, workers: int = 1
) -> CountedCost:
    """Count the model's costs; predict a worker's training memory, and measure it over two steps of a copy."""
    config, checkpointing = trial.config, trial.activation_checkpointing
    step = Step.of(config.recipe, len(data.train), device.type, checkpointing=checkpointing, workers=workers)
    steps = steps_per_epoch(len(data.train), config.recipe) * config.recipe.epochs
    trained_step = replace(step, compiled=is_worthwhile(trial.compiles, device, steps))
    copied = copy.deepcopy(model)
    if checkpointing:
        enable_activation_checkpointing(copied, config.family)
    arch = json.dumps(config.arch, sort_keys=True)
    training, inference = predicted_memory(config.family, arch, data.image_size, data.channels, data.num_classes, step)
    trained = largest(sizes_for(model, config.recipe, data.image_size, data.channels), data.image_size)
    if trained != data.image_size:
        training, _ = predicted_memory(config.family, arch, trained, data.channels, data.num_classes, step)
    measured = measured_training_memory(copied, trained, data.channels, trained_step, notes)
    return measure(model, image_size=data.image_size, in_chans=data.channels).model_copy(
        update={
            "training_memory_bytes": training,
            "inference_memory_bytes": inference,
            "measured_memory_bytes": measured,
        }
    )


@functools.lru_cache(maxsize=256)  # a worker trains the same model in every repetition, and a prediction takes a second
def predicted_memory(
    family: str, arch: str, image_size: tuple[int, int], in_chans: int, num_classes: int, step: Step
) -> tuple[int, int]:
    """Predict the bytes of a training step, and of one image's evaluation, for an architecture as JSON."""
    data = {"image_size": image_size, "in_chans": in_chans, "num_classes": num_classes}
    one = Step(batch_size=1, precision=step.precision, device=step.device)
    return (
        training_memory(family, json.loads(arch), step, **data),
        inference_memory(family, json.loads(arch), one, **data),
    )


def kept(trial: Trial, model: nn.Module, data: Dataset, folder: Where) -> str | None:
    """Keep the weights, or return why not: a full disk must not cost the result of a week's training."""
    try:
        keep(model, trial.config, trial.key, data, folder)
    except Exception as trouble:
        return f"finished, but its weights were not kept: {in_one_line(trouble)}"
    return None


def in_one_line(trouble: BaseException) -> str:
    """Describe an error in one line."""
    text = " ".join(str(trouble).split())
    return f"{type(trouble).__name__}: {text}" if text else type(trouble).__name__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
