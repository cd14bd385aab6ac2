"""The state of a training run, which its checkpoints keep, and how often they are written."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from scaling.data import Dataset
from scaling.study.config import Recipe
from scaling.study.errors import StorageError
from scaling.study.records import Epoch
from scaling.training import checkpointing
from scaling.training.checkpointing import Checkpoint
from scaling.training.micro_batches import MicroBatches
from scaling.training.training_run import TrainingRun

WRITING_SHARE = 0.005  # of the time spent on checkpoints; a kill costs at most 200 times the writing of one


class Pace:
    """Decides when a checkpoint is due: an epoch may be shorter than the writing of its state."""

    def __init__(self) -> None:
        self._earliest = 0.0  # seconds of time.monotonic

    def is_due(self, is_last: bool) -> bool:
        """Whether to write a checkpoint after this epoch; always after the last one before a stop."""
        return is_last or time.monotonic() >= self._earliest

    def written(self, seconds: float) -> None:
        """Take note of a checkpoint whose writing took `seconds`."""
        self._earliest = time.monotonic() + seconds / WRITING_SHARE


@dataclass
class TrainingState:
    """What changes from epoch to epoch.

    Args:
        identity: name of the run, see `identity_of`; the checkpoint of another run is not used.
        modules: the network, and the moving average of its weights where there is one.
    """

    identity: str
    modules: Mapping[str, nn.Module]
    optimizer: torch.optim.Optimizer
    micro: MicroBatches
    run: TrainingRun
    curve: list[Epoch] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)

    def resume(self) -> None:
        """Load the newest usable checkpoint, if there is one."""
        if not self.run.checkpoints or not (found := checkpointing.load(self.run.checkpoints, self.identity)):
            return
        for name, module in self.modules.items():
            module.load_state_dict(found.modules[name])
        checkpointing.restore_optimizer(self.optimizer, found.optimizer)
        self.curve = list(found.curve)
        self.micro.size = found.progress.get("micro_batch", self.micro.size)
        self.run.watch.take_over(found.progress.get("seconds", {}))
        for line in found.progress.get("notes", []):
            self.run.notes.add(line)

    def save_if_due(self) -> None:
        """Write a checkpoint, unless the last one is too recent; a failure is noted and does not end the run."""
        run, is_last = self.run, len(self.curve) == self.run.until
        if not run.checkpoints or not run.workers.is_first or not self.pace.is_due(is_last):
            return
        modules = {name: module.state_dict() for name, module in self.modules.items()}
        progress = {"micro_batch": self.micro.size, "notes": run.notes.lines, "seconds": run.watch.seconds}
        checkpoint = Checkpoint(self.identity, self.curve, modules, self.optimizer.state_dict(), progress)
        try:
            checkpointing.save(run.checkpoints, checkpoint)
        except StorageError as error:  # a full disk must not cost the result of a week's training
            run.notes.add(f"not every epoch was checkpointed: {error}")
        self.pace.written(run.watch.book("checkpointing"))


def identity_of(model: nn.Module, data: Dataset, recipe: Recipe, seed: int) -> str:
    """Name a run by all that determines its result except the pixels."""
    parts = {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),  # as content keys are made
        "seed": seed,
        "images": len(data.train),
        "parameters": {name: list(parameter.shape) for name, parameter in model.named_parameters()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
