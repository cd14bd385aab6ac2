"""Weights & Biases: one project per study, one run per trial, grouped by cell and arm."""

import importlib
from typing import Any

from scaling.study.config import Trial
from scaling.study.records import Epoch, Record
from scaling.sweep.tracking import StudyInfo, curve_of, final_scores, settings_of, tracker


@tracker("wandb", needs=("wandb", "wandb"), writes_files=True)
class WeightsAndBiases:
    """Logs every trial to Weights & Biases; WANDB_MODE=offline keeps the logs on this machine."""

    def __init__(self, study: StudyInfo) -> None:
        self.wandb: Any = importlib.import_module("wandb")
        self.folder = study.folder
        self.project = study.name.replace("/", "_")
        self.runs: dict[str, Any] = {}

    def started(self, trial: Trial) -> None:
        if trial.key in self.runs:
            return
        self.runs[trial.key] = self.wandb.init(
            project=self.project,
            name=trial.label,
            group=trial.cell_and_arm,
            id=trial.key,
            resume="allow",
            dir=str(self.folder),
            config=settings_of(trial),
            reinit="create_new",  # several runs at once in one process
        )

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.runs[trial.key].log(curve_of(epoch), step=epoch.epoch)

    def ended(self, trial: Trial, record: Record) -> None:
        run = self.runs.pop(trial.key, None)
        if run is None:
            return
        run.summary.update({"status": record.status, "reason": record.reason, **final_scores(record)})
        run.finish(exit_code=0 if record.status in ("finished", "stopped") else 1)

    def close(self) -> None:
        for run in self.runs.values():
            run.finish(exit_code=1)
