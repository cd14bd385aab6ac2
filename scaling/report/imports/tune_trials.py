"""The trials of a Ray Tune experiment as its folder tells them: settings, results by iteration, and how each ended.

How a trial ended is what Tune last knew of it: the experiment's state, else the trial's last report, else its error.
`error.txt` alone says little, because it stays when a trial is retried and finishes.
"""

import csv
import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scaling.report.imports.quantities import number, plain_name
from scaling.report.imports.roles import rounded
from scaling.study.config import flatten
from scaling.wording import first_few, plural

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # of an object, another in every process
ITERATION = "training_iteration"
LENGTHS = {"epochs", "iterations", "steps", "iters"}  # words of settings that say how long a trial trains
MOST_NAMED = 4  # trials in a note
Status = Literal["finished", "failed", "stopped"]


@dataclass(frozen=True)
class TuneTrial:
    """One trial's folder as read."""

    folder: Path
    config: dict[str, Any]  # flat, nested names joined by slashes
    results: list[dict[str, Any]]  # flat, one an iteration
    reached: int  # the last iteration that was reported, also by a torn line
    is_done: bool = False  # whether its last report says so
    is_readable: bool = True  # whether its results have names
    status: Status = "finished"
    reason: str | None = None


def read_trials(folder: Path, notes: list[str]) -> list[TuneTrial]:
    """Read every trial's folder in an experiment's; what cannot be read goes into `notes`."""
    found: list[TuneTrial] = []
    states = _states(folder)
    torn = unreadable = 0
    headless: list[str] = []
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not any((inner / name).is_file() for name in ("result.json", "progress.csv", "params.json")):
            continue
        read = _results(inner)
        headless += [inner.name] if read is None else []
        results, bad = read or ([], 0)
        config = _json(inner / "params.json")
        if config is None:
            unreadable += (inner / "params.json").is_file()
            configs = (result["config"] for result in reversed(results) if isinstance(result.get("config"), dict))
            config = next(configs, {})
        torn += bad
        flat = [flatten({name: value for name, value in result.items() if name != "config"}, "/") for result in results]
        last = _by_iteration(flat)
        settings = {name: _setting(value) for name, value in flatten(config, "/").items()}
        reached = int(max((_iteration(result, place) for place, result in enumerate(last, 1)), default=0)) + bad
        trial = TuneTrial(inner, settings, last, reached, is_readable=read is not None)
        found.append(_ended(trial, states, _error(inner / "error.txt")))
    if torn:
        notes.append(f"{plural(torn, 'line')} of results torn or unreadable, left out.")
    if headless:
        said = first_few(headless, MOST_NAMED)
        notes.append(f"{plural(len(headless), 'trial')} left out, whose progress.csv has no header: {said}.")
    if unreadable:
        notes.append(f"{plural(unreadable, 'params.json')} unreadable; the config is read from the results.")
    return _stopped(found, notes)


def _setting(value: Any) -> Any:
    """A value of the config without what says nothing: the address of an object, digits beyond the twelfth."""
    if isinstance(value, str):
        return ADDRESS.sub("", value)
    return rounded(value) if isinstance(value, float) and math.isfinite(value) else value


def _iteration(result: Mapping[str, Any], place: int) -> float:
    value = result.get(ITERATION)
    read = number(str(value)) if value is not None else None
    return read.value if read is not None and math.isfinite(read.value) else place


def _by_iteration(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One result an iteration: a retried trial reports some again, and the later attempt counts."""
    kept: list[dict[str, Any]] = []
    for place, result in enumerate(results, 1):
        at = _iteration(result, place)
        while kept and ITERATION in result and _iteration(kept[-1], len(kept)) >= at:
            kept.pop()
        kept.append(result)
    return kept


def _ended(trial: TuneTrial, states: Mapping[str, str], error: str | None) -> TuneTrial:
    """The trial with how it ended."""
    last = trial.results[-1] if trial.results else {}
    names = (trial.folder.name, str(last.get("trial_id", "")))
    state = next((states[name] for name in names if name in states), None)
    done = str(last.get("done")).lower() == "true"
    if state == "ERROR" or (error is not None and state is None and not done):
        return replace(trial, status="failed", reason=error or "failed, as the state of the experiment says")
    if state is not None and state != "TERMINATED" and not done:
        return replace(trial, status="stopped", reason=f"{state.lower()} in the last state of the experiment")
    return replace(trial, is_done=done)


def _stopped(trials: Sequence[TuneTrial], notes: list[str]) -> list[TuneTrial]:
    """The trials, those as stopped that ended before others of the same length without saying that they are done.

    A scheduler stops a trial between two reports, and Tune calls it terminated like one that ran to its end.
    """
    longest: dict[str, int] = defaultdict(int)
    for trial in trials:
        longest[_length(trial)] = max(longest[_length(trial)], trial.reached)
    judged = [
        replace(
            trial, status="stopped", reason=f"stopped after {trial.reached} of {longest[_length(trial)]} iterations"
        )
        if trial.status == "finished"
        and not trial.is_done
        and trial.results
        and trial.reached < longest[_length(trial)]
        else trial
        for trial in trials
    ]
    ends = sorted(trial.reached for trial in trials if trial.results)
    if ends and ends[0] < ends[-1]:
        notes.append(f"Trials ended after {ends[0]} to {plural(ends[-1], 'iteration')}.")
    if count := sum(trial.status == "stopped" for trial in judged):
        notes.append(
            f"{plural(count, 'trial')} stopped before the end, by a scheduler or with the experiment: no result."
        )
    return judged


def _length(trial: TuneTrial) -> str:
    """The settings that say how long a trial trains."""
    return str([value for name, value in trial.config.items() if LENGTHS & set(plain_name(name).split("_"))])


def _states(folder: Path) -> dict[str, str]:
    """Status of each trial, by folder and by id, from the last state of the experiment that can be read."""
    for path in sorted(folder.glob("experiment_state*.json"), reverse=True):
        state = _json(path)
        entries = (state or {}).get("trial_data") or (state or {}).get("checkpoints")
        if not isinstance(entries, list):
            continue
        found: dict[str, str] = {}
        for entry in entries:
            one = entry[0] if isinstance(entry, list) and entry else entry
            one = _parsed(one) if isinstance(one, str) else one
            if not isinstance(one, dict) or not isinstance(one.get("status"), str):
                continue
            for name in ("relative_logdir", "logdir", "trial_id"):
                if isinstance(one.get(name), str):
                    found[one[name].rstrip("/").rpartition("/")[2]] = one["status"].upper()
        if found:
            return found
    return {}


def _results(folder: Path) -> tuple[list[dict[str, Any]], int] | None:
    """Every result of a trial, and how many lines could not be read; None if a table of them has no header.

    A killed run leaves a torn last line.
    """
    path = folder / "result.json"
    if path.is_file() and path.stat().st_size:
        lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        results = [result for line in lines if isinstance(result := _parsed(line), dict)]
        return results, len(lines) - len(results)
    path = folder / "progress.csv"
    if not path.is_file():
        return [], 0
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = [row for row in csv.reader(line.replace("\0", "") for line in file) if row]
    if not rows:
        return [], 0
    header = rows[0]
    if any(number(name) is not None for name in header):
        return None
    rows = [row for row in rows if row != header]
    whole = [row for row in rows if len(row) == len(header)]
    return [dict(zip(header, row, strict=True)) for row in whole], len(rows) - len(whole)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = _parsed(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return content if isinstance(content, dict) else None


def _error(path: Path) -> str | None:
    """Last line of a trial's error.txt."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return None
    return lines[-1].strip()[:300] if lines else "failed"
