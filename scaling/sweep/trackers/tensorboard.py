"""TensorBoard: `tensorboard --logdir results/STUDY/tensorboard` shows the learning curves."""

import re

from tensorboardX import SummaryWriter

from scaling.study.config import Trial
from scaling.study.records import Epoch, Record
from scaling.sweep.tracking import StudyInfo, curve_of, final_scores, tracker


@tracker("tensorboard", writes_files=True, usual=True)
class TensorBoard:
    """Writes event files, one folder per trial, named by its cell, arm and repetition."""

    def __init__(self, study: StudyInfo) -> None:
        self.folder = study.folder / "tensorboard"
        self.writers: dict[str, SummaryWriter] = {}
        self.reported: dict[str, int] = {}  # key → last epoch that was written

    def started(self, trial: Trial) -> None:
        if trial.key not in self.writers:
            name = re.sub(r"[^A-Za-z0-9=._-]+", "_", trial.label)
            self.writers[trial.key] = SummaryWriter(str(self.folder / name), write_to_disk=True)

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        if epoch.epoch <= self.reported.get(trial.key, 0):
            return  # a resumed trial repeats its earlier epochs
        self.reported[trial.key] = epoch.epoch
        for name, value in curve_of(epoch).items():
            self.writers[trial.key].add_scalar(name, value, epoch.epoch)

    def ended(self, trial: Trial, record: Record) -> None:
        writer = self.writers.pop(trial.key, None)
        self.reported.pop(trial.key, None)
        if writer is None:
            return
        for name, value in final_scores(record).items():
            writer.add_scalar(f"final/{name}", value, len(record.curve))
        writer.close()

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()
