"""Looks: the verdicts that were given on a study, kept in `looks.json` beside `study.json`.

A verdict on a complete plan is a look. Extending the plan makes the next verdict a further look, whose intervals have a
stricter level, so that all looks together are wrong in at most 5 % of studies. A report without new records is no look.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.context import Context, KeptLook
from scaling.report.analysis.trial_table import count
from scaling.report.analysis.verdicts import Look, look_rule
from scaling.statistics import MARGIN
from scaling.statistics.further_runs import LookRule
from scaling.study.errors import RecordError, StorageError
from scaling.study.reading import read_what_can_be
from scaling.study.records import Record, Study, read_study
from scaling.study.storage import Where, cause, write_atomically

FILE = "looks.json"


KEPT = TypeAdapter(list[KeptLook])


def read_looks(folder: Where) -> list[KeptLook]:
    """Looks at the study in `folder`, the first one first; empty where none was kept.

    Raises:
        RecordError: the file cannot be read; without it no verdict holds its level.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {cause(error)}; it says how often the study was looked at") from None
    try:
        return KEPT.validate_json(content)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise RecordError(
            f"{path} is damaged: {said}; restore it, or delete it if no verdict was given on this study yet"
        ) from None


def look_at(study: Study, records: Sequence[Record], kept: Sequence[KeptLook], wanted: bool = False) -> Look:
    """Which look a report on these records is.

    Args:
        kept: earlier looks.
        wanted: a verdict is asked for although trials of the plan are missing.

    Raises:
        RecordError: it is asked for in a study whose space allows one look.
    """
    if study.imported is not None:
        return Look(None)
    rule = look_rule(study)
    if kept and kept[-1].records == digest(records):
        return Look(kept[-1].number, rule)
    number = kept[-1].number + 1 if kept else 1
    is_complete = count(study, records).is_complete
    if not is_complete and not wanted:
        return Look(number, rule, is_verdict=False)
    if rule is LookRule.ONE and not is_complete:
        raise RecordError(
            f"{study.name}: `looks: 1` allows one verdict, on the complete plan; let the sweep end, or leave out"
            " --verdict-now"
        )
    if rule is LookRule.ONE and number > 1:  # such as after a failed trial was run again
        return Look(number, LookRule.EXTENDING, note=f"The plan was fixed to one look, and this is look {number}.")
    return Look(number, rule)


def analyse_study(folder: Where, margin: float = MARGIN, verdict_now: bool = False) -> Analysis:
    """Read and analyse the study at `folder`, at the level of the look that this is.

    Raises:
        RecordError: it cannot be read.
    """
    read = read_what_can_be(folder)
    study = read_study(folder)
    look = look_at(study, read.records, read_looks(folder), verdict_now)
    return analyse(study, read.records, margin, Context(left_out=read.left_out), look)


def keep_look(folder: Where, analysis: Analysis) -> str | None:
    """Add the verdict of this analysis to the looks at the study, unless it is there or is none.

    Returns:
        what went wrong, in one sentence; the verdict holds at its level nevertheless, but is not remembered.
    """
    found, number, kept = digest(analysis.records), analysis.look.number, read_looks(folder)
    if number is None or not analysis.look.is_verdict or not analysis.verdicts:
        return None
    if kept and kept[-1].records == found:
        return None
    look = KeptLook(
        number=number,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        trials=len(analysis.records),
        planned=analysis.progress.planned,
        records=found,
        level=1 - analysis.settings.alpha,
        kind={verdict.arm: str(verdict.kind) for verdict in analysis.verdicts},
    )
    content: list[dict[str, Any]] = [asdict(one) for one in (*kept, look)]
    try:
        write_atomically(folder / FILE, json.dumps(content, indent=1).encode() + b"\n")
    except StorageError as error:
        return (
            f"This verdict is look {number} at the study and was given at that look's level, but could not be kept:"
            f" {error}. A later report will not know of it."
        )
    return None


def digest(records: Sequence[Record]) -> str:
    """What a verdict rests on: key, status and score of every trial; a copy of a record changes nothing."""
    rows = {json.dumps([r.key, r.status, r.scores.test_accuracy if r.scores else None]) for r in records}
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16]
