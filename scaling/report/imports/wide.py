"""Wide tables: one column of scores an arm, read as one row a run."""

from collections.abc import Sequence

from scaling.report.imports.quantities import is_error
from scaling.report.imports.raw_table import RawTable
from scaling.study.errors import RecordError, unknown

ARM, SCORE, ERROR = "arm", "score", "error"  # columns of the long table


def as_long(table: RawTable, columns: Sequence[str]) -> RawTable:
    """A wide table, with one column of scores an arm, as one with a row a run: the arm in `arm`, its score in `score`.

    Raises:
        RecordError: a column is missing, or some hold errors and others accuracies.
    """
    missing = [
        f"{table.path.name}: arms: {unknown('column', name, table.columns)}"
        for name in columns
        if name not in table.columns
    ]
    if missing:
        raise RecordError(missing)
    errors = [name for name in columns if is_error(name)]
    if errors and len(errors) < len(columns):
        raise RecordError(
            f"{table.path.name}: arms: {', '.join(errors)} named as errors, the others not; give one kind"
        )
    kept = [place for place, name in enumerate(table.columns) if name not in columns]
    names = [table.columns[place] for place in kept]
    if taken := [name for name in (ARM, ERROR if errors else SCORE) if name in names]:
        raise RecordError(f"{table.path.name} has a column named '{taken[0]}' beside the arms; rename it")
    places = [table.columns.index(name) for name in columns]
    rows = [[*(row[i] for i in kept), table.columns[place], row[place]] for place in places for row in table.rows]
    return RawTable(table.path, [*names, ARM, ERROR if errors else SCORE], rows, table.notes)
