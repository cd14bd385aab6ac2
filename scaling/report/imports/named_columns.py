"""Any table of separated values with named columns: one row per trial or published model."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.compare.settings import differing_settings, sentence
from scaling.report.imports.importer import ImportRequest, importer
from scaling.report.imports.logs import LoggedRuns, as_runs
from scaling.report.imports.outcome import COST_NAMES, Imported, Row
from scaling.report.imports.quantities import LABELS, QUANTITIES, number, plain_name
from scaling.report.imports.raw_table import RawTable, read_table
from scaling.report.imports.result_rows import only_results
from scaling.report.imports.roles import (
    arm_in_words,
    axes_among,
    follows_from,
    goes_with_arm,
    is_bookkeeping,
    rounded,
    same_names,
)
from scaling.report.imports.study import study_name
from scaling.report.imports.tables import Columns, split_arms, understand
from scaling.report.imports.wide import as_long
from scaling.study.errors import RecordError, unknown
from scaling.study.records import LARGEST_SEED
from scaling.wording import listing, plural

MOST_ARMS = 8
ARM_OF_ROW = " arm"  # of a frame; no column of a table begins with a blank
LISTS = ("cell", "arms", "repeats")  # options that name several columns
OPTIONS = (*QUANTITIES, *LABELS, *LISTS, "state", "test_examples")


@importer("csv", argument="FILE[?accuracy=COLUMN&macs=COLUMN*1e9&arm=COLUMN&cell=COLUMN,COLUMN&seed=COLUMN]")
def read_csv(request: ImportRequest) -> Imported:
    """Read one file; find columns that the request does not name by their usual names."""
    request.refuse_options(OPTIONS)
    if len(request.paths) != 1:
        raise RecordError("--import csv takes one file; join several first, or import them as separate studies")
    path = request.paths[0]
    table, chosen = _table(request, path)
    read = understand(table, chosen)
    if "accuracy" not in read.numbers and "val_accuracy" not in read.numbers:
        raise RecordError(
            f"{path} has no column that is known as an accuracy; columns seen: {table.seen}"
            + _why_none(table)
            + ". Name it:"
            f" --import 'csv:{path}?accuracy=COLUMN', with macs=, params=, arm=, cell= and seed= as available"
        )
    notes = list(read.notes)
    runs = as_runs(read, request.names("cell"), _named(request, chosen), notes)
    read, labels = runs.read, runs.read.labels
    arms, of = ["published"], [*map(str, ["published"] * len(read.table.rows))]
    maybe: list[str | None] = [*of]
    if "arm" in labels:
        values = [value.strip() or "none" for value in read.table.cells(labels["arm"])]
        wanted = request.arms.values if request.arms else ()
        more = read.table.cells_left_out(labels["arm"])
        arms, maybe, said = split_arms(values, wanted, labels["arm"], MOST_ARMS, more)
        notes += said
    cell_columns = request.names("cell") or _guess_cell(read, [arm or "" for arm in maybe], notes)
    _refuse_settings(request, read, cell_columns, maybe)
    rows, left_out = _rows(request, runs, cell_columns, maybe, notes)
    if left_out:
        notes.append("Rows left out: " + ", ".join(f"{count} {reason}" for reason, count in left_out.items()) + ".")
    if not rows:
        raise RecordError([f"{path} has no row with an accuracy, so there is nothing to report", *notes])
    if without := [arm for arm in arms if arm not in {row.arm for row in rows}]:
        notes.append(f"No result of {listing(without)} is left, so {plural(len(without), 'arm')} left out.")
        arms = [arm for arm in arms if arm not in without]
    repeated = max(row.seed for row in rows) > 0
    if repeated and "seed" not in labels:
        notes.append("Rows of the same cell and arm are taken as repetitions; their order numbers the seeds.")
    others = [column for column in read.others if column not in cell_columns]
    notes += [
        f"{column} goes with the arm ({values}), so a difference between arms may be one of {column}."
        for column in others
        if (values := goes_with_arm(column, read.table.cells(column), maybe))
    ]
    if others:
        notes.append(f"Columns not recognised, kept as settings: {', '.join(others)}.")
    return Imported(
        name=study_name(path),
        question=f"What do the results in {path.name} show?",
        source=path.name,
        factor=labels.get("arm", "source"),
        arms=arms,
        axes=cell_columns or ["row"],
        rows=rows,
        notes=notes,
        roles=_roles(read, cell_columns, arms, runs.progress),
        knows_seeds="seed" in labels or repeated,
        sets="both" if {"accuracy", "val_accuracy"} <= set(read.numbers) else "one",
    )


def _why_none(table: RawTable) -> str:
    """Why a table has no column that is known as an accuracy, where that can be seen."""
    if len(table.columns) == 1:
        return " (no comma, semicolon, tab or | separates them)"
    if any(column.endswith(("__MIN", "__MAX")) for column in table.columns):
        return (
            " (a chart of W&B, with a column for each run: download the table of runs instead, which has a row for each"
            " run with its settings and its summary)"
        )
    return ""


def _table(request: ImportRequest, path: Path) -> tuple[RawTable, dict[str, str]]:
    """The table with a row a run, and the columns that the request names, by quantity or label."""
    table = read_table(path)
    chosen = {name: value for name, value in request.options.items() if name in {*QUANTITIES, *LABELS}}
    if request.arms:
        chosen["arm"] = request.arms.column
    state = request.options.get("state")
    if state is not None and state not in table.columns:
        raise RecordError(f"{path.name}: state: {unknown('column', state, table.columns)}")
    table = only_results(table, _named(request, chosen), state)
    if wide := request.names("arms"):
        if two := [name for name in ("arm", "accuracy", "val_accuracy") if name in chosen]:
            raise RecordError(f"{path.name}: arms= names columns of accuracies, one an arm; leave out {listing(two)}")
        table = as_long(table, wide)
        chosen |= {"arm": table.columns[-2], "accuracy": table.columns[-1]}
    for option in ("cell", "repeats"):
        for column in request.names(option):
            if column not in table.columns:
                raise RecordError(f"{path.name}: {option}: {unknown('column', column, table.columns)}")
    return table, chosen


def _named(request: ImportRequest, chosen: Mapping[str, str]) -> list[str]:
    """Columns to which the request gives a meaning; nothing else is read from them."""
    return [column for name, column in chosen.items() if name != "model"] + [
        column for option in LISTS for column in request.names(option)
    ]


def _roles(read: Columns, cell: Sequence[str], arms: Sequence[str], progress: str | None) -> dict[str, str]:
    """What was taken as score, arm, cell and seed, in words."""
    arm = read.labels.get("arm")
    score = read.sources.get("accuracy")
    validation = read.sources.get("val_accuracy")
    costs = [f"{name} {read.sources[name]}" for name in COST_NAMES if name in read.sources]
    return {
        "score": score or f"{validation} (validation)",
        **({"validation": validation} if score and validation else {}),
        "arm": arm_in_words(arm, arms),
        "cell": ", ".join(cell) or "each row",
        "seed": read.labels.get("seed", "none"),
        **({"epoch": progress} if progress else {}),
        **({"costs": ", ".join(costs)} if costs else {}),
    }


def _refuse_settings(request: ImportRequest, read: Columns, cell: Sequence[str], arms: Sequence[str | None]) -> None:
    """Name the settings in which rows of the same cell and arm differ, unless repetitions may.

    Raises:
        RecordError: there are such columns.
    """
    if not cell:
        return  # each row is a cell
    given = {*cell, *request.names("repeats")}
    others = [column for column in read.others if column not in given and not is_bookkeeping(column)]
    frame = pd.DataFrame({column: as_values(read.table.cells(column)) for column in [*cell, *others]})
    frame[ARM_OF_ROW] = [arm or "" for arm in arms]
    if differing := differing_settings(frame, cell, ARM_OF_ROW, others):
        raise RecordError(f"{read.table.path.name}: {sentence(differing)}")


def as_values(cells: Sequence[str]) -> pd.Series:
    """A column of text as numbers where all of it is, None for an empty cell."""
    read = [number(cell) for cell in cells]
    if all(one is not None for one in read):
        return pd.Series([rounded(one.value) for one in read if one is not None], dtype=float)
    return pd.Series([cell.strip() or None for cell in cells], dtype=object)


def _guess_cell(read: Columns, arms: Sequence[str], notes: list[str]) -> list[str]:
    """Guess the columns that name a cell: `cell`, the model with its image size, those with few values, or the row."""
    named = [column for column in read.others if plain_name(column) == "cell"]
    if named:
        return named[:1]
    found = [read.labels[label] for label in ("model", "image_size") if label in read.labels]
    names_runs = (
        bool(found) and plain_name(found[0]) == "name" and follows_from(read.table.cells(found[0]), arms)
    )  # as in exports of W&B and MLflow; nothing would be paired
    if not found or names_runs:
        axes = axes_among({column: read.table.cells(column) for column in read.others}, arms)
        found = axes or found
        if found:
            notes.append(f"Cells are taken from {', '.join(found)}; use cell=COLUMN,COLUMN if that is wrong.")
        else:
            notes.append("No column names a cell, so every row is one; use cell=COLUMN,COLUMN to pair rows.")
    return found


def _rows(
    request: ImportRequest, runs: LoggedRuns, cell_columns: list[str], arms: list[str | None], notes: list[str]
) -> tuple[list[Row], Counter[str]]:
    """Rows, and how many were left out for which reason."""
    read, table = runs.read, runs.read.table
    cells = [(column, _names_of_cells(column, table.cells(column), notes)) for column in cell_columns]
    used = read.used | set(cell_columns)
    others = [(column, table.cells(column)) for column in table.columns if column not in used]
    seeds = table.cells(read.labels["seed"]) if "seed" in read.labels else None
    examples = _examples(request)
    validated = "accuracy" not in read.numbers  # a single accuracy serves both for choosing and for reporting
    rows: list[Row] = []
    left_out: Counter[str] = Counter()
    repetitions: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, str, int]] = set()
    for place, arm in enumerate(arms):
        known = {name: values[place] for name, values in read.numbers.items() if not math.isnan(values[place])}
        if validated and "val_accuracy" in known:
            known["accuracy"] = known["val_accuracy"]
        cell = {column: _value(values[place]) for column, values in cells} or {"row": place + 1}
        if arm is None:
            continue
        if "accuracy" not in known:
            left_out["without a test accuracy" if "val_accuracy" in known else "without an accuracy"] += 1
            continue
        where = (str(cell), arm)
        seed = _seed(seeds[place]) if seeds is not None else repetitions[where]
        if seed is None or (*where, seed) in seen:
            left_out["without a whole number as seed" if seed is None else "of the same cell, arm and seed again"] += 1
            continue
        repetitions[where] += 1
        seen.add((*where, seed))
        if examples:
            known["test_examples"] = examples
        settings = {column: values[place] for column, values in others}
        rows.append(Row(cell, arm, known, seed=seed, settings=settings, curve=runs.curves[place]))
    return rows, left_out


def _names_of_cells(column: str, cells: list[str], notes: list[str]) -> list[str]:
    """The cells of a column, those that differ in case or blanks alone as one."""
    names, joined = same_names([cell.strip() for cell in cells])
    if joined:
        notes.append(f"{column}: {joined} differ in case or blanks alone and are one cell.")
    return names


def _value(text: str) -> Any:
    read = number(text)
    if read is None or math.isnan(read.value):
        return text.strip()
    return int(read.value) if read.value == int(read.value) else rounded(read.value)


def _seed(text: str) -> int | None:
    read = number(text)
    if read is None or math.isnan(read.value) or read.value != int(read.value):
        return None
    return int(read.value) if 0 <= read.value <= LARGEST_SEED else None


def _examples(request: ImportRequest) -> int:
    text = request.options.get("test_examples", "0")
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise RecordError(f"--import csv: test_examples={text} is not a number of images")
    return int(text)
