"""Reading for a report: every record that can be read, and one line for each that cannot.

A sweep must know all its records and stops at a torn one (`read_records`). A report says what it can.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from scaling.study.errors import ScalingError
from scaling.study.records import SCHEMA, Record, impossible, in_order, parsed
from scaling.study.storage import Where, read_all


@dataclass(frozen=True)
class StudyRecords:
    """What could be read of a study's records."""

    records: list[Record]  # sorted by cell, arm and seed
    left_out: list[str]  # what could not, one line a file


def read_what_can_be(folder: Where) -> StudyRecords:
    """Read the records of the study at `folder`; those that are torn, or of a newer version, are named and left out."""
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
    """A record straight from its bytes; whatever is odd goes the careful way, which says what is wrong."""
    if isinstance(content, bytes):
        try:
            record = Record.model_validate_json(content)
        except ValidationError:
            pass
        else:
            if record.schema_number <= SCHEMA and impossible(record) is None:
                return record
    return parsed(path, content, Record)


def _sharing(record: Record, shared: dict[object, Any]) -> Record:
    """`record`, which holds in common with others what is equal in them: recipes, environments, names of set fields.

    It is a frozen record as before; of 100,000, two thirds of the memory would go into these.
    """
    config = {
        name: shared.setdefault(repr(value), value) if isinstance(value, dict) else value
        for name, value in record.config.items()
    }
    environment = shared.setdefault(repr(record.environment), record.environment)
    record = record.model_copy(update={"config": config, "environment": environment})
    for entry in (record, record.cost, record.scores, *record.curve):
        if entry is not None:
            names = entry.__pydantic_fields_set__
            object.__setattr__(entry, "__pydantic_fields_set__", shared.setdefault(frozenset(names), names))
    return record


@contextmanager
def _without_collector() -> Iterator[None]:
    """Leave Python's cycle collector out: records have no cycles, and it would walk all of them again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
