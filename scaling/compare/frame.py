"""Frame: the verdict of a table with one row a run, whatever program made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.statistics import MARGIN
from scaling.statistics.comparison import Comparison, VerdictSettings
from scaling.statistics.contrast import Contrast
from scaling.statistics.judge import judge
from scaling.statistics.words import Words
from scaling.study.errors import ScalingError, unknown
from scaling.study.metrics import METRICS
from scaling.wording import first_few, listing

MOST_NAMED = 6
SEED, COST = "seed", "macs"


class CompareError(ScalingError):
    """A table that cannot be compared as it was asked for."""


@dataclass(frozen=True)
class CompareOptions:
    """Which columns mean what, and how to judge; see `compare`."""

    arm: str = "arm"
    baseline: str | None = None
    cell: tuple[str, ...] = ()
    seed: str | None = SEED
    score: str = "score"
    cost: str | None = COST
    repeats: tuple[str, ...] = ()
    margin: float = MARGIN
    level: float = 0.95
    images: int | None = None
    shared_seeds: bool = False


def compare(
    frame: pd.DataFrame,
    *,
    cell: Sequence[str] | str = (),
    arms: Sequence[str] = (),
    repeats: Sequence[str] = (),
    **others: Any,
) -> Mapping[str, Comparison]:
    """Compare every arm of a table with its baseline: arm → `Comparison`, empty with one arm.

    Args:
        frame: a row a run.
        cell: columns that name a cell; those that are numbers count as axes of a grid, others as names.
        arms: columns that hold the scores of one arm each, in place of `arm` and `score`: a wide table.
        repeats: other columns whose values may differ among repetitions of a cell.
        others: `arm` ("arm") and `baseline` (the first in the table): column of the arms, and the one to compare with;
            `seed` ("seed"): runs of a cell with equal seeds are pairs, None pairs them in the order of the rows;
            `score` ("score"): column in percent, more is better, NaN for a lost run; `cost` ("macs"): column by which
            cells are ordered; `margin` (0.2 points), `level` (0.95), `images`: how many test images there are;
            `shared_seeds` (False): equal seeds are the same draw in all cells.
    """
    cells = (cell,) if isinstance(cell, str) else tuple(cell)
    try:
        asked = CompareOptions(cell=cells, repeats=tuple(repeats), **others)
    except TypeError as mistake:
        raise TypeError(f"compare() {str(mistake).partition('() ')[2] or mistake}") from None
    if arms:
        frame, asked = _long(frame, asked, arms)
    return compare_as_asked(frame, asked)


def compare_as_asked(frame: pd.DataFrame, asked: CompareOptions) -> Mapping[str, Comparison]:
    """Compare every arm with the baseline."""
    frame, asked = _checked(frame, asked)
    names = [str(name) for name in _column(frame, asked.arm).unique()]
    if not names:
        raise CompareError("the table has no rows")
    baseline = names[0] if asked.baseline is None else str(asked.baseline)
    if baseline not in names:
        raise CompareError(unknown("arm", baseline, names))
    others = [name for name in names if name != baseline]
    table = _Table(frame, asked, names)
    settings = VerdictSettings(
        margin=asked.margin,
        alpha=1 - asked.level,
        contrasts=max(1, len(others)),
        images=asked.images,
        shared_seeds=asked.shared_seeds,
    )
    return {name: table.judged(baseline, name, settings) for name in others}


def _long(frame: pd.DataFrame, asked: CompareOptions, arms: Sequence[str]) -> tuple[pd.DataFrame, CompareOptions]:
    """A wide table as one with a row a run."""
    missing = [name for name in arms if name not in frame.columns]
    if missing:
        raise CompareError([unknown("column", name, frame.columns) for name in missing])
    kept = [column for column in frame.columns if column not in arms]
    long = frame.melt(id_vars=kept, value_vars=list(arms), var_name="_arm", value_name="_score")
    baseline = asked.baseline if asked.baseline is not None else arms[0]
    return long, replace(asked, arm="_arm", score="_score", baseline=baseline)


def _checked(frame: pd.DataFrame, asked: CompareOptions) -> tuple[pd.DataFrame, CompareOptions]:
    """The table with scores as numbers; names what is missing, doubled or mixed up."""
    if asked.seed == SEED and SEED not in frame.columns:
        asked = replace(asked, seed=None)
    if asked.cost == COST and COST not in frame.columns:
        asked = replace(asked, cost=None)
    wanted = [asked.arm, asked.score, *asked.cell, *(name for name in (asked.seed, asked.cost) if name)]
    problems = [unknown("column", name, frame.columns) for name in wanted if name not in frame.columns]
    if not 0 < asked.level < 1:
        problems.append(f"level {asked.level:g}: write a share between 0 and 1, such as 0.95")
    if not asked.margin >= 0:
        problems.append(f"margin {asked.margin:g}: write points of the score, such as 0.2")
    if problems:
        raise CompareError(problems)
    scores, given = _numbers(frame, asked.score), _column(frame, asked.score)
    words = [str(word) for word in given[np.isnan(scores) & given.notna().to_numpy()]]
    if wrong := [word for word in words if word.strip().lower() not in ("", "nan", "none", "null")]:
        raise CompareError(f"column '{asked.score}': '{wrong[0]}' is no number; leave it empty for a lost run")
    known = scores[np.isfinite(scores)]
    if len(known) and known.max() <= 1 and known.min() >= 0 and known.max() > 0:
        raise CompareError(f"column '{asked.score}' seems to hold shares from 0 to 1; give scores in percent")
    frame = frame.assign(**{asked.score: scores, asked.arm: _column(frame, asked.arm).astype(str)})
    _refuse_settings(frame, asked)
    return frame, asked


def _refuse_settings(frame: pd.DataFrame, asked: CompareOptions) -> None:
    """Name columns in which rows of the same cell and arm differ, unless they are results or said to be repetitions."""
    own = [asked.arm, *asked.cell]
    taken = {*own, asked.score, asked.seed, asked.cost, *asked.repeats}
    settings = [column for column in frame.columns if column not in taken and _is_setting(_column(frame, column))]
    groups = frame.groupby(own, dropna=False, sort=False)
    differing = [column for column in settings if int(np.max(groups[column].nunique(dropna=False))) > 1]
    if differing:
        raise CompareError(
            f"rows of the same cell and arm differ in {listing(differing)}: add to cell= what makes other models of"
            " them, or to repeats= what their repetitions may differ in"
        )
    if asked.seed is None:
        return
    twice = frame.duplicated([*own, asked.seed], keep=False)
    if twice.any():
        row = frame[twice].iloc[0]
        where = " ".join(f"{column}={row[column]}" for column in [*own, asked.seed])
        raise CompareError(f"two rows have the same key: {where}; give each run a seed of its own, or drop one")


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return pd.Series(frame[name])


def _numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column as floats, NaN where it holds none."""
    return np.asarray(pd.to_numeric(_column(frame, name), errors="coerce"), dtype=float)


