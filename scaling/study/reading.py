"""Reading of records for a report: every readable record, and one line for each unreadable one.

A sweep needs all its records and stops at a damaged one (`read_records`); a report leaves it out.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from scaling.study.errors import ScalingError
from scaling.study.records import SCHEMA, Record, impossible, in_order, parsed
from scaling.study.seal import is_intact
from scaling.study.storage import Where, read_all


@dataclass(frozen=True)
class StudyRecords:
    """The readable records of a study."""

    records: list[Record]  # sorted by cell, arm and repetition
    left_out: list[str]  # one line for each file that could not be read


def read_what_can_be(folder: Where) -> StudyRecords:
    """Read the records of the study at `folder`; leave out and name those that are damaged or of a newer version."""
    files = sorted((folder / "records").glob("*.json"), key=str)
    records: list[Record] = []
    left_out: list[str] = []
    shared: dict[object, Any] = {}
    with _without_collector():
        for path, content in read_all(files):
            try:
                records.append(_sharing(_read(path, content), shared))
            except ScalingError as mistake:
                left_out += [problem.removeprefix(f"{folder}/") for problem in mistake.problems]
    return StudyRecords(in_order(records), left_out)


def _read(path: Where, content: bytes | Exception) -> Record:
    """Parse a record straight from its bytes; if that fails, take the slow path, which explains what is wrong."""
    if isinstance(content, bytes) and is_intact(content):
        try:
            record = Record.model_validate_json(content)
        except ValidationError:
            pass
        else:
            if record.schema_number <= SCHEMA and impossible(record) is None and record.key == path.stem:
                return record
    return parsed(path, content, Record)


def _sharing(record: Record, shared: dict[object, Any]) -> Record:
    """Return the record with equal parts shared among records: recipes, environments, data, names of set fields.

    The record stays frozen. Of the memory of 100,000 records, two thirds would go into these parts.
    """
    config = {
        name: shared.setdefault(repr(value), value) if isinstance(value, dict) else value
        for name, value in record.config.items()
    }
    environment = shared.setdefault(repr(record.environment), record.environment)
    data = record.data
    if data is not None:
        data = shared.setdefault((data.fingerprint, *(one.digest for one in data.sets.values())), data)
    record = record.model_copy(update={"config": config, "environment": environment, "data": data})
    for entry in (record, record.cost, record.scores, *record.curve):
        if entry is not None:
            names = entry.__pydantic_fields_set__
            object.__setattr__(entry, "__pydantic_fields_set__", shared.setdefault(frozenset(names), names))
    return record


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause Python's cycle collector: records have no cycles, and it would traverse all of them repeatedly."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
