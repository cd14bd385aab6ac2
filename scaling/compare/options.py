"""Options: which columns of a table mean what, and whether the table has them."""

import math
import numbers
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.compare.settings import differing_settings, sentence
from scaling.statistics import MARGIN
from scaling.study.errors import ScalingError, unknown

SEED, COST = "seed", "macs"  # used where the table has them, even if not asked for


class CompareError(ScalingError):
    """A table that cannot be compared as it was asked for."""


@dataclass(frozen=True)
class CompareOptions:
    """Which columns mean what, and how to judge; see `compare`."""

    arm: Hashable = "arm"
    baseline: object = None
    cell: tuple[Hashable, ...] = ()
    seed: Hashable | None = SEED
    score: Hashable = "score"
    cost: Hashable | None = COST
    arms: tuple[Hashable, ...] = ()
    repeats: tuple[Hashable, ...] = ()
    margin: float = MARGIN
    level: float = 0.95
    images: int | None = None
    shared_seeds: bool = False

    @property
    def own(self) -> list[Hashable]:
        """Columns that name the cell and the arm of a run."""
        return [self.arm, *self.cell]


def several(names: Iterable[Hashable] | str | None) -> tuple[Hashable, ...]:
    """Names of columns, given as one text or several, each once."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(dict.fromkeys(names))


def name_of(value: Any) -> str:
    """Name of an arm or a level, however the table holds it: 0, 0.0 and "0" are "0", and True is "True"."""
    if isinstance(value, float | np.floating) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def settled(frame: pd.DataFrame, asked: CompareOptions) -> CompareOptions:
    """The options without the usual columns that this table does not have.

    Raises:
        CompareError: a column is missing, there twice or has two meanings, or a number is out of its range.
    """
    if not isinstance(frame, pd.DataFrame):
        raise CompareError(f"a {type(frame).__name__} was given; give a pandas DataFrame with a row a run")
    if asked.seed == SEED and SEED not in frame.columns:
        asked = replace(asked, seed=None)
    if asked.cost == COST and COST not in frame.columns:
        asked = replace(asked, cost=None)
    scored = asked.arms or (asked.arm, asked.score)
    wanted = [*scored, *asked.cell, *(name for name in (asked.seed, asked.cost) if name is not None)]
    problems = [
        unknown("column", name, frame.columns) for name in [*wanted, *asked.repeats] if name not in frame.columns
    ]
    problems += [f"the table has two columns named '{name}'; rename one" for name in _twice(frame.columns, wanted)]
    problems += [f"column '{name}' is given two meanings; give another for one" for name in _twice(wanted, wanted)]
    problems += _wrong_numbers(asked)
    if problems:
        raise CompareError(problems)
    return asked


def _twice(names: Iterable[Hashable], wanted: Iterable[Hashable]) -> list[Hashable]:
    counts = Counter(names)
    return [name for name in dict.fromkeys(wanted) if counts[name] > 1]


def _wrong_numbers(asked: CompareOptions) -> list[str]:
    wrong = []
    if not _is_number(asked.level) or not 0 < asked.level < 1:
        wrong.append(f"level {asked.level}: write a share between 0 and 1, such as 0.95")
    if not _is_number(asked.margin) or not 0 <= asked.margin < math.inf:
        wrong.append(f"margin {asked.margin}: write points of the score, such as 0.2")
    if asked.images is not None and (not _is_number(asked.images) or not 1 <= asked.images < math.inf):
        wrong.append(f"images {asked.images}: write how many test images there are, such as 10000")
    return wrong


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def refuse_settings(frame: pd.DataFrame, asked: CompareOptions) -> None:
    """Name the settings in which rows of the same cell and arm differ, unless repetitions may.

    Raises:
        CompareError: there are such columns.
    """
    taken = {*asked.own, asked.score, asked.seed, asked.cost, *asked.repeats}
    others = [column for column in dict.fromkeys(frame.columns) if column not in taken]
    if differing := differing_settings(frame, asked.cell, asked.arm, others):
        raise CompareError(sentence(differing))
