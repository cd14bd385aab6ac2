"""Facts of the page: settings of the study, hardware and versions of its trials, and when the last one ended."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scaling.report.analysis.analysis import Analysis
from scaling.study.flat_pooling import pooling_text

HIDDEN = {"host"}  # of the environment: a page may be shared and should not name the machines


def settings(analysis: Analysis) -> list[tuple[str, str]]:
    """The settings of the study, as names and values."""
    study, space = analysis.study, analysis.study.space
    facts = [(f"Axis {name}", _listed(values)) for name, values in space.get("axes", {}).items()]
    facts.append((f"Arms ({study.factor})", ", ".join(analysis.arms)))
    facts.append(("Repetitions per cell and arm", str(study.repetitions)))
    family = space.get("family") or study.conditions.get("family")
    if family:
        facts.append(("Family", f"{family} {_listed_settings(space.get('arch', {}))}".strip()))
    for section in ("data", "recipe", "limits"):
        if text := _listed_settings(space.get(section, {}) or {}):
            facts.append((section.capitalize(), text))
    return facts


def environments(analysis: Analysis) -> list[tuple[str, str]]:
    """Hardware and versions of the trials: every entry of their environments, with counts if they differ."""
    names = dict.fromkeys(name for record in analysis.records for name in record.environment)
    hosts = {str(record.environment["host"]) for record in analysis.records if record.environment.get("host")}
    facts = [("hosts", str(len(hosts)))] if hosts else []
    for name in names:
        values = Counter(str(record.environment[name]) for record in analysis.records if record.environment.get(name))
        if values and name not in HIDDEN:
            several = len(values) > 1
            facts.append(
                (name, ", ".join(f"{value} ({n} trials)" if several else value for value, n in values.items()))
            )
    seconds = [record.wall_seconds for record in analysis.records if record.wall_seconds is not None]
    if seconds:
        facts.append(("total trial time", _duration(sum(seconds))))
    return facts


def until(analysis: Analysis) -> str | None:
    """When the last trial ended; the page has no other date, so that equal records give an equal page."""
    ended = [moment for record in analysis.records if (moment := _moment(record.ended))]
    return f"{max(ended):%Y-%m-%d %H:%M} UTC" if ended else None


def _moment(written: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(written).astimezone(UTC) if written else None
    except ValueError:  # of a record that was edited by hand
        return None


def _listed(values: Any) -> str:
    if isinstance(values, Mapping) and "name" in values:
        return pooling_text(values)
    if isinstance(values, Mapping):
        step = f" in steps of {values['step']}" if values.get("step") else ""
        return f"{values.get('low')} to {values.get('high')}{step}{', logarithmic' if values.get('log') else ''}"
    return ", ".join(map(_listed, values)) if isinstance(values, list | tuple) else str(values)


def _listed_settings(section: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_listed(value)}" for name, value in section.items() if value is not None)


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
