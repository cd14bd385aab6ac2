"""Write imported rows as a study's folder, which every later command can use."""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling.report.imports.importer import IMPORTERS, ImportRequest
from scaling.report.imports.outcome import COST_NAMES, Imported, Row
from scaling.report.imports.roles import roles_line
from scaling.study.errors import RecordError
from scaling.study.records import Cost, Record, Scores, Study, read_study, write_record, write_study
from scaling.study.storage import Where
from scaling.wording import plural

INTEGERS = {"params", "macs", "activations"}
LONGEST_NAME = 200  # bytes; file systems allow 255, and reports on several studies join their names


def import_study(request: ImportRequest, results: Where, name: str | None = None) -> tuple[Where, list[str]]:
    """Import `request` as a study into `results`, replacing an earlier import of the same name.

    Returns:
        its folder, and notes for the user: how many rows were taken, what was assumed, what was left out.

    Raises:
        RecordError: nothing can be read, or a study of that name holds trials that were run here.
    """
    imported = IMPORTERS[request.kind].read(request)
    name = name or imported.name
    if not name or any(letter in name for letter in "/\\\0") or name in {".", ".."}:
        raise RecordError(f"--name {name!r}: a study is named like its folder; use letters, digits, _ and -")
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise RecordError(f"--name {name[:20]}…: longer than {LONGEST_NAME} bytes, too long for a folder's name")
    folder = results / name
    if (folder / "study.json").is_file() and read_study(folder).imported is None:
        raise RecordError(f"{folder} is a study whose trials were run here; choose another name with --name")
    records = as_records(imported, name)
    notes = [*imported.notes, *what_cannot_be_known(imported)]
    keys = {record.key for record in records}
    for path in (folder / "records").glob("*.json"):
        if path.stem not in keys:
            path.unlink()
    for record in records:
        write_record(folder, record, sync=False)  # the table is still there to import again
    taken = [roles_line(imported.roles)] if imported.roles else []
    study = Study(
        name=name,
        question=imported.question,
        factor=imported.factor,
        arms=imported.arms,
        axes=imported.axes,
        repetitions=_repetitions(imported.rows),
        seeding="own",
        conditions={},
        space={},
        planned=[record.key for record in records],
        imported=[f"Imported from {imported.source}.", *(f"{line}." for line in taken), *notes],
    )
    write_study(folder, study)
    return folder, [f"{plural(len(records), 'row')} from {imported.source}", *taken, *notes]


def _repetitions(rows: Sequence[Row]) -> int:
    """Number of repetitions of the cell and arm that has most; seeds such as 1337 are not counts."""
    different = {(str(row.cell), row.arm, row.seed) for row in rows}
    return max(Counter((cell, arm) for cell, arm, _ in different).values(), default=1)


def what_cannot_be_known(imported: Imported) -> list[str]:
    """What records of trials would show and imported rows cannot, one sentence each."""
    notes = []
    if not imported.knows_seeds:
        notes.append(
            "Published results have no seeds: noise between training runs cannot be separated from a difference. Models"
            " also differ in recipe and data, so differences between arms are not the effect of the factor alone."
        )
    if imported.sets == "one":
        notes.append(
            "They have a single accuracy, used both for choosing and for reporting: the best models on a front look"
            " better than they are."
        )
    elif without := sum(
        row.status == "finished" and "val_accuracy" not in row.quantities for row in imported.rows
    ):  # such a row is useful, but a record requires one
        notes.append(f"{plural(without, 'row')} without a validation accuracy; the test accuracy is used instead.")
    return notes


def as_records(imported: Imported, study: str) -> list[Record]:
    """Make a record of every row, with a key from what identifies it."""
    return [_record(row, study) for row in imported.rows]


def _record(row: Row, study: str) -> Record:
    identity = json.dumps([study, dict(row.cell), row.arm, row.seed], sort_keys=True, default=str)
    scores = None
    quantities = row.quantities
    if row.status == "finished" and "accuracy" in quantities:
        scores = Scores(
            val_accuracy=quantities.get("val_accuracy", quantities["accuracy"]),
            val_loss=math.nan,
            test_accuracy=quantities["accuracy"],
            test_loss=math.nan,
            val_examples=0,
            test_examples=int(quantities.get("test_examples", 0)),
            test_top5=quantities.get("top5"),
        )
    return Record(
        key=hashlib.sha256(identity.encode()).hexdigest()[:16],
        study=study,
        cell=dict(row.cell),
        arm=row.arm,
        seed=row.seed,
        repetition=row.seed,
        status=row.status,
        reason=row.reason,
        # The page looks for `depth=4` among the settings, where studies that were run here have it.
        config={"seed": row.seed, "cell": dict(row.cell), **_nested(row.settings)},
        cost=_cost(quantities),
        curve=list(row.curve),
        scores=scores,
        train_seconds=quantities.get("train_seconds"),
        environment={"device": row.device} if row.device else {},
    )


def _cost(quantities: Mapping[str, float]) -> Cost | None:
    known = {field: quantities[name] for name, field in COST_NAMES.items() if name in quantities}
    if not known:
        return None
    return Cost.model_validate(
        {field: round(v) if field in INTEGERS or field.endswith("_bytes") else v for field, v in known.items()}
    )


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"imported": dict(settings)} if settings else {}


def study_name(path: Path) -> str:
    """Default name of a study from this file."""
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in path.resolve().stem)
    return kept.strip("_") or "imported"
