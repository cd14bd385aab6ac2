"""A study as a table: one row per trial."""

import warnings
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from scaling.study.config import cell_label
from scaling.study.records import AMOUNTS, Cost, Record, Scores, read_records, read_study
from scaling.study.storage import Where, place
from scaling.study.training_compute import derived_compute, derived_images

SCORES = [name for name in Scores.model_fields if name != "test_correct"]  # columns of the table of trials
NUMBERS = [*Cost.model_fields, *SCORES, *AMOUNTS]  # columns that hold a result of a trial


def load_study(path: str | Where) -> pd.DataFrame:
    """Read a study into a table with one row per trial.

    Columns: `key, study, cell, arm, repetition, seed, status, reason, epochs`, one per axis, then every cost (`params`,
    `macs`, …), every score in percent (`val_accuracy`, `test_accuracy`, …), `train_seconds`, `wall_seconds`,
    `images_seen`, `training_compute` and `device`. Values that a trial did not reach are missing (NaN), never zero.
    """
    folder, left_out = place(path), list[str]()
    records = read_records(folder, left_out)
    for line in left_out:
        warnings.warn(line, stacklevel=2)
    return frame(records, read_study(folder).axes)


def frame(records: Iterable[Record], axes: Iterable[str]) -> pd.DataFrame:
    """Return a table of records with one row per trial; see `load_study`."""
    axes = list(axes)
    named = ("key", "study", "cell", "arm", "repetition", "seed", "status", "reason", "epochs")
    columns = [*named, *axes, *NUMBERS, "device"]
    records = list(records)
    values: dict[str, Any] = {
        "cell": [cell_label(record.cell) for record in records],
        "epochs": [len(record.curve) for record in records],
        "device": [record.environment.get("device") for record in records],
    }
    for name in ("key", "study", "arm", "repetition", "seed", "status", "reason"):
        values[name] = [getattr(record, name) for record in records]
    for axis in axes:
        values[axis] = [record.cell.get(axis) for record in records]
    for part, fields in (("cost", list(Cost.model_fields)), ("scores", SCORES)):
        of, nothing = attrgetter(*fields), (None,) * len(fields)  # one call for all fields: there are many records
        rows = [nothing if (entry := getattr(record, part)) is None else of(entry) for record in records]
        values |= dict(zip(fields, zip(*rows, strict=True) if rows else [()] * len(fields), strict=True))
    for name in ("train_seconds", "wall_seconds"):
        values[name] = [getattr(record, name) for record in records]
    values["images_seen"], values["training_compute"] = zip(*map(spent, records), strict=True) if records else ((), ())
    for name in NUMBERS:
        values[name] = np.array(values[name], dtype=float)  # None becomes NaN
    return pd.DataFrame({name: values[name] for name in columns}, columns=pd.Index(columns))


def spent(record: Record) -> tuple[int | None, int | None]:
    """Images that a trial was trained on, and its training compute in MACs, derived where an earlier record lacks them.

    Derived amounts are those of its whole epochs.
    """
    images = record.images_seen
    if images is None:
        images = derived_images(record.config, len(record.curve))
    compute = record.training_compute
    if compute is None:
        compute = derived_compute(record.config, images, record.cost.training_macs if record.cost else None)
    return images, compute
