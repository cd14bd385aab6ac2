"""Pulse: what a running sweep last said of itself, for those who look from outside; no part of the study."""

from datetime import UTC, datetime

from pydantic import ValidationError

from scaling.study.records import Entry, write_atomically
from scaling.study.storage import Where

FILE = "pulse.json"


class Heartbeat(Entry):
    """The state of a sweep at a moment."""

    at: str  # ISO 8601, UTC
    running: list[str]  # labels of trials
    seconds_left: float | None  # as estimated then
    out_of: str | None = None  # what its budget has run out of


def beat(folder: Where, running: list[str], seconds_left: float | None, out_of: str | None) -> None:
    """Write the pulse of a sweep."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    heartbeat = Heartbeat(at=now, running=running, seconds_left=seconds_left, out_of=out_of)
    write_atomically(folder / FILE, heartbeat.model_dump_json().encode())


def read_heartbeat(folder: Where) -> Heartbeat | None:
    """The last pulse; None where there is none, or none that can be read."""
    try:
        return Heartbeat.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
