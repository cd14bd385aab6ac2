"""One trial: build → cost → train → score → record. It knows no Ray, and runs in a plain process too."""

import copy
import functools
import json
import traceback
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import torch
from torch import nn

from scaling.costs.complexity import measure
from scaling.costs.live_tensors import Step, measured_training_memory
from scaling.costs.memory import inference_memory, training_memory
from scaling.data import Dataset
from scaling.models import build_model
from scaling.models.activation_checkpointing import checkpoint_gradients
from scaling.study.config import Trial
from scaling.study.notes import Notes
from scaling.study.plugins import require
from scaling.study.records import CountedCost, Epoch, Record
from scaling.study.storage import Where
from scaling.tasks.classification import not_finite, score
from scaling.training.artifacts import keep
from scaling.training.divergence import Diverged
from scaling.training.environment import environment
from scaling.training.resolution import largest, sizes_for
from scaling.training.stopwatch import Stopwatch
from scaling.training.train import fit, moving_average, steps_per_epoch
from scaling.training.width_rules import follow_width
from scaling.training.workers import Alone, Workers


def run_trial(
    trial: Trial,
    data: Dataset,
    *,
    device: torch.device,
    folder: Where | None = None,
    until: int | None = None,
    workers: Workers | None = None,
) -> Generator[Epoch | Record]:
    """Run one trial: yield each epoch as it ends, then the record.

    Trouble is data: whatever goes wrong ends in a record that says why, not in an exception.

    Args:
        data: what `trial.config.data` names, loaded.
        folder: of the study. `checkpoints/KEY` in it keeps the training state, and a trial that finds one there
            continues from it; weights go there too where `trial.keeps_weights`.
        until: epoch after which the trial rests, its state in its checkpoint; no record comes then.
        workers: those who train it together; each runs the trial, and the first one's events are the trial's.
    """
    workers = workers or Alone()
    watch, started = Stopwatch(), _now()
    left: dict[str, Any] = {"environment": environment(device), "started": started}
    curve: list[Epoch] = []
    notes, recipe = Notes(), trial.config.recipe
    checkpoint = folder / "checkpoints" / trial.key if folder else None
    try:
        require(trial.config.plugins)
        model = build(trial, data)
        scales = follow_width(model, trial.config.family, _complete(trial, data), recipe, trial.config.seed)
        model.to(device)
        if workers.count > 1:
            notes.add(f"trained by {workers.count} workers together, whose memory is that of one of them")
        if workers.is_first:  # the others wait
            left["cost"] = costs(model, trial, data, device, notes, workers.count)
        average = moving_average(model, recipe)
        for epoch in fit(
            model,
            data,
            recipe,
            seed=trial.config.seed,
            device=device,
            checkpoint=checkpoint,
            average=average,
            watch=watch,
            notes=notes,
            compiles=trial.compiles,
            checkpoints_gradients=trial.checkpoints_gradients,
            rests_at=until,
            scales=scales,
            workers=workers,
        ):
            curve.append(epoch)
            yield epoch
            if until is not None and epoch.epoch >= until:
                return
        scores = score(model, data, device, average.module if average else None, notes, workers)
        watch.book("evaluation")
        if wrong := not_finite(scores):
            raise Diverged(recipe.epochs * steps_per_epoch(len(data.train), recipe), recipe.epochs, wrong)
        left |= {"status": "finished", "scores": scores}
        if folder and trial.keeps_weights and workers.is_first:
            left |= {"reason": kept(trial, model, data, folder)}
            watch.book("artifacts")
    except Diverged as trouble:
        left |= {"status": "diverged", "reason": str(trouble)}
    except Exception as trouble:
        left |= {"status": "failed", "reason": in_one_line(trouble), "traceback": traceback.format_exc()}
    if left["status"] == "failed":
        workers.failed(left["reason"])
    if left["status"] != "finished":
        watch.book("failure")
    left |= {"wall_seconds": sum(watch.seconds.values()), "seconds": watch.seconds, "ended": _now()}
    left |= {"notes": notes.lines}
    yield record(trial, curve=curve, train_seconds=sum(e.train_seconds for e in curve) if curve else None, **left)


def build(trial: Trial, data: Dataset) -> nn.Module:
    """Build the trial's network for its data; trunk and head start equal in all arms of a cell and seed."""
    return build_model(trial.config.family, **_complete(trial, data), seed=trial.config.seed)


def _complete(trial: Trial, data: Dataset) -> dict[str, Any]:
    """All parameters of the trial's network, those that its data decide among them."""
    seen = {"num_classes": data.num_classes, "in_chans": data.channels, "image_size": data.image_size}
    return {**trial.config.arch, **seen}


def costs(
    model: nn.Module, trial: Trial, data: Dataset, device: torch.device, notes: Notes, workers: int = 1
) -> CountedCost:
    """Count what the model costs; predict, and measure over two steps of a copy, what training occupies a worker."""
    config, checkpointing = trial.config, trial.checkpoints_gradients
    step = Step.of(config.recipe, len(data.train), device.type, checkpointing=checkpointing, workers=workers)
    copied = copy.deepcopy(model)
    if checkpointing:
        checkpoint_gradients(copied, config.family)
    arch = json.dumps(config.arch, sort_keys=True)
    training, inference = predicted_memory(config.family, arch, data.image_size, data.channels, data.num_classes, step)
    trained = largest(sizes_for(model, config.recipe, data.image_size, data.channels), data.image_size)
    if trained != data.image_size:
        training, _ = predicted_memory(config.family, arch, trained, data.channels, data.num_classes, step)
    measured = measured_training_memory(copied, trained, data.channels, step, notes)
    return measure(model, image_size=data.image_size, in_chans=data.channels).model_copy(
        update={
            "training_memory_bytes": training,
            "inference_memory_bytes": inference,
            "measured_memory_bytes": measured,
        }
    )


@functools.lru_cache(maxsize=256)  # a worker meets the same model with every seed, and a prediction takes a second
def predicted_memory(
    family: str, arch: str, image_size: tuple[int, int], in_chans: int, num_classes: int, step: Step
) -> tuple[int, int]:
    """Predicted bytes of a training step, and of one image's evaluation, for an architecture as JSON."""
    data = {"image_size": image_size, "in_chans": in_chans, "num_classes": num_classes}
    one = Step(batch_size=1, precision=step.precision, device=step.device)
    return (
        training_memory(family, json.loads(arch), step, **data),
        inference_memory(family, json.loads(arch), one, **data),
    )


def kept(trial: Trial, model: nn.Module, data: Dataset, folder: Where) -> str | None:
    """Keep the weights; where that fails, say why: a full disk must not cost the result of a week's training."""
    try:
        keep(model, trial.config, trial.key, data, folder)
    except Exception as trouble:
        return f"finished, but its weights were not kept: {in_one_line(trouble)}"
    return None


def record(trial: Trial, **left: Any) -> Record:
    """Record of what `trial` left: the status, and whatever it reached."""
    return Record(
        key=trial.key,
        study=trial.study,
        cell=trial.cell,
        arm=trial.arm,
        seed=trial.config.seed,
        learning_rate_grid=trial.learning_rate_grid,
        config=trial.config.model_dump(mode="json"),
        **left,
    )


def in_one_line(trouble: BaseException) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(trouble).split())
    return f"{type(trouble).__name__}: {text}" if text else type(trouble).__name__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