def _is_setting(values: pd.Series) -> bool:
    """Whether a column looks like something that was set: it has a few values, each at least twice."""
    counts = values.value_counts(dropna=False)
    return 1 < len(counts) <= max(2, len(values) / 4) and bool(counts.min() >= 2)


class _Table:
    """Scores by cell, repetition and arm."""

    def __init__(self, frame: pd.DataFrame, asked: CompareOptions, names: Sequence[str]) -> None:
        self.asked, self.arms = asked, list(names)
        cell_codes, cells = _codes(frame, asked.cell)
        self.names = [_label(asked.cell, row) for row in cells.itertuples(index=False)] if asked.cell else ["all runs"]
        arm = pd.Index(self.arms).get_indexer(pd.Index(frame[asked.arm]))
        repetition = self._repetitions(frame, cell_codes, arm)
        shape = (len(self.arms), len(self.names), int(repetition.max()) + 1)
        self.scores = np.full(shape, np.nan)
        self.ran = np.zeros(shape, dtype=bool)
        place = (arm, cell_codes, repetition)
        self.scores[place] = frame[asked.score].to_numpy(dtype=float)
        self.ran[place] = True
        self.costs = self._costs(frame, cell_codes, arm)
        self.axes = {
            column: cells[column].to_numpy(dtype=float)
            for column in asked.cell
            if pd.api.types.is_numeric_dtype(cells[column]) and not pd.api.types.is_bool_dtype(cells[column])
        }

    def _repetitions(self, frame: pd.DataFrame, cell: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Place of each run among those of its cell: by its seed, or without seeds in the order of the rows."""
        if self.asked.seed is None:
            return pd.Series(0, index=range(len(frame))).groupby([cell, arm]).cumcount().to_numpy()
        seeds = pd.factorize(frame[self.asked.seed], use_na_sentinel=False)[0]
        if self.asked.shared_seeds:
            return seeds
        keys = np.unique(np.stack([cell, seeds], axis=1), axis=0)
        first = np.searchsorted(keys[:, 0], np.arange(cell.max() + 1))
        place = pd.MultiIndex.from_arrays(keys.T).get_indexer(pd.MultiIndex.from_arrays([cell, seeds]))
        return place - first[cell]

    def _costs(self, frame: pd.DataFrame, cell: np.ndarray, arm: np.ndarray) -> np.ndarray | None:
        """Mean cost of each arm in each cell, (arms, cells); None where no column has it."""
        if self.asked.cost is None:
            return None
        values = _numbers(frame, self.asked.cost)
        known = np.isfinite(values)
        size = (len(self.arms), len(self.names))
        place = np.ravel_multi_index((arm[known], cell[known]), size)
        counts = np.bincount(place, minlength=size[0] * size[1])
        sums = np.bincount(place, values[known], minlength=size[0] * size[1])
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).reshape(size)

    def judged(self, baseline: str, arm: str, settings: VerdictSettings) -> Comparison:
        """The verdict of one arm."""
        a, b = self.arms.index(baseline), self.arms.index(arm)
        lost = self.ran & ~np.isfinite(self.scores)
        contrast = Contrast(
            self.scores[a],
            self.scores[b],
            self.names,
            None if self.costs is None else self.costs[a],
            self.axes,
            lost[a],
            lost[b],
        )
        found = judge(contrast, settings, self._words(baseline, arm))
        return replace(found, remarks=[*found.remarks, *self._notes(contrast, settings)])

    def _words(self, baseline: str, arm: str) -> Words:
        metric = METRICS.get(self.asked.cost or "")
        if metric is None or metric.scale == "linear":
            return Words(baseline, arm, self.asked.cost or "")
        return Words(baseline, arm, metric.unit, metric.number)

    def _notes(self, contrast: Contrast, settings: VerdictSettings) -> list[str]:
        """What was taken for granted about the rows."""
        notes = []
        if self.asked.seed is not None and not settings.shared_seeds and len(contrast.paired()) > 1:
            notes.append(
                "Equal seeds of different cells are taken for different draws; set shared_seeds where they are not."
            )
        if self.asked.seed is None:
            notes.append("Without seeds, runs of a cell are paired in the order of the rows.")
        alone = [name for place, name in enumerate(self.names) if place not in set(contrast.paired().tolist())]
        if alone:
            notes.append(f"Cells without a pair of finished runs: {first_few(alone, MOST_NAMED)}.")
        return notes


def _codes(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Number of each row's cell, and the cells as a table in the order of their first row."""
    if not columns:
        return np.zeros(len(frame), dtype=int), pd.DataFrame()
    chosen = frame[list(columns)]
    codes = chosen.groupby(list(columns), dropna=False, sort=False).ngroup().to_numpy()
    return codes, chosen.iloc[np.unique(codes, return_index=True)[1]].reset_index(drop=True)


def _label(columns: Sequence[str], values: Sequence[Any]) -> str:
    """`depth=2 width=32`."""
    return " ".join(
        f"{column}={f'{value:g}' if isinstance(value, float) else value}"
        for column, value in zip(columns, values, strict=True)
    )
