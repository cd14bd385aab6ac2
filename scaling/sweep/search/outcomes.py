"""Outcomes: what is known of a trial, as far as decisions look at it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scaling.study.config import Trial
from scaling.study.records import Epoch, Record

WHY = ": "  # in the reason of a stopped trial, before that of the rule


@dataclass
class Outcome:
    """What is known of a trial so far."""

    curve: list[Epoch]
    record: Record | None = None  # once it has ended


def in_brief(record: Record, *, keeps_curve: bool) -> Record:
    """What decisions look at; the rest of many records would fill the memory."""
    config = {"recipe": {"learning_rate": record.config.get("recipe", {}).get("learning_rate")}}
    return record.model_copy(
        update={
            "environment": {"device": record.environment.get("device")},
            "config": config,
            "scores": record.scores.model_copy(update={"test_correct": None}) if record.scores else None,
            # records of earlier versions told of the last run of a trial only, and nothing of a stopped one
            "wall_seconds": max(record.wall_seconds or 0.0, seconds_of(record.curve)),
            "seconds": None,
            "traceback": None,
            "curve": record.curve if keeps_curve else [],
        }
    )


def seconds_of(curve: Iterable[Epoch]) -> float:
    """What training and evaluating took."""
    return sum(epoch.train_seconds + (epoch.evaluation_seconds or 0.0) for epoch in curve)


def stopped_record(trial: Trial, curve: list[Epoch], reason: str) -> Record:
    """Record of a trial whose cell is given up; what it took is what its epochs did."""
    return Record.of(
        trial,
        status="stopped",
        reason=f"its cell was stopped at epoch {len(curve)}{WHY}{reason}",
        curve=curve,
        train_seconds=sum(epoch.train_seconds for epoch in curve),
        wall_seconds=seconds_of(curve),
    )


def given_up(outcomes: Mapping[str, Outcome]) -> str | None:
    """Why an earlier command stopped the cell; None where none did. A kill may have left an arm without a record."""
    reasons = [one.record.reason or "" for one in outcomes.values() if one.record and one.record.status == "stopped"]
    return reasons[0].partition(WHY)[2] or "as before" if reasons else None
