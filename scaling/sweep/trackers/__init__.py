"""Trackers: a sweep told live to tools that show studies, one file a tool, found by its name (`--track NAME`).

The records are the study; what a tracker writes is a copy for looking at. Whatever goes wrong in one is said once, and
the sweep goes on without it.
"""

from scaling.sweep.trackers.registry import TRACKERS as TRACKERS
from scaling.sweep.trackers.registry import Callback as Callback
from scaling.sweep.trackers.registry import StudyInfo as StudyInfo
from scaling.sweep.trackers.registry import open_trackers as open_trackers

# isort: split
from scaling.sweep.trackers import mlflow as mlflow
from scaling.sweep.trackers import optuna_journal as optuna_journal
from scaling.sweep.trackers import tensorboard as tensorboard
from scaling.sweep.trackers import wandb as wandb
