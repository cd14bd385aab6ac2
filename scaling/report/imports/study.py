"""Study: imported rows as a study's folder, which every later command can use."""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling.report.imports.outcome import COST_NAMES, Imported, Row
from scaling.report.imports.registry import IMPORTERS, Request
from scaling.study.errors import RecordError
from scaling.study.records import Cost, Record, Scores, Study, read_study, write_record, write_study
from scaling.study.storage import Where
from scaling.wording import plural

INTEGERS = {"params", "macs", "activations"}
LONGEST_NAME = 200  # bytes; file systems take 255, and pages of several studies join their names


def import_study(request: Request, results: Where, name: str | None = None) -> tuple[Where, list[str]]:
    """Write what `request` names as a study into `results`; an earlier import of the same name is replaced.

    Returns:
        its folder, and what a person should know: how many rows were taken, what was assumed, what was left out.

    Raises:
        RecordError: nothing can be read, or a study of that name holds trials of one's own.
    """
    imported = IMPORTERS[request.kind].read(request)
    name = name or imported.name
    if not name or any(letter in name for letter in "/\\\0") or name in {".", ".."}:
        raise RecordError(f"--name {name!r}: the name of a study is that of its folder; letters, digits, _ and -")
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise RecordError(f"--name {name[:20]}…: longer than {LONGEST_NAME} bytes, which no folder's name should be")
    folder = results / name
    if (folder / "study.json").is_file() and read_study(folder).imported is None:
        raise RecordError(f"{folder} is a study with trials of its own; choose another name with --name")
    records = as_records(imported, name)
    notes = [*imported.notes, *what_cannot_be_known(imported)]
    keys = {record.key for record in records}
    for path in (folder / "records").glob("*.json"):
        if path.stem not in keys:
            path.unlink()
    for record in records:
        write_record(folder, record)
    study = Study(
        name=name,
        question=imported.question,
        factor=imported.factor,
        arms=imported.arms,
        axes=imported.axes,
        seeds=_seeds(imported.rows),
        conditions={},
        space={},
        planned=[record.key for record in records],
        imported=[f"Imported from {imported.source}.", *notes],
    )
    write_study(folder, study)
    return folder, [f"{plural(len(records), 'row')} from {imported.source}", *notes]


def _seeds(rows: Sequence[Row]) -> int:
    """Seeds of the cell and arm that has most; their numbers, such as 1337, say nothing of how many there are."""
    different = {(str(row.cell), row.arm, row.seed) for row in rows}
    return max(Counter((cell, arm) for cell, arm, _ in different).values(), default=1)


def what_cannot_be_known(imported: Imported) -> list[str]:
    """What records of one's own have and these have not, one sentence each."""
    said = []
    if not imported.knows_seeds:
        said.append(
            "Published results have no seeds: the luck of a training run cannot be told from a difference, and models"
            " differ in recipe and data too, so that differences between arms are no effect of what they are named for."
        )
    if imported.sets == "one":
        said.append(
            "They tell one accuracy, taken here for choosing and for reporting alike: what is best on a front looks"
            " better than it is."
        )
    elif without := sum(
        row.status == "finished" and "val_accuracy" not in row.quantities for row in imported.rows
    ):  # a row is of use without it, and a record must have one
        said.append(f"{plural(without, 'row')} without a validation accuracy; the test accuracy stands in its place.")
    return said


def as_records(imported: Imported, study: str) -> list[Record]:
    """A record a row, keyed by what identifies it."""
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
        status=row.status,
        reason=row.reason,
        # Cells stand among the settings, as in a study of one's own, for there the page looks for `depth=4`.
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
    """The name that a study from this file has if none is given."""
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in path.resolve().stem)
    return kept.strip("_") or "imported"
