"""Where and how one network is trained."""

from dataclasses import dataclass, field

import torch

from scaling.data.streaming import KeptDecoders
from scaling.study.config import Trial
from scaling.study.notes import Notes
from scaling.study.storage import Where
from scaling.training.branches import Branches
from scaling.training.stopwatch import Stopwatch
from scaling.training.workers import SingleWorker, Workers


@dataclass
class RunAccount:
    """What a run has used that its curve does not say."""

    images: int = 0  # that passed through the steps of the epoch that has not ended
    shared_epochs: int = 0  # the first ones, which another trial trained


@dataclass(frozen=True)
class TrainingRun:
    """Where and how one network is trained. Nothing here changes the result, except for rounding.

    Args:
        checkpoints: folder of the training state; None keeps no state.
        until: epoch after which the caller stops, so that the state of this epoch must be kept.
        compiles: whether training steps use torch.compile; None decides by the device and the length of the run.
        activation_checkpointing: whether blocks are computed again in the backward pass, to save memory.
        workers: the processes that share each batch.
        watch: books set-up, data, training, evaluation, checkpointing, and waiting for the caller.
        notes: what a reader of the result should know, such as a micro-batch that was halved.
        account: what the run has used, also if it breaks off.
        decoders: processes that decode images for the evaluations.
        branches: the states that trials of other lengths share; None where there is none.
    """

    device: torch.device
    checkpoints: Where | None = None
    until: int | None = None
    compiles: bool | None = False
    activation_checkpointing: bool = False
    workers: Workers = field(default_factory=SingleWorker)
    watch: Stopwatch = field(default_factory=Stopwatch)
    notes: Notes = field(default_factory=Notes)
    account: RunAccount = field(default_factory=RunAccount)
    decoders: KeptDecoders = field(default_factory=KeptDecoders)
    branches: Branches | None = None

    @classmethod
    def of(
        cls, trial: Trial, device: torch.device, folder: Where | None, until: int | None, workers: Workers | None
    ) -> "TrainingRun":
        """The run of `trial` in the study at `folder`."""
        return cls(
            device,
            checkpoints=folder / "checkpoints" / trial.key if folder else None,
            until=until,
            compiles=trial.compiles,
            activation_checkpointing=trial.activation_checkpointing,
            workers=workers or SingleWorker(),
            # several workers could see different states, as another trial may write one meanwhile
            branches=Branches.of(trial, folder) if folder and (workers is None or workers.count == 1) else None,
        )
