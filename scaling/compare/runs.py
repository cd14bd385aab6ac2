"""Runs: a table as scores by arm, cell and repetition, and the verdict on two of its arms."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from scaling.compare.options import CompareError, CompareOptions, name_of
from scaling.compare.settings import column_of
from scaling.statistics.comparison import Comparison, VerdictSettings
from scaling.statistics.contrast import Contrast
from scaling.statistics.judge import judge
from scaling.statistics.score_table import mean_costs, repetition_places
from scaling.statistics.words import Words
from scaling.study.metrics import METRICS
from scaling.wording import first_few, plural

MOST_NAMED = 6


def numbers_of(values: pd.Series) -> np.ndarray:
    """A column as floats, NaN where it holds no number."""
    return pd.Series(pd.to_numeric(values, errors="coerce")).astype("Float64").to_numpy(dtype=float, na_value=np.nan)


def scores_of(frame: pd.DataFrame, column: Hashable) -> np.ndarray:
    """The scores in percent, NaN for a lost run.

    Raises:
        CompareError: a score is a word, or all are shares of 1.
    """
    scores, given = numbers_of(column_of(frame, column)), column_of(frame, column)
    words = [str(word) for word in given[np.isnan(scores) & given.notna().to_numpy()]]
    if wrong := [word for word in words if word.strip().lower() not in ("", "nan", "none", "null")]:
        raise CompareError(f"column '{column}': '{wrong[0]}' is no number; leave it empty for a lost run")
    known = scores[np.isfinite(scores)]
    if len(known) and 0 < known.max() <= 1 and known.min() >= 0:
        raise CompareError(f"column '{column}' seems to hold shares from 0 to 1; give scores in percent")
    return np.where(np.isfinite(scores), scores, np.nan)


class Runs:
    """Scores by arm, cell and repetition."""

    def __init__(self, frame: pd.DataFrame, scores: np.ndarray, asked: CompareOptions, arms: Sequence[str]) -> None:
        self.asked, self.arms = asked, list(arms)
        cell, cells = _codes(frame, asked.cell)
        self.names = [_label(asked.cell, row) for row in cells.itertuples(index=False)] if asked.cell else ["all runs"]
        arm = pd.Index(self.arms).get_indexer(pd.Index(frame[asked.arm]))
        repetition = self._repetitions(frame, cell, arm)
        shape = (len(self.arms), len(self.names), int(repetition.max()) + 1)
        place = np.ravel_multi_index((arm, cell, repetition), shape)
        self.scores, self.ran = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        first = np.unique(place, return_index=True)[1]
        self.scores.flat[place[first]] = scores[first]
        self.ran.flat[place] = True
        self.notes = self._settle_doubles(place, scores, first)
        self.costs = self._costs(frame, cell, arm)
        self.axes = {
            str(column): values for column in asked.cell if (values := _axis(column_of(cells, column))) is not None
        }

    def _repetitions(self, frame: pd.DataFrame, cell: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Place of each run among those of its cell: by its seed, or without seeds in the order of the rows."""
        if self.asked.seed is None:
            return pd.Series(0, index=range(len(frame))).groupby([cell, arm]).cumcount().to_numpy()
        seeds = pd.factorize(column_of(frame, self.asked.seed).astype(object).map(name_of), use_na_sentinel=False)[0]
        return repetition_places(cell, pd.Series(seeds), bool(self.asked.shared_seeds))

    def _settle_doubles(self, place: np.ndarray, scores: np.ndarray, first: np.ndarray) -> list[str]:
        """Count rows of one cell, arm and seed once where their scores agree, and not at all where they differ."""
        again = np.setdiff1d(np.arange(len(place)), first)
        if not len(again):
            return []
        kept = self.scores.flat[place[again]]
        differ = np.unique(place[again][~((kept == scores[again]) | (np.isnan(kept) & np.isnan(scores[again])))])
        self.scores.flat[differ] = np.nan
        self.ran.flat[differ] = False
        said = []
        if alike := len(np.unique(place[again])) - len(differ):
            said.append(f"{plural(alike, 'run')} given more than once with the same score, counted once.")
        if len(differ):
            arm, cell, _ = np.unravel_index(differ[0], self.scores.shape)
            said.append(
                f"{plural(len(differ), 'run')} given more than once with different scores, left out, as it is not known"
                f" which one counts; the first is of {self.arms[int(arm)]} at {self.names[int(cell)]}. Give each run a"
                f" {self.asked.seed} of its own."
            )
        return said

    def _costs(self, frame: pd.DataFrame, cell: np.ndarray, arm: np.ndarray) -> np.ndarray | None:
        """Mean cost of each arm in each cell, (arms, cells); None where no column has it."""
        if self.asked.cost is None:
            return None
        values = numbers_of(column_of(frame, self.asked.cost))
        return mean_costs(values, arm, cell, (len(self.arms), len(self.names)))

    def judged(self, baseline: str, arm: str, settings: VerdictSettings) -> Comparison:
        """The verdict of one arm."""
        a, b = self.arms.index(baseline), self.arms.index(arm)
        contrast = Contrast(
            self.scores[a],
            self.scores[b],
            self.names,
            None if self.costs is None else self.costs[a],
            self.axes,
            self.lost[a],
            self.lost[b],
        )
        found = judge(contrast, settings, self._words(baseline, arm))
        return replace(found, remarks=[*found.remarks, *self.notes, *self._notes(contrast, settings)])

    @cached_property
    def lost(self) -> np.ndarray:
        """Runs without a score, (arms, cells, repetitions) of booleans."""
        return self.ran & np.isnan(self.scores)

    def _words(self, baseline: str, arm: str) -> Words:
        cost = "" if self.asked.cost is None else str(self.asked.cost)
        metric = METRICS.get(cost)
        if metric is None or metric.scale == "linear":
            return Words(baseline, arm, cost)
        return Words(baseline, arm, metric.unit, metric.number)

    def _notes(self, contrast: Contrast, settings: VerdictSettings) -> list[str]:
        """What was taken for granted about the rows, and what they do not tell."""
        notes, paired = [], contrast.paired()
        if self.asked.seed is not None and not settings.shared_seeds and len(paired) > 1:
            notes.append(
                "Equal seeds of different cells are taken for different draws; set shared_seeds where they are not."
            )
        if self.asked.seed is None:
            notes.append("Without seeds, runs of a cell are paired in the order of the rows.")
        alone = np.setdiff1d(np.arange(len(self.names)), paired)
        if len(alone) and len(paired):
            notes.append(
                f"Cells without a pair of finished runs: {first_few([self.names[i] for i in alone], MOST_NAMED)}."
            )
        unpaired = int((np.isfinite(contrast.baseline) != np.isfinite(contrast.arm)).sum())
        lost = sum(int(one.sum()) for one in contrast.lost())
        if len(paired) and unpaired > lost:
            notes.append(
                f"{plural(unpaired - lost, 'finished run')} without a partner of the same cell and seed not used."
            )
        if contrast.cost is not None and len(paired):
            notes += _costs_text(str(self.asked.cost), np.asarray(contrast.cost)[paired])
        finite = self.scores[np.isfinite(self.scores)]
        if len(finite) and (finite.min() < 0 or finite.max() > 100):
            notes.append(
                f"Scores from {finite.min():.4g} to {finite.max():.4g} are no percentages; the margin takes 100 minus"
                " the score for the errors."
            )
        return notes


