"""MLflow: one experiment per study, one run per trial, at MLFLOW_TRACKING_URI."""

import importlib
from typing import Any

from scaling.study.config import Trial
from scaling.study.records import Epoch, Record
from scaling.sweep.tracking import StudyInfo, curve_of, final_scores, settings_of, tracker

STATES = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED", "diverged": "FAILED"}


@tracker("mlflow", needs=("mlflow", "mlflow-skinny"))
class MLflow:
    """Logs every trial to MLflow."""

    def __init__(self, study: StudyInfo) -> None:
        self.client: Any = importlib.import_module("mlflow").MlflowClient()
        found = self.client.get_experiment_by_name(study.name)
        self.experiment = found.experiment_id if found else self.client.create_experiment(study.name)
        self.runs: dict[str, str] = {}  # key → MLflow's id of the run

    def started(self, trial: Trial) -> None:
        if trial.key in self.runs:
            return
        run = self.client.create_run(self.experiment, run_name=trial.label, tags={"key": trial.key})
        self.runs[trial.key] = run.info.run_id
        for name, value in settings_of(trial).items():
            self.client.log_param(self.runs[trial.key], name, value)

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        for name, value in curve_of(epoch).items():
            self.client.log_metric(self.runs[trial.key], name, value, step=epoch.epoch)

    def ended(self, trial: Trial, record: Record) -> None:
        run = self.runs.pop(trial.key, None)
        if run is None:
            return
        for name, value in final_scores(record).items():
            self.client.log_metric(run, f"final_{name}", value)
        if record.reason:
            self.client.set_tag(run, "reason", record.reason)
        self.client.set_terminated(run, STATES[record.status])

    def close(self) -> None:
        for run in self.runs.values():
            self.client.set_terminated(run, "KILLED")
