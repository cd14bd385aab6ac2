"""Frame: the verdict of a table with one row a run, whatever program made it."""

from collections.abc import Hashable, Iterable
from dataclasses import replace

import pandas as pd

from scaling.compare.options import COST, SEED, CompareError, CompareOptions, name_of, refuse_settings, settled, several
from scaling.compare.runs import Runs, scores_of
from scaling.compare.settings import column_of, hashable
from scaling.statistics import MARGIN
from scaling.statistics.comparison import Comparison, VerdictSettings
from scaling.study.errors import unknown
from scaling.wording import plural


class Comparisons(dict[str, Comparison]):
    """Arm → `Comparison`, in the order of the table; where it is empty, `sentence` says why."""

    sentence: str = ""


# one parameter for each thing that a table may name otherwise
def compare(
    frame: pd.DataFrame,
    *,
    arm: Hashable = "arm",
    baseline: object = None,
    cell: Iterable[Hashable] | str | None = (),
    seed: Hashable | None = SEED,
    score: Hashable = "score",
    cost: Hashable | None = COST,
    margin: float = MARGIN,
    level: float = 0.95,
    images: int | None = None,
    shared_seeds: bool = False,
    arms: Iterable[Hashable] | str | None = (),
    repeats: Iterable[Hashable] | str | None = (),
) -> Comparisons:
    """Compare every arm of a table with its baseline.

    Args:
        frame: a row a run.
        arm: column that holds the arms.
        baseline: the arm to compare with; by default the first in the table.
        cell: columns that name a cell, one or several; those that are numbers count as axes of a grid, others as names.
        seed: column of the repetition: runs of a cell with equal seeds are pairs. None, or a table without a column
            `seed`, pairs them in the order of the rows.
        score: column in percent, more is better; a run without a finite score is lost.
        cost: column by which cells are ordered. None, or a table without a column `macs`: they are not.
        margin: difference in points that counts as none.
        level: of all arms together.
        images: how many test images there are, if known.
        shared_seeds: whether equal seeds are the same draw in all cells.
        arms: columns that hold the scores of one arm each, in place of `arm` and `score`: a wide table.
        repeats: other columns whose values may differ among repetitions of a cell.

    Returns:
        arm → `Comparison`; empty, with a `sentence`, where the table has fewer than two arms.

    Raises:
        CompareError: a mistake in what was asked: one line each, with what is known and what to do.
    """
    asked = CompareOptions(
        arm=arm,
        baseline=baseline,
        cell=several(cell),
        seed=seed,
        score=score,
        cost=cost,
        arms=several(arms),
        repeats=several(repeats),
        margin=margin,
        level=level,
        images=images,
        shared_seeds=shared_seeds,
    )
    asked = settled(frame, asked)
    frame = frame.reset_index(drop=True)
    if asked.arms:
        frame, asked = _long(frame, asked)
    return _compared(frame, asked)


def _long(frame: pd.DataFrame, asked: CompareOptions) -> tuple[pd.DataFrame, CompareOptions]:
    """A wide table as one with a row a run, the runs of the baseline first."""
    kept = frame.drop(columns=list(asked.arms))
    arm, score = (_free(frame, name) for name in ("arm", "score"))
    parts = [kept.assign(**{arm: name_of(name), score: column_of(frame, name).astype(object)}) for name in asked.arms]
    return pd.concat(parts, ignore_index=True), replace(asked, arm=arm, score=score)


def _free(frame: pd.DataFrame, name: str) -> str:
    while name in frame.columns:
        name = f"_{name}"
    return name


def _compared(frame: pd.DataFrame, asked: CompareOptions) -> Comparisons:
    found, notes = Comparisons(), []
    named = column_of(frame, asked.arm).notna()
    if not named.all():
        notes.append(f"{plural(int((~named).sum()), 'row')} without an arm left out.")
        frame = frame.loc[named.to_numpy()].reset_index(drop=True)
    arms = column_of(frame, asked.arm).astype(object).map(name_of)
    frame = frame.copy(deep=False)
    frame[asked.arm] = arms
    for column in (*asked.cell, *([] if asked.seed is None else [asked.seed])):
        frame[column] = hashable(column_of(frame, column))
    names = [str(name) for name in arms.unique()]
    baseline = None if asked.baseline is None else name_of(asked.baseline)
    if baseline is not None and names and baseline not in names:
        raise CompareError(unknown("arm", baseline, names))
    scores = scores_of(frame, asked.score)
    refuse_settings(frame, asked)
    if len(names) < 2:
        few = f"one arm, {names[0]}, and a comparison needs two" if names else "no rows"
        found.sentence = f"No verdict: the table has {few}."
        return found
    baseline = baseline or names[0]
    others = [name for name in names if name != baseline]
    runs = Runs(frame, scores, asked, names)
    settings = VerdictSettings(
        margin=float(asked.margin),
        alpha=1 - float(asked.level),
        contrasts=len(others),
        images=None if asked.images is None else int(asked.images),
        shared_seeds=bool(asked.shared_seeds),
    )
    for name in others:
        judged = runs.judged(baseline, name, settings)
        found[name] = replace(judged, remarks=[*judged.remarks, *notes])
    return found
