"""Logs: tables with a row an epoch, read as a run with one result and a curve."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaling.report.imports.quantities import number, plain_name
from scaling.report.imports.roles import PROGRESS, axes_among
from scaling.report.imports.tables import Columns
from scaling.study.records import Epoch
from scaling.wording import plural

RUN_IDS = ("run_id", "run", "run_name", "trial_id", "trial", "experiment_id", "id")
MEASURED = {"train_loss": ("train_loss", "training_loss", "loss"), "val_loss": ("val_loss", "validation_loss"),
          "learning_rate": ("learning_rate", "lr")}  # fmt: skip


@dataclass(frozen=True)
class LoggedRuns:
    """The last row of each run, and its curve; without a log, all rows and no curves."""

    read: Columns
    curves: list[tuple[Epoch, ...]]
    progress: str | None = None  # the column that counts epochs, in a log


def as_runs(read: Columns, cell: Sequence[str], named: Sequence[str], notes: list[str]) -> LoggedRuns:
    """Read a table with a row an epoch as a row a run: the last one that has an accuracy.

    A table is such a log if most of its runs have several rows, and most begin at the same epoch. A run is what has the
    same cell, arm and seed, or the same run's name; where neither seed nor name is there, epochs that start again.

    Args:
        cell: columns that name a cell, if they are known.
        named: columns that the user gave a meaning; none of them counts epochs.
    """
    table = read.table
    plain = LoggedRuns(read, [()] * len(table.rows))
    by_name = {plain_name(column): column for column in reversed(table.columns)}
    progress = next((by_name[name] for name in PROGRESS if name in by_name and by_name[name] not in named), None)
    if progress is None:
        return plain
    counted = [one.value if (one := number(cell)) else math.nan for cell in table.cells(progress)]
    ids = [by_name[name] for name in RUN_IDS if name in by_name]
    groups = _groups(read, cell, ids, counted)
    starts = Counter(counted[places[0]] for places in groups)
    several = sum(len(places) > 1 for places in groups)
    if 2 * several <= len(groups) or 2 * max(starts.values(), default=0) <= len(groups):
        return plain
    scores = read.numbers.get("accuracy") or read.numbers["val_accuracy"]
    last = [next((p for p in reversed(places) if not math.isnan(scores[p])), places[-1]) for places in groups]
    ends = [counted[place] for place in last]
    span = f"{min(ends):g}" if min(ends) == max(ends) else f"{min(ends):g} to {max(ends):g}"
    notes.append(
        f"{plural(len(table.rows), 'row')} of a log by '{progress}' of {plural(len(groups), 'run')}: the last row with"
        f" an accuracy counts, at {progress} {span}."
    )
    if min(ends) < max(ends):
        notes.append("Runs ended at different times; those that ended early may be unfinished.")
    measured = _measured(read)
    return LoggedRuns(read.take(last), [_curve(measured, places) for places in groups], progress)


def _groups(read: Columns, cell: Sequence[str], ids: Sequence[str], counted: Sequence[float]) -> list[list[int]]:
    """Rows of each run, in the order of its epochs; of a repeated epoch the later row."""
    table, labels = read.table, read.labels
    arms = table.cells(labels["arm"]) if "arm" in labels else None
    axes = list(cell) or axes_among({column: table.cells(column) for column in read.others}, arms)
    parts = [labels[name] for name in ("arm", "seed", "model", "image_size") if name in labels]
    columns = [table.cells(column) for column in dict.fromkeys([*axes, *parts, *ids])]
    is_named = "seed" in labels or bool(ids)
    runs: dict[tuple[str, ...], list[dict[float, int]]] = {}
    for place, at in enumerate(counted):
        if math.isnan(at):
            continue
        of = runs.setdefault(tuple(column[place].strip() for column in columns), [])
        if not of or (not is_named and at <= max(of[-1])):
            of.append({})
        of[-1][at] = place
    return [[run[at] for at in sorted(run)] for of in runs.values() for run in of]


def _measured(read: Columns) -> dict[str, list[float]]:
    """The numbers of an `Epoch` in each row, NaN where the table has none."""
    by_name = {plain_name(column): column for column in reversed(read.table.columns)}
    found = {"val_accuracy": read.numbers.get("val_accuracy") or read.numbers["accuracy"]}
    for field, names in MEASURED.items():
        column = next((by_name[name] for name in names if name in by_name), None)
        cells = read.table.cells(column) if column else [""] * len(read.table.rows)
        found[field] = [one.value if (one := number(cell)) else math.nan for cell in cells]
    return found


def _curve(measured: Mapping[str, Sequence[float]], places: Sequence[int]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            epoch=epoch,
            train_loss=measured["train_loss"][place],
            val_loss=measured["val_loss"][place],
            val_accuracy=measured["val_accuracy"][place],
            learning_rate=measured["learning_rate"][place],
            train_seconds=math.nan,
        )
        for epoch, place in enumerate(places, 1)
    )
