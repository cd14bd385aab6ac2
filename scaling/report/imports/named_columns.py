"""Any table of separated values with named columns: one row per trial or published model."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.compare.settings import differing_settings, sentence
from scaling.report.imports.importer import ImportRequest, importer
from scaling.report.imports.outcome import Imported, Row
from scaling.report.imports.quantities import LABELS, QUANTITIES, number, plain_name
from scaling.report.imports.raw_table import RawTable, read_table
from scaling.report.imports.study import study_name
from scaling.report.imports.tables import Columns, split_arms, understand
from scaling.report.imports.wide import as_long
from scaling.study.errors import RecordError, unknown
from scaling.study.records import LARGEST_SEED
from scaling.wording import listing

MOST_ARMS = 8
ARM_OF_ROW = " arm"  # of a frame; no column of a table begins with a blank
LISTS = ("cell", "arms", "repeats")  # options that name several columns
OPTIONS = (*QUANTITIES, *LABELS, *LISTS, "test_examples")


@importer("csv", argument="FILE[?accuracy=COLUMN&macs=COLUMN*1e9&arm=COLUMN&cell=COLUMN,COLUMN&seed=COLUMN]")
def read_csv(request: ImportRequest) -> Imported:
    """Read one file; find columns that the request does not name by their usual names."""
    request.refuse_options(OPTIONS)
    if len(request.paths) != 1:
        raise RecordError("--import csv takes one file; join several first, or import them as separate studies")
    path = request.paths[0]
    table, chosen = _table(request, path)
    cell_columns = request.names("cell")
    read = understand(table, chosen)
    if "accuracy" not in read.numbers and "val_accuracy" not in read.numbers:
        raise RecordError(
            f"{path} has no column that is known as an accuracy; columns seen: {table.seen}. Name it:"
            f" --import 'csv:{path}?accuracy=COLUMN', with macs=, params=, arm=, cell= and seed= as available"
        )
    notes = list(read.notes)
    cell_columns = cell_columns or _guess_cell(read, notes)
    _refuse_settings(request, read, cell_columns)
    labels = read.labels
    arms, of = ["published"], [*map(str, ["published"] * len(table.rows))]
    maybe: list[str | None] = [*of]
    if "arm" in labels:
        values = [value.strip() or "none" for value in table.cells(labels["arm"])]
        arms, maybe, said = split_arms(values, request.arms.values if request.arms else (), labels["arm"], MOST_ARMS)
        notes += said
    rows, left_out = _rows(request, read, cell_columns, maybe)
    if left_out:
        notes.append("Rows left out: " + ", ".join(f"{count} {reason}" for reason, count in left_out.items()) + ".")
    if not rows:
        raise RecordError([f"{path} has no row with an accuracy, so there is nothing to report", *notes])
    repeated = max(row.seed for row in rows) > 0
    if repeated and "seed" not in labels:
        notes.append("Rows of the same cell and arm are taken as repetitions; their order numbers the seeds.")
    others = [column for column in read.others if column not in cell_columns]
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
        knows_seeds="seed" in labels or repeated,
        sets="both" if {"accuracy", "val_accuracy"} <= set(read.numbers) else "one",
    )


def _table(request: ImportRequest, path: Path) -> tuple[RawTable, dict[str, str]]:
    """The table with a row a run, and the columns that the request names, by quantity or label."""
    table = read_table(path)
    chosen = {name: value for name, value in request.options.items() if name not in {*LISTS, "test_examples"}}
    if request.arms:
        chosen["arm"] = request.arms.column
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


def _refuse_settings(request: ImportRequest, read: Columns, cell: Sequence[str]) -> None:
    """Name the settings in which rows of the same cell and arm differ, unless repetitions may.

    Raises:
        RecordError: there are such columns.
    """
    if not cell:
        return  # each row is a cell
    others = [column for column in read.others if column not in {*cell, *request.names("repeats")}]
    frame = pd.DataFrame({column: as_values(read.table.cells(column)) for column in [*cell, *others]})
    arm = read.labels.get("arm")
    frame[ARM_OF_ROW] = read.table.cells(arm) if arm else ""
    if differing := differing_settings(frame, cell, ARM_OF_ROW, others):
        raise RecordError(f"{read.table.path.name}: {sentence(differing)}")


def as_values(cells: Sequence[str]) -> pd.Series:
    """A column of text as numbers where all of it is, None for an empty cell."""
    read = [number(cell) for cell in cells]
    if all(one is not None for one in read):
        return pd.Series([one.value for one in read if one is not None], dtype=float)
    return pd.Series([cell.strip() or None for cell in cells], dtype=object)


def _guess_cell(read: Columns, notes: list[str]) -> list[str]:
    """Guess the columns that name a cell: `cell`, the model with its image size, those with few values, or the row."""
    named = [column for column in read.others if plain_name(column) == "cell"]
    if named:
        return named[:1]
    found = [read.labels[label] for label in ("model", "image_size") if label in read.labels]
    if not found:
        found = [column for column in read.others if _is_axis(read.table.cells(column))]
        if found:
            notes.append(f"Cells are taken from {', '.join(found)}; use cell=COLUMN,COLUMN if that is wrong.")
        else:
            notes.append("No column names a cell, so every row is one; use cell=COLUMN,COLUMN to pair rows.")
    return found


def _is_axis(cells: list[str]) -> bool:
    """Whether a column has few whole values that repeat, as depths and widths do."""
    values = Counter(cell.strip() for cell in cells)
    whole = all((read := number(value)) is not None and read.value == round(read.value, 6) for value in values if value)
    return whole and 1 < len(values) <= max(2, len(cells) // 2) and "" not in values


def _rows(
    request: ImportRequest, read: Columns, cell_columns: list[str], arms: list[str | None]
) -> tuple[list[Row], Counter[str]]:
    table = read.table
    cells = [(column, table.cells(column)) for column in cell_columns]
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
        rows.append(Row(cell, arm, known, seed=seed, settings={column: values[place] for column, values in others}))
    return rows, left_out


def _value(text: str) -> Any:
    read = number(text)
    if read is None or math.isnan(read.value):
        return text.strip()
    return int(read.value) if read.value == int(read.value) else read.value


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
