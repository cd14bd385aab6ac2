"""The table of trials: which of them count, their averages over repetitions, and what was lost."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.report.analysis.scored_images import on_other_images
from scaling.statistics.pareto import on_front
from scaling.statistics.score_table import ScoreTable, score_table
from scaling.study.learning_rates import chooses, lost_choices, rejected_keys
from scaling.study.metrics import METRICS, get_metric
from scaling.study.records import Record, Study

LEFT_OUT = ["rejected", "chooses", "other_images"]  # marks of trials that enter no comparison
ENDED = ["finished", "failed", "diverged"]  # statuses of trials that count in a comparison, lost or not


@dataclass(frozen=True)
class TrialCounts:
    """Trials by status."""

    planned: int
    finished: int
    failed: int
    diverged: int
    missing: int  # not ended: running or not started
    stopped: int = 0  # early, with their whole cell: shown but not compared
    is_complete: bool = True  # nothing of the plan is left to run


def mark(table: pd.DataFrame, study: Study, records: Sequence[Record]) -> pd.DataFrame:
    """Add which trials enter no comparison.

    `rejected`: another learning rate was chosen; `chooses`: it chose; `other_images`: see `scored_images`.
    """
    lost = lost_choices(records, study.choose_by)
    rejected = rejected_keys(records, study.choose_by) - lost
    table["rejected"] = table["key"].isin(list(rejected))
    table["chooses"] = [
        chooses(record, study.choose_by) and record.key not in rejected and record.key not in lost for record in records
    ]
    table["other_images"] = table["key"].isin(list(on_other_images(study, records)))
    return table


def asked_cells(study: Study, table: pd.DataFrame, arms: Sequence[str]) -> int:
    """Cells of the plan, from its number of trials; at least those that have one."""
    tune = study.space.get("tune")
    rates = tune.get("lr", 1) if isinstance(tune, dict) else 1
    trials = max(1, len(arms) * (study.repetitions + study.choose_by * (rates - 1)))
    return max(len(set(table["cell"])), math.ceil(len(study.planned) / trials))


def is_usable(table: pd.DataFrame) -> np.ndarray:
    """Mark the trials that finished with a score and enter comparisons: a boolean per row."""
    usable = ((table["status"] == "finished") & table["test_accuracy"].notna()).to_numpy()
    return usable & ~is_left_out(table)


def is_left_out(table: pd.DataFrame) -> np.ndarray:
    """Mark the trials that enter no comparison, see `mark`: a boolean per row."""
    marks = [table[name].to_numpy(dtype=bool) for name in LEFT_OUT if name in table]
    return np.logical_or.reduce([np.zeros(len(table), dtype=bool), *marks])


def scores_of(table: pd.DataFrame, arms: Sequence[str], study: Study) -> ScoreTable:
    """Scores by arm, cell and repetition; rows are those of `table`."""
    counts = np.flatnonzero(table["status"].isin(ENDED).to_numpy() & ~is_left_out(table))
    part = table.take(counts)
    ended = part.assign(test_accuracy=part["test_accuracy"].where(part["status"] == "finished"))
    found = score_table(ended, arms, axes=study.axes, shared_seeds=study.seeding == "shared")
    rows = np.where(found.rows >= 0, counts[found.rows] if len(counts) else -1, -1)
    return ScoreTable(found.arms, found.cells, found.scores, found.lost, rows, found.costs, found.axes)


def summarise(table: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Average the finished repetitions of each cell and arm: cells in the order of the table, arms in that of `arms`.

    Columns: cell, arm, n, every metric (mean over repetitions), test_sd and val_sd (over repetitions; NaN with one).
    """
    usable = is_usable(table)
    trials = table.loc[usable, ["cell", "arm"]].assign(
        **{name: metric(table)[usable] for name, metric in METRICS.items()}
    )
    groups = trials.groupby(["cell", "arm"], sort=False)
    means = groups.mean()
    means.insert(0, "n", groups.size())
    means["test_sd"] = groups["test_accuracy"].std(ddof=1)
    means["val_sd"] = groups["val_accuracy"].std(ddof=1)
    summary = means.reset_index()
    places = [pd.factorize(summary["cell"])[0], np.array([arms.index(arm) for arm in summary["arm"]], dtype=int)]
    return summary.take(np.lexsort(places[::-1])).reset_index(drop=True)


def find_fronts(cells: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Mark the cells on the front of their own arm, and of all arms together, by validation accuracy and `cost`."""
    sign = 1 if get_metric(cost).direction == "lower" else -1
    costs, scores = sign * cells[cost].to_numpy(dtype=float), cells["val_accuracy"].to_numpy(dtype=float)
    own = np.zeros(len(cells), dtype=bool)
    for arm in cells["arm"].unique():
        of_arm = (cells["arm"] == arm).to_numpy()
        own[of_arm] = on_front(costs[of_arm], scores[of_arm])
    return pd.DataFrame({"own": own, "joint": on_front(costs, scores)}, index=cells.index)


def count(study: Study, records: Sequence[Record]) -> TrialCounts:
    """Count trials by status."""
    of = Counter(record.status for record in records)
    planned = len({*study.planned, *(record.key for record in records)})
    missing = max(0, planned - len({record.key for record in records}))
    return TrialCounts(
        planned,
        of["finished"],
        of["failed"],
        of["diverged"],
        missing,
        of["stopped"],
        is_complete=study.ended_by is not None or (missing == 0 and not study.plans_more),
    )


def lost_trials(table: pd.DataFrame, records: Sequence[Record]) -> list[tuple[Record, str]]:
    """Trials that ended without a score, each with what became of it: `failed`, `diverged` or `has no score`.

    Stopped trials do not count (their whole cell was stopped), nor do those that enter no comparison.
    """
    lost = []
    for record, is_out in zip(records, is_left_out(table), strict=True):
        if record.status == "stopped" or is_out:
            continue
        if record.status != "finished" or record.scores is None or math.isnan(record.scores.test_accuracy):
            lost.append((record, record.status if record.status != "finished" else "has no score"))
    return lost


def trials_overlap(records: Sequence[Record]) -> bool:
    """Whether two trials ran at once on a host; true if the records do not show it."""
    by_host: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        if record.train_seconds is None:
            continue
        if record.started is None or record.ended is None:
            return True
        by_host.setdefault(str(record.environment.get("host")), []).append((record.started, record.ended))
    spans = [sorted(spans) for spans in by_host.values()]
    return any(one[1] > other[0] for host in spans for one, other in itertools.pairwise(host))
