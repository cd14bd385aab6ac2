"""A Ray Tune experiment's folder: a row per trial, from result.json or progress.csv and params.json.

Tune's pickles (params.pkl, tuner.pkl, searcher states) are never opened: loading one executes its content.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling.compare.settings import role, sentence
from scaling.report.imports.importer import ImportRequest, importer
from scaling.report.imports.outcome import Imported, Row
from scaling.report.imports.quantities import QUANTITIES, number
from scaling.report.imports.raw_table import MOST_NAMED
from scaling.report.imports.roles import arm_in_words, is_bookkeeping
from scaling.report.imports.study import study_name
from scaling.report.imports.tables import split_arms
from scaling.report.imports.tune_metrics import TuneMetric, find_metrics
from scaling.report.imports.tune_trials import TuneTrial, read_trials
from scaling.study.errors import RecordError, unknown
from scaling.study.records import LARGEST_SEED, Epoch
from scaling.wording import plural

OPTIONS = ("accuracy", "val_accuracy", "params", "macs", "activations", "arm", "cell", "seed", "repeats")
MOST_ARMS = 8
SEEDS = ("seed", "random_seed", "train_loop_config/seed")


@importer("tune", argument="FOLDER[?accuracy=METRIC&arm=CONFIG&cell=CONFIG,CONFIG&seed=CONFIG]")
def read_tune(request: ImportRequest) -> Imported:
    """Read one experiment, and the last result of each trial."""
    request.refuse_options(OPTIONS)
    folder = request.paths[0]
    if len(request.paths) != 1 or not folder.is_dir():
        raise RecordError(f"--import tune takes one folder, the experiment's, not {', '.join(map(str, request.paths))}")
    notes: list[str] = []
    trials = read_trials(folder, notes)
    if not trials:
        raise RecordError(
            f"{folder} holds no trials of Ray Tune (no folder in it has a result.json, progress.csv or params.json)"
        )
    names = list(dict.fromkeys(name for trial in trials for result in trial.results for name in result))
    metrics = find_metrics(request, folder, names, notes)
    scale = _scale(trials, metrics, notes)
    arm_name, seed_name, axes = _roles(request, trials)
    _refuse_settings(request, folder, trials, [name for name in (arm_name, seed_name) if name], axes)
    readable = [trial for trial in trials if trial.is_readable]
    values, left_out = (
        [_word(trial.config.get(arm_name)) if arm_name else "trials" for trial in some]
        for some in (readable, [trial for trial in trials if not trial.is_readable])
    )
    wanted = request.arms.values if request.arms else ()
    arms, of, said = split_arms(values, wanted, arm_name or "", MOST_ARMS, left_out)
    rows, unscored, repeated = _rows(readable, of, metrics, scale, seed_name, axes)
    if unscored:
        notes.append(f"{plural(unscored, 'trial')} without a result, counted as failed.")
    if repeated:
        notes.append("Trials of the same cell and arm are taken as repetitions; their order numbers the seeds.")
    notes.append(f"Accuracy is the metric '{metrics['accuracy'].name}', as each trial last reported it.")
    notes.append(
        "The trials were run by Tune: if a search or scheduler chose or stopped them, arms are not balanced, and the"
        " best cells of an arm look better than they are."
    )
    return Imported(
        name=study_name(folder),
        question=f"What do the trials of {folder.resolve().name} show?",
        source=f"the Ray Tune experiment {folder.resolve().name}",
        factor=arm_name or "source",
        arms=arms,
        axes=axes or ["trial"],
        rows=rows,
        notes=[*notes, *said],
        roles={
            "score": metrics["accuracy"].name,
            **({"validation": metrics["val_accuracy"].name} if "val_accuracy" in metrics else {}),
            "arm": arm_in_words(arm_name, arms),
            "cell": ", ".join(axes) or "each trial",
            "seed": seed_name or "none",
        },
        knows_seeds=bool(seed_name) or repeated,
        sets="both" if "val_accuracy" in metrics and metrics["val_accuracy"] != metrics["accuracy"] else "one",
    )


def _scale(trials: Sequence[TuneTrial], metrics: Mapping[str, TuneMetric], notes: list[str]) -> float:
    """100 if accuracies are fractions, else 1."""
    name = metrics["accuracy"].name
    values = [_value(result.get(name)) for trial in trials for result in trial.results]
    known = [value for value in values if math.isfinite(value)]
    if known and max(known) <= 1 and min(known) >= 0:
        notes.append(f"'{name}' never exceeds 1, so it is read as fractions, not percentages.")
        return 100.0
    return 1.0


def _value(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        return math.nan
    if isinstance(value, int | float):
        return float(value) if abs(value) <= sys.float_info.max else math.nan
    read = number(value) if isinstance(value, str) else None
    return read.value if read is not None else math.nan


def _roles(request: ImportRequest, trials: Sequence[TuneTrial]) -> tuple[str | None, str | None, list[str]]:
    """Names of the config entries that hold the arm, the seed and the cell."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.config))

    def known(option: str, name: str) -> str:
        if name not in names:
            raise RecordError(f"--import tune: {option}: {unknown('config entry', name, names[:MOST_NAMED])}")
        return name

    wanted = request.arms.column if request.arms else request.options.get("arm")
    arm = known("arm", wanted) if wanted else None
    seed = request.options.get("seed")
    seed = known("seed", seed) if seed else next((name for name in SEEDS if name in names), None)
    if "cell" in request.options:
        return arm, seed, [known("cell", part.strip()) for part in request.options["cell"].split(",") if part.strip()]
    varying = [name for name in names if len({_word(trial.config.get(name)) for trial in trials}) > 1]
    return arm, seed, [name for name in varying if name not in {arm, seed} and not is_bookkeeping(name)]


