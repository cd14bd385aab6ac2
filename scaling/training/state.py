"""The state of a training run, which its checkpoints keep, and how often they are written."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        shared_identity: the same for all runs that share its constant part; see `branches`.
        modules: the network, and the moving average of its weights where there is one.
    """

    identity: str
    modules: Mapping[str, nn.Module]
    optimizer: torch.optim.Optimizer
    micro: MicroBatches
    run: TrainingRun
    shared_identity: str = ""
    curve: list[Epoch] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)

    def resume(self) -> None:
        """Load the newest usable checkpoint, if there is one: the run's own, or one that a branch left."""
        run, found = self.run, None
        if run.checkpoints:
            found = checkpointing.load(run.checkpoints, self.identity)
        if found is None and run.branches:
            found = checkpointing.load(run.branches.folder, self.shared_identity, run.branches.latest)
            run.account.shared_epochs = len(found.curve) if found else 0
        if found is None:
            return
        run.account.shared_epochs = found.progress.get("shared_epochs", run.account.shared_epochs)
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
        self._keep_for_branches()
        if not run.checkpoints or not run.workers.is_first or not self.pace.is_due(is_last):
            return
        own = {"shared_epochs": run.account.shared_epochs} if run.account.shared_epochs else {}
        try:
            checkpointing.save(run.checkpoints, self._checkpoint(self.identity, own))
        except StorageError as error:  # a full disk must not cost the result of a week's training
            run.notes.add(f"not every epoch was checkpointed: {error}")
        self.pace.written(run.watch.book("checkpointing"))

    def _keep_for_branches(self) -> None:
        """Keep the state where another run can start from it, unless one did; a failure costs them time alone."""
        branches = self.run.branches
        if branches is None or len(self.curve) not in branches.kept:
            return
        if (branches.folder / checkpointing.file_name(len(self.curve))).is_file():
            return
        try:
            checkpointing.write(branches.folder, self._checkpoint(self.shared_identity, {}))
        except StorageError as error:
            self.run.notes.add(f"no state was kept for runs of other lengths: {error}")
        self.run.watch.book("checkpointing")

    def _checkpoint(self, identity: str, more: Mapping[str, Any]) -> Checkpoint:
        modules = {name: module.state_dict() for name, module in self.modules.items()}
        run = self.run
        progress = {"micro_batch": self.micro.size, "notes": run.notes.lines, "seconds": run.watch.seconds, **more}
        return Checkpoint(identity, self.curve, modules, self.optimizer.state_dict(), progress)


def identity_of(model: nn.Module, data: Dataset, recipe: Recipe, seed: int) -> str:
    """Name a run by all that determines its result except the pixels."""
    parts = {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),  # as content keys are made
        "seed": seed,
        "images": len(data.train),
        "parameters": {name: list(parameter.shape) for name, parameter in model.named_parameters()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
