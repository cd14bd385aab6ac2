"""The data of the page: every trial and every model (a cell and arm) as typed columns, for interactive figures."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scaling.report.analysis.accounts import PREDICTIONS
from scaling.report.analysis.analysis import Analysis, find_fronts
from scaling.report.analysis.cell_marks import cell_marks, joined
from scaling.report.page.packing import codes, numbers
from scaling.statistics.estimates import Interval
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Role, Use, analysed_costs, costs
from scaling.study.records import Record

STATUSES = ("finished", "failed", "diverged", "stopped")
CURVES = {
    "val_accuracy": ("Validation accuracy (%)", "linear"),
    "val_loss": ("Validation loss (nats)", "log"),
    "train_loss": ("Training loss (nats)", "log"),
    "learning_rate": ("Learning rate at the end of the epoch", "log"),
}
MOST_EPOCHS = 250_000  # of all learning curves on the page; a study with more shows a subset of its trials
LONGEST = 400  # characters of a reason
COMPLEMENTS = {
    "test_error": "test_accuracy",
    "val_error": "val_accuracy",
}  # 100 minus the other; computed by the scripts


def page_data(analysis: Analysis) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the columns that the scripts read.

    Columns `trial.*` have an entry per trial in the order of the records, `model.*` one per row of `analysis.cells`,
    `curve.*` one per epoch of the trials in `curve.trial`, `mean.*` one per epoch.
    """
    table, cells = analysis.table, analysis.cells
    labels = list(dict.fromkeys([*table["cell"], *cells["cell"]]))
    arrays: dict[str, np.ndarray] = {}
    header: dict[str, Any] = {
        "arms": list(analysis.arms),
        "factor": analysis.study.factor,
        "study": analysis.study.name,
        "cells": labels,
        "statuses": list(STATUSES),
        "keys": list(table["key"]),
    }
    marks = cell_marks(analysis)
    header["marks"] = [[marks[label].label, marks[label].line, round(marks[label].size, 3)] for label in labels]
    header["joined"] = joined(marks)
    place = {label: code for code, label in enumerate(labels)}
    arm = {name: code for code, name in enumerate(analysis.arms)}
    for name, frame in (("trial", table), ("model", cells)):
        arrays[f"{name}.cell"] = codes(np.array([place[label] for label in frame["cell"]], dtype=np.int64))
        arrays[f"{name}.arm"] = codes(np.array([arm[label] for label in frame["arm"]], dtype=np.int64))
    repetitions = table["repetition"].to_numpy(dtype=np.int64)
    small = np.abs(repetitions).max(initial=0) < 2**31
    arrays["trial.repetition"] = repetitions.astype(np.int32 if small else np.float64)
    arrays["trial.epochs"] = codes(table["epochs"].to_numpy(dtype=np.int64))
    arrays["trial.status"] = codes(table["status"].map(STATUSES.index).to_numpy(dtype=np.int64))
    for name in ("reason", "device"):
        words = table[name].where(table[name].notna(), "").astype(str).str.slice(0, LONGEST)
        arrays[f"trial.{name}"], header[f"{name}s"] = _dictionary(words)
    _add_metrics(analysis, header, arrays)
    _add_models(analysis, arrays)
    _add_results(analysis, header, arrays)
    _add_configs(analysis.records, header, arrays)
    _add_curves(analysis, header, arrays)
    return header, arrays


