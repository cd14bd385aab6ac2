"""The table of metrics: what a metric is, how one is added, and the lists of costs that follow from it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal

import numpy as np
import pandas as pd

from scaling.study.errors import PluginError, ScalingError, unknown
from scaling.study.records import CountedCost
from scaling.study.registry import Registry, is_built_in
from scaling.study.trial_frame import NUMBERS

Columns = Mapping[str, np.ndarray]  # numeric columns by name, each (trials,)
Values = Callable[[Columns], np.ndarray]
COUNTED = tuple(CountedCost.__annotations__)  # fields of a record's cost that the counters give
TRAINING_MEMORY = "training_memory_bytes"
PREDICTED = (*COUNTED, TRAINING_MEMORY, "inference_memory_bytes")  # fields that are known before training
READABLE = (*NUMBERS, "repetition", "seed", "epochs")  # numeric columns of the table of trials, whatever its axes
UNPREFIXED = {"s", "ms"}  # kiloseconds are not in use
PREFIXED = {"B"}  # the prefix belongs to the unit: MB
PREFIXES = (
    (1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"),
)  # fmt: skip
WELL_KNOWN = 1e15  # prefixes above are less known, and are used from ten of them on: 1000 P, but 10 E


class Role(StrEnum):
    """What a metric measures. All but scores are costs."""

    SCORE = "score"  # how well the model does
    COST = "cost"  # size or compute
    MEMORY = "memory"  # bytes
    TIME = "time"  # seconds, or what is done in one


class Use(IntEnum):
    """Where a metric is shown; each level includes those before it."""

    AXIS = 1  # an axis on the page, and the details of a trial
    PAGE_TABLE = 2  # a column in the page's interactive table of trials
    ANALYSIS = 3  # a cost in fronts, differences at equal cost, scaling fits and the design space
    COLUMN = 4  # a column in the tables of cells and trials, and a figure of accuracy against it


@dataclass(frozen=True)
class Metric:
    """A number of a trial and how it is shown."""

    name: str
    title: str  # in a sentence
    label: str  # for an axis, with its unit
    unit: str  # as written behind a number
    direction: Literal["lower", "higher"]  # which end is better
    scale: Literal["linear", "log"]
    role: Role
    fields: tuple[str, ...]  # columns of the table of trials that it reads
    use: Use
    order: int  # among costs: lower first; the first built-in one is the main cost
    values: Values

    def __call__(self, table: pd.DataFrame) -> np.ndarray:
        """One number per row of `table`, NaN where a column that the metric reads is absent: (rows,)."""
        if not set(self.fields) <= set(table.columns):
            return np.full(len(table), math.nan)
        return self._checked({name: table[name].to_numpy(dtype=float) for name in self.fields}, len(table))

    def of(self, numbers: Mapping[str, float]) -> float:
        """The metric of one model, from the fields that it reads, such as those of a `CountedCost`."""
        return float(self._checked({name: np.array([numbers[name]], dtype=float) for name in self.fields}, 1)[0])

    def of_whole(self, numbers: Mapping[str, float]) -> float:
        """As `of`, but a whole number is an int, so that messages show it without decimals."""
        value = self.of(numbers)
        return int(value) if value.is_integer() else value

    def _checked(self, columns: Columns, rows: int) -> np.ndarray:
        with np.errstate(all="ignore"):  # what has no value is NaN
            returned = self.values(columns)
        try:
            values = np.asarray(returned, dtype=float)
        except (TypeError, ValueError):
            raise METRICS.refusal(self.name, returned, "one number per trial") from None
        if values.shape != (rows,):
            raise PluginError(f"metric '{self.name}' returns shape {values.shape} for {rows} trials; return one each")
        return values

    def number(self, value: float) -> str:
        """`value` without its unit, under a heading that has it: `5.12 M`, `81.30`, `1,234`."""
        if self.scale == "linear":
            return f"{value:.2f}"
        return f"{value:,.0f}" if self.unit in UNPREFIXED and value >= 100 else si(value)

    def text(self, value: float) -> str:
        """`value` for a reader, with its unit: `5.12 M MACs`, `81.30 %`, `2.4 MB`."""
        if not math.isfinite(value):
            return "unknown"
        number = self.number(value)
        is_prefixed = self.unit in PREFIXED and number[-1:].isalpha()
        return f"{number}{self.unit}" if is_prefixed else f"{number} {self.unit}"


METRICS: Registry[Metric] = Registry("metric", "scaling.study.metrics")


def metric(  # nine settings, all but the title by keyword
    title: str,
    *,
    label: str,
    unit: str,
    direction: Literal["lower", "higher"],
    role: Role | Literal["score", "cost", "memory", "time"],
    fields: str | tuple[str, ...] = (),
    scale: Literal["linear", "log"] | None = None,
    use: Use = Use.COLUMN,
    order: int = 100,
) -> Callable[[Values], Values]:
    """Register a function as a metric under its own name.

    The function receives the columns named in `fields` as arrays (trials,) of floats and returns one number per trial.
    A column is NaN where a trial did not reach the value, as every score of a crashed trial is, and the metric must be
    NaN there too, which arithmetic on the columns gives by itself. Its docstring describes the number in one sentence.

    Args:
        title: its name within a sentence, such as `training time`.
        label: its name on an axis, capitalised, with the unit in brackets unless the title contains it.
        unit: written after a number, such as `MACs`.
        direction: which end is better.
        role: `score`, or one of the costs: `cost`, `memory`, `time`. Costs can be the horizontal axis of every figure
            on the page, scores the vertical one.
        fields: columns of `load_study` that it reads: costs, scores, seconds, `repetition`, `seed` or `epochs`; by
            default the one of its own name. A cost that reads nothing but `PREDICTED` fields is known before training.
        scale: of an axis; by default linear for scores and logarithmic for costs.
        use: how widely it is shown; by default also as a column of the tables of cells and trials.
        order: among costs, the lowest first; the main cost is always a built-in one.

    Raises:
        PluginError: the table of trials has no such field; names each.
    """
    role = Role(role)

    def register(values: Values) -> Values:
        name = values.__name__
        read = (fields,) if isinstance(fields, str) else tuple(fields) or (name,)
        if wrong := [unknown("field", field, READABLE) for field in read if field not in READABLE]:
            raise PluginError([f"metric '{name}' in {values.__module__}: {problem}" for problem in wrong])
        METRICS.add(
            name,
            Metric(
                name=name,
                title=title,
                label=label,
                unit=unit,
                direction=direction,
                scale=scale or ("linear" if role is Role.SCORE else "log"),
                role=role,
                fields=read,
                use=use,
                order=order,
                values=values,
            ),
            module=values.__module__,
        )
        return values

    return register


def get_metric(name: str) -> Metric:
    """Look a metric up by name; raise `ScalingError` where there is none."""
    if name not in METRICS:
        raise ScalingError(unknown("metric", name, METRICS))
    return METRICS[name]


def costs(*roles: Role, use: Use = Use.AXIS) -> list[str]:
    """Names of the costs of these roles, or of all, that are used at least so widely; the main cost first."""
    wanted = roles or tuple(role for role in Role if role is not Role.SCORE)
    found = [one for one in METRICS.values() if one.role in wanted and one.use >= use]
    return [one.name for one in sorted(found, key=lambda one: one.order)]


def main_cost() -> str:
    """The cost that verdicts, trends and figures use where one must be chosen; no plugin replaces it."""
    return next(name for name in costs() if is_built_in(METRICS.module(name)))


def analysed_costs() -> list[str]:
    """Costs of fronts, differences at equal cost, scaling fits and the design space."""
    return costs(use=Use.ANALYSIS)


def column_costs() -> list[str]:
    """Costs that are columns of the tables of cells and trials."""
    return costs(use=Use.COLUMN)


def column_scores() -> list[str]:
    """Scores that are columns of those tables beside test and validation accuracy."""
    accuracies = ("test_accuracy", "val_accuracy")
    scores = [one for one in METRICS.values() if one.role is Role.SCORE and one.use is Use.COLUMN]
    return [one.name for one in scores if one.name not in accuracies]


def counted_costs() -> list[str]:
    """Costs that follow from the counts of a model alone (`COUNTED`), in the order of their definition."""
    return _reading(COUNTED)


def predicted_costs() -> list[str]:
    """Costs that are known before training (`PREDICTED`), in the order of their definition."""
    return _reading(PREDICTED)


def limited_costs() -> list[str]:
    """Costs that follow from the counts of a model and from its predicted training memory, in the same order."""
    return _reading((*COUNTED, TRAINING_MEMORY))


def _reading(fields: tuple[str, ...]) -> list[str]:
    return [one.name for one in METRICS.values() if one.role is not Role.SCORE and set(one.fields) <= set(fields)]


def si(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits and an SI prefix: 5120000 is `5.12 M`; never `1e+03`."""
    rounded = float(f"{value:.{digits}g}")
    for factor, prefix in PREFIXES:
        if abs(rounded) >= (10 * factor if factor > WELL_KNOWN else factor):
            return f"{_plain(rounded / factor, digits)} {prefix}"
    return _plain(rounded, digits)


def _plain(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