def _costs_text(column: str, costs: np.ndarray) -> list[str]:
    """Why cells cannot be ordered by their costs, if they cannot."""
    missing, wrong = int((~np.isfinite(costs)).sum()), int((costs <= 0).sum())
    if missing:
        return [f"Column '{column}' has no number for {plural(missing, 'cell')} of the baseline."]
    if wrong:
        return [f"Column '{column}' is not above 0 for {plural(wrong, 'cell')} of the baseline."]
    if len(costs) > 1 and len(np.unique(costs)) == 1:
        return [f"All cells have the same '{column}', so that nothing is said by size."]
    return []


def _codes(frame: pd.DataFrame, columns: Sequence[Hashable]) -> tuple[np.ndarray, pd.DataFrame]:
    """Number of each row's cell, and the cells as a table in the order of their first row."""
    if not columns:
        return np.zeros(len(frame), dtype=int), pd.DataFrame()
    chosen = frame[list(columns)]
    codes = chosen.groupby(list(columns), dropna=False, sort=False, observed=True).ngroup().to_numpy()
    return codes, chosen.iloc[np.unique(codes, return_index=True)[1]].reset_index(drop=True)


def _axis(values: pd.Series) -> np.ndarray | None:
    """Values of a numeric axis by cell; None where they are names."""
    values = values.infer_objects()
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return numbers_of(values) if is_number else None


def _label(columns: Sequence[Hashable], values: Sequence[Any]) -> str:
    """`depth=2 width=32`."""
    return " ".join(f"{column}={_shown(value)}" for column, value in zip(columns, values, strict=True))


def _shown(value: Any) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