def _add_metrics(analysis: Analysis, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Every metric that any trial has, as a cost or score axis, and the fronts over each cost."""
    known = {}
    for name, metric in METRICS.items():
        values = metric(analysis.table)
        if np.isfinite(values).any():
            known[name] = metric
            if name not in COMPLEMENTS:
                arrays[f"trial.{name}"] = numbers(values)
                arrays[f"model.{name}"] = numbers(analysis.cells[name].to_numpy(dtype=float))
    header["metrics"] = {
        name: {field: getattr(m, field) for field in ("title", "label", "unit", "direction", "scale", "role")}
        | {"in_table": m.use >= Use.PAGE_TABLE}
        for name, m in known.items()
    }
    header["costs"] = [
        name
        for name in dict.fromkeys([*analysed_costs(), *costs()])
        if name in known and bool((analysis.cells[name].to_numpy(dtype=float) > 0).any())
    ]
    header["scores"] = [
        name
        for name in sorted(known, key=lambda name: name != "test_accuracy")
        if known[name].role is Role.SCORE and np.isfinite(analysis.cells[name]).any()
    ]
    header["complements"] = {name: of for name, of in COMPLEMENTS.items() if name in known}
    header["predictions"] = [
        [predicted, measured]
        for predicted, measured in PREDICTIONS
        if {predicted, measured} <= known.keys()
        and ((arrays[f"model.{predicted}"] > 0) & (arrays[f"model.{measured}"] > 0)).any()
    ]
    for name in header["costs"]:
        fronts = analysis.fronts.get(name)
        fronts = find_fronts(analysis.cells, name) if fronts is None else fronts
        arrays[f"front.{name}"] = fronts["own"].to_numpy(dtype=np.uint8) + 2 * fronts["joint"].to_numpy(dtype=np.uint8)


def _add_models(analysis: Analysis, arrays: dict[str, np.ndarray]) -> None:
    """Spread over repetitions, their number, and one trial of each model, which has its settings except the seed."""
    cells = analysis.cells
    arrays["model.n"] = codes(cells["n"].to_numpy(dtype=np.int64))
    arrays["model.test_sd"] = numbers(cells["test_sd"].to_numpy(dtype=float))
    arrays["model.val_sd"] = numbers(cells["val_sd"].to_numpy(dtype=float))
    models, trials = (pd.MultiIndex.from_arrays([frame["cell"], frame["arm"]]) for frame in (cells, analysis.table))
    none = len(cells)
    of = models.get_indexer(trials) if len(cells) else np.full(len(trials), -1)
    of = np.where(of < 0, none, of)
    arrays["trial.model"] = codes(of)  # the number of models if the trial has none
    first = np.zeros(none + 1, dtype=np.int64)
    finished = np.flatnonzero((analysis.table["status"] == "finished").to_numpy())
    first[of[finished[::-1]]] = finished[::-1]
    arrays["model.trial"] = codes(first[:none])


def _add_results(analysis: Analysis, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Differences at equal cost with their parts, and probabilities of models to be on their arm's front."""
    header["margin"] = analysis.settings.margin if analysis.verdicts else 0.0
    header["published"] = [
        {
            "series": one.series,
            "points": [
                {"model": p.model, "test_accuracy": p.accuracy, "macs": p.macs, "params": p.params,
                 "said": f"{p.data}; {p.source}"}
                for p in one.points
            ],
        }
        for one in analysis.context.references
    ]  # fmt: skip
    header["equal"] = []
    for answer in analysis.equal_cost:
        one = {"cost": answer.cost, "arm": analysis.arms.index(answer.arm), "sentence": answer.sentence}
        if not isinstance(answer.result, Missing):
            result = answer.result
            columns = {"x": result.cost, "difference": result.difference}
            one |= {name: [_short(value) for value in values] for name, values in columns.items()}
            one["parts"] = [
                [_short(value) for value in (part.low_cost or 0.0, part.high_cost or 0.0, *_ends(part.interval))]
                for part in result.parts
                if part.interval.is_known
            ]
        header["equal"].append(one)
    for name, odds in analysis.front_odds.items():
        if name in header["costs"] and not isinstance(odds, Missing):
            arrays[f"odds.{name}"] = numbers(np.round(odds.own, 3))


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _add_configs(records: Sequence[Record], header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Settings of the trials: shared ones once, the others as codes of their values."""
    base = records[0].config if records else {}
    shared = dict(_leaves(base))
    others: dict[str, dict[int, Any]] = {}
    for i, record in enumerate(records):
        for section in base.keys() | record.config.keys():
            if record.config.get(section) == base.get(section):
                continue
            mine = dict(_leaves({section: record.config.get(section)}))
            theirs = dict(_leaves({section: base.get(section)}))
            for name in mine.keys() | theirs.keys():
                if mine.get(name) != shared.get(name):
                    others.setdefault(name, {})[i] = mine.get(name)
    header["shared"] = {name: _written(value) for name, value in shared.items() if name not in others}
    header["settings"] = []
    for order, name in enumerate(sorted(others)):
        values = np.full(len(records), _written(shared.get(name)), dtype=object)
        for i, value in others[name].items():
            values[i] = _written(value)
        arrays[f"setting.{order}"], words = _dictionary(pd.Series(values, dtype=object))
        header["settings"].append({"name": name, "values": words})


def _add_curves(analysis: Analysis, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Learning curves of the trials (an even subset if there are too many epochs), and the mean of each arm."""
    having = np.array([i for i, record in enumerate(analysis.records) if record.curve], dtype=np.int64)
    curves = [analysis.records[i].curve for i in having]
    lengths = np.array([len(curve) for curve in curves], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    chosen = np.arange(0, len(having), max(1, -(-int(lengths.sum()) // MOST_EPOCHS)))
    arrays["curve.trial"] = codes(having[chosen])
    arrays["curve.end"] = codes(np.cumsum(lengths[chosen]))
    finished = (analysis.table["status"] == "finished").to_numpy()[having]
    cells, arms = arrays["trial.cell"][having], arrays["trial.arm"][having]
    for field in CURVES:
        values = np.array([getattr(epoch, field) for curve in curves for epoch in curve], dtype=float)
        of_chosen = [
            values[start : start + length] for start, length in zip(starts[chosen], lengths[chosen], strict=True)
        ]
        arrays[f"curve.{field}"] = numbers(np.concatenate([*of_chosen, np.zeros(0)]))
        for arm in range(len(analysis.arms)):
            mine = np.flatnonzero(finished & (arms == arm))
            arrays[f"mean.{arm}.{field}"] = numbers(_mean_curve(values, starts[mine], lengths[mine], cells[mine]))
    header["curves"] = {name: {"label": label, "scale": scale} for name, (label, scale) in CURVES.items()}
    header["with_curves"] = len(having)


def _mean_curve(values: np.ndarray, starts: np.ndarray, lengths: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Mean over cells of the means over repetitions, up to the last epoch that all trials reached: (epochs,)."""
    shortest = lengths.min(initial=lengths[0] if len(lengths) else 0)
    if shortest == 0:
        return np.zeros(0)
    _, cell = np.unique(cells, return_inverse=True)
    sums = np.zeros((cell.max() + 1, shortest))
    np.add.at(sums, cell, values[starts[:, None] + np.arange(shortest)])
    return (sums / np.bincount(cell)[:, None]).mean(axis=0)


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    """The values of nested settings under dotted names."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _written(value: Any) -> str:
    """A setting for a reader."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, itertools.islice(value, 20)))
    return "–" if value is None else str(value)


def _dictionary(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Encode values as indices into the list of distinct ones, in order of appearance."""
    found, words = pd.factorize(values)
    return codes(found), [str(word) for word in words]