def _refuse_settings(
    request: ImportRequest, folder: Path, trials: Sequence[TuneTrial], roles: Sequence[str], axes: Sequence[str]
) -> None:
    """Name the entries of the config in which trials of one cell and arm differ, unless repetitions may.

    Raises:
        RecordError: there are such entries, or `repeats=` names one that is not there.
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial.config))
    allowed = request.names("repeats")
    if missing := [name for name in allowed if name not in names]:
        raise RecordError(f"--import tune: repeats: {unknown('config entry', missing[0], names[:MOST_NAMED])}")
    arm = request.arms.column if request.arms else request.options.get("arm")
    seen: dict[tuple[str, ...], dict[str, str]] = {}
    differing: dict[str, None] = {}
    for trial in trials if axes else ():  # without axes each trial is a cell
        where = tuple(_word(trial.config.get(name)) for name in (*axes, *([arm] if arm else []))) or (
            trial.folder.name,
        )
        first = seen.setdefault(where, {name: _word(trial.config.get(name)) for name in names})
        differing |= {name: None for name in names if _word(trial.config.get(name)) != first[name]}
    found = [name for name in differing if name not in {*roles, *axes, *allowed} and role(name) is not False]
    if found:
        raise RecordError(f"{folder.name}: {sentence(found)}")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _rows(
    trials: Sequence[TuneTrial],
    arms: Sequence[str | None],
    metrics: Mapping[str, TuneMetric],
    scale: float,
    seed_name: str | None,
    axes: Sequence[str],
) -> tuple[list[Row], int, bool]:
    """Rows, how many trials had no score, and whether repetitions were numbered."""
    rows: list[Row] = []
    unscored, numbered = 0, False
    taken: Counter[tuple[str, str]] = Counter()
    used: set[tuple[str, str, int]] = set()
    for trial, arm in zip(trials, arms, strict=True):
        if arm is None:
            continue
        cell: dict[str, Any] = {axis: trial.config.get(axis) for axis in axes} or {"trial": trial.folder.name}
        cell = {axis: value if isinstance(value, str | int | float) else _word(value) for axis, value in cell.items()}
        where = (str(cell), arm)
        value = _value(trial.config.get(seed_name)) if seed_name else math.nan
        seed = int(value) if 0 <= value <= LARGEST_SEED else taken[where]
        while (*where, seed) in used:
            seed, numbered = seed + 1, True
        taken[where] += 1
        used.add((*where, seed))
        known = _quantities(trial.results, metrics, scale)
        status, reason = trial.status, trial.reason
        if status == "finished" and "accuracy" not in known:
            unscored, status, reason = unscored + 1, "failed", "no result with an accuracy"
        settings = {name: entry for name, entry in trial.config.items() if name not in axes}
        curve = _curve(trial, metrics, scale)
        rows.append(Row(cell, arm, known, seed=seed, status=status, reason=reason, settings=settings, curve=curve))
    return rows, unscored, numbered


def _quantities(
    results: Sequence[Mapping[str, Any]], metrics: Mapping[str, TuneMetric], scale: float
) -> dict[str, float]:
    """The last value that was reported of each quantity; a metric may be reported every second iteration."""
    known = {}
    for quantity, (name, factor, is_error) in metrics.items():
        kind = QUANTITIES[quantity]
        reported = (_value(result.get(name)) for result in reversed(results))
        value = next((value for value in reported if not math.isnan(value)), math.nan)
        value *= scale if kind.high == 100 else factor
        value = 100 - value if is_error else value
        if kind.low <= value <= kind.high:
            known[quantity] = value
    return known


def _curve(trial: TuneTrial, metrics: Mapping[str, TuneMetric], scale: float) -> tuple[Epoch, ...]:
    """The metric by iteration as a learning curve; values that Tune does not record are missing."""
    name, _, is_error = metrics.get("val_accuracy", metrics["accuracy"])
    points = []
    for place, result in enumerate(trial.results, 1):
        value = _value(result.get(name)) * scale
        if math.isnan(value):
            continue  # reported every second iteration
        points.append(
            Epoch(
                epoch=place,
                train_loss=_value(result.get("train_loss")),
                val_loss=_value(result.get("val_loss")),
                val_accuracy=100 - value if is_error else value,
                learning_rate=_value(result.get("learning_rate", result.get("lr"))),
                train_seconds=_value(result.get("time_this_iter_s")),
            )
        )
    return tuple(points) if len(points) > 1 else ()
