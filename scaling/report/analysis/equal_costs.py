"""Equal costs: the difference between two arms when both cost the same, for every known cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.report.analysis.trial_scores import places
from scaling.report.analysis.verdicts import words_of
from scaling.statistics.comparison import VerdictSettings
from scaling.statistics.equal_cost_parts import EqualCostParts, Polyline, compare_at_equal_cost, polyline
from scaling.statistics.kinds import Kind
from scaling.statistics.missing import Missing
from scaling.statistics.other_sentences import equal_cost_sentence
from scaling.study.metrics import METRICS, analysed_costs

INCOMPLETE = Missing("incomplete", "trials of the plan are missing")


@dataclass(frozen=True)
class EqualCostAnswer:
    """One arm compared with the baseline at equal cost."""

    cost: str  # name of the metric
    baseline: str
    arm: str
    result: EqualCostParts | Missing
    sentence: str  # with a full stop
    others: dict[str, float]  # other cost → percent more of it that the arm has at equal cost

    @property
    def kind(self) -> Kind:
        return Kind.UNKNOWN if isinstance(self.result, Missing) else self.result.kind


def at_equal_costs(
    cells: pd.DataFrame, arms: list[str], factor: str, settings: VerdictSettings, is_verdict: bool
) -> list[EqualCostAnswer]:
    """Compare every arm with the baseline over every cost in the records.

    Each cost is a separate question; the level is divided among arms (Bonferroni), not costs.

    Args:
        cells: a row per cell and arm, from `analysis.summarise`.
        is_verdict: false while trials of the plan are missing, so that nothing is judged.
    """
    names = [str(name) for name in dict.fromkeys(cells["cell"])]
    known = [name for name in analysed_costs() if np.isfinite(cells[name].to_numpy(dtype=float)).any()]
    wide = {name: _wide(cells, name, names, arms) for name in [*known, "test_accuracy"]}
    lines = {
        cost: [polyline(wide[cost][:, place], wide["test_accuracy"][:, place], names) for place in range(len(arms))]
        for cost in known
    }
    answers = []
    for place, arm in enumerate(arms[1:], start=1):
        for cost in known:
            pair = lines[cost][0], lines[cost][place]
            result = compare_at_equal_cost(*pair, settings.margin, settings.level) if is_verdict else INCOMPLETE
            metric = METRICS[cost]
            words = words_of(factor, arms[0], arm).along(metric.unit, metric.number, metric.title)
            others = {}
            if isinstance(result, EqualCostParts):
                columns = {name: wide[name][:, [0, place]] for name in known if name != cost}
                others = _other_costs(pair, result.cost, columns)
            answers.append(EqualCostAnswer(cost, arms[0], arm, result, equal_cost_sentence(result, words), others))
    return answers


def _wide(cells: pd.DataFrame, name: str, names: list[str], arms: list[str]) -> np.ndarray:
    """A column of the cells by cell and arm, NaN where missing: (cells, arms)."""
    values = np.full((len(names), len(arms)), np.nan)
    values[places(names, cells["cell"]), places(arms, cells["arm"])] = cells[name].to_numpy(dtype=float)
    return values


def _other_costs(
    pair: tuple[Polyline, Polyline], at: np.ndarray, columns: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Percent more of every other cost that the arm has at equal cost, by polylines through its logarithm.

    Args:
        at: (points,) costs at which the curves are held against each other.
        columns: other cost → (cells, 2) of baseline and arm.
    """
    found = {}
    hats = [line.hats(np.log(at)) for line in pair]
    for name, values in columns.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.log(np.where(values > 0, values, math.nan))
        curves = [hat @ line.averaged(logs[:, side]) for side, (line, hat) in enumerate(zip(pair, hats, strict=True))]
        more = float((curves[1] - curves[0]).mean())
        if math.isfinite(more):
            found[name] = 100 * math.expm1(more)
    return found

