"""Heartbeat: the last state that a running sweep wrote, for `--list` and `--status`; no part of the study."""

from datetime import UTC, datetime

from pydantic import ValidationError

from scaling.study.records import Entry, write_atomically
from scaling.study.storage import Where

FILE = "heartbeat.json"
EARLIER_FILE = "pulse.json"  # of earlier versions; read where the study has no newer one


class Heartbeat(Entry):
    """The state of a sweep at a moment."""

    at: str  # ISO 8601, UTC
    running: list[str]  # labels of trials
    seconds_left: float | None  # as estimated then
    out_of: str | None = None  # which part of its budget is spent


def beat(folder: Where, running: list[str], seconds_left: float | None, spent: str | None) -> None:
    """Write the heartbeat of a sweep."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    heartbeat = Heartbeat(at=now, running=running, seconds_left=seconds_left, out_of=spent)
    write_atomically(folder / FILE, heartbeat.model_dump_json().encode())


def read_heartbeat(folder: Where) -> Heartbeat | None:
    """Read the last heartbeat; None if there is none that can be read."""
    for name in (FILE, EARLIER_FILE):
        try:
            return Heartbeat.model_validate_json((folder / name).read_bytes())
        except (OSError, ValidationError):
            continue
    return None
