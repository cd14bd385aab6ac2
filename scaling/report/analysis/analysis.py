"""Analysis: everything computed from a study's records, once; figures, tables and the page only show it.

Fronts and the best cell of an arm are chosen on validation accuracy and reported with test accuracy.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import pandas as pd

from scaling.report.analysis.context import Context
from scaling.report.analysis.design_space import DesignSpace, describe_space
from scaling.report.analysis.equal_costs import EqualCostAnswer, at_equal_costs
from scaling.report.analysis.front_uncertainty import front_odds
from scaling.report.analysis.scaling_fits import ScalingFits, fit_study
from scaling.report.analysis.trial_scores import collect
from scaling.report.analysis.trial_table import (
    TrialCounts,
    asked_cells,
    count,
    find_fronts,
    is_left_out,
    is_usable,
    mark,
    scores_of,
    summarise,
    trials_overlap,
)
from scaling.report.analysis.verdicts import ArmVerdict, Look, give_verdicts, look_rule, settings_of, words_of
from scaling.statistics import MARGIN
from scaling.statistics.comparison import VerdictSettings
from scaling.statistics.front_noise import FrontOdds
from scaling.statistics.missing import Missing
from scaling.statistics.score_table import ScoreTable
from scaling.statistics.shares import Shares, share_the_gain
from scaling.study.metrics import METRICS, analysed_costs, column_costs, main_cost
from scaling.study.records import Record, Study
from scaling.study.trial_frame import frame
from scaling.wording import plural


@dataclass(frozen=True)
class Overhead:
    """Extra cost of an arm over the baseline in the same cells, in percent."""

    cost: str  # name of the metric
    mean: float  # geometric mean over paired cells
    low: float  # smallest of any cell
    high: float  # largest of any cell


@dataclass(frozen=True)
class Analysis:
    """A study, its trials, and the results of their analysis."""

    study: Study
    records: Sequence[Record]
    table: pd.DataFrame  # a row per trial, from `load_study`, with why one enters no comparison; see `mark`
    arms: list[str]  # the baseline first
    cells: pd.DataFrame  # a row per cell and arm with finished trials; see `summarise`
    fronts: dict[str, pd.DataFrame]  # metric → columns own, joint (booleans), rows as in `cells`
    front_odds: dict[str, FrontOdds | Missing]  # metric → uncertainty of its fronts, rows as in `cells`
    settings: VerdictSettings  # what the study asks of its verdicts
    look: Look
    verdicts: list[ArmVerdict]  # one per arm other than the baseline
    equal_cost: list[EqualCostAnswer]  # one per arm other than the baseline and known cost
    shares: Shares | None  # attention or capacity, where the controls are arms and the plan is complete
    progress: TrialCounts
    asked_cells: int
    test_examples: int | None
    trials_overlap: bool  # on one host, so that their seconds do not measure speed
    context: Context = field(default_factory=Context)  # what the report adds to the study

    @property
    def headline(self) -> str:
        """The verdict: its sentences, one comparison a line."""
        if not self.verdicts:
            return front_sentence(self) or "no verdict: the study names one arm, and a comparison needs two."
        return "\n".join(verdict.sentence for verdict in self.verdicts)

    @cached_property
    def scaling_fits(self) -> ScalingFits:
        """The law of test error along every cost, by arm; computed on first use."""
        return fit_study(self.cells, self.arms, self.study.factor)

    @cached_property
    def design_space(self) -> DesignSpace:
        """Distribution of errors over cells, and agreement of costs; computed on first use."""
        return describe_space(self.cells, self.arms)

    @property
    def finished(self) -> pd.DataFrame:
        """Rows of `table` whose trials finished with a score and are compared."""
        return self.table.take(np.flatnonzero(is_usable(self.table)))


def analyse(
    study: Study,
    records: Sequence[Record],
    margin: float = MARGIN,
    context: Context | None = None,
    look: Look | None = None,
) -> Analysis:
    """Analyse the records of a study, whether or not it is complete.

    Args:
        margin: percentage points within which a difference counts as none.
        context: what the report adds to the study.
        look: which look at the study this is; by default the first, which is a verdict where the plan is complete.
    """
    table = mark(frame(records, study.axes), study, records)
    arms = list(dict.fromkeys([*study.arms, *(record.arm for record in records)]))
    cells = summarise(table, arms)
    progress = count(study, records)
    look = look or first_look(study, progress)
    usable = is_usable(table)
    test_examples = fewest_examples(itertools.compress(records, ~is_left_out(table)))
    trials = collect(table, usable, records, arms)
    settings = settings_of(study, arms, margin, look, test_examples)
    scores = scores_of(table, arms, study)
    asked = asked_cells(study, table, arms)
    planned = asked * max(1, study.repetitions - study.choose_by)
    ran = "that were run to the end" if progress.stopped else "that were run"
    return Analysis(
        study=study,
        records=records,
        table=table,
        arms=arms,
        cells=cells,
        fronts={cost: find_fronts(cells, cost) for cost in analysed_costs()},
        front_odds=front_odds(cells, trials, analysed_costs(), trials.cell_bits()),
        settings=settings,
        look=look,
        verdicts=give_verdicts(scores, trials, settings, look, partial(words_of, study.factor, ran=ran), planned),
        equal_cost=at_equal_costs(cells, arms, study.factor, settings, look.is_verdict),
        shares=find_shares(study, scores, settings) if look.is_verdict else None,
        progress=progress,
        asked_cells=asked,
        test_examples=test_examples,
        trials_overlap=trials_overlap(records),
        context=context or Context(),
    )


def fewest_examples(records: Iterable[Record]) -> int | None:
    """Images of the test set, the fewest of any trial; None where unknown."""
    return min((r.scores.test_examples for r in records if r.scores and r.scores.test_examples), default=None)


def first_look(study: Study, progress: TrialCounts) -> Look:
    """The look at a study whose looks are not on record."""
    if study.imported is not None:
        return Look(None)
    return Look(1, look_rule(study), is_verdict=progress.is_complete)


def find_shares(study: Study, scores: ScoreTable, settings: VerdictSettings) -> Shares | None:
    """The shares of attention and capacity in the gain; None where the arms do not allow it."""
    if not study.factor.endswith("pooling") or len(scores.arms) < 2:
        return None
    by_arm = dict(zip(scores.arms, scores.scores, strict=True))
    return share_the_gain(by_arm, settings, scores.contrast(scores.arms[0], scores.arms[1]))


def costs_of(cells: pd.DataFrame, arm: str, cost: str, wanted: Iterable[str]) -> np.ndarray:
    """Costs of an arm in the `wanted` cells, NaN where unknown: (wanted,)."""
    of_arm = cells[cells["arm"] == arm]
    known = dict(zip(of_arm["cell"], of_arm[cost], strict=True))
    return np.array([known.get(cell, math.nan) for cell in wanted], dtype=float)


def overheads(analysis: Analysis, verdict: ArmVerdict) -> list[Overhead]:
    """Extra cost of the arm over the baseline in the paired cells; unknown costs are left out."""
    found = []
    for cost in column_costs():
        baseline, arm = (
            costs_of(analysis.cells, name, cost, verdict.cells.index) for name in (verdict.baseline, verdict.arm)
        )
        known = np.isfinite(baseline) & np.isfinite(arm) & (baseline > 0) & (arm > 0)
        if known.any():
            ratios = arm[known] / baseline[known]
            mean = math.exp(float(np.log(ratios).mean()))
            found.append(Overhead(cost, *(100 * (ratio - 1) for ratio in (mean, ratios.min(), ratios.max()))))
    return found


def share_of_front(analysis: Analysis, cost: str) -> dict[str, int]:
    """Number of cells of each arm on the joint front over `cost`."""
    counts = Counter(itertools.compress(analysis.cells["arm"], analysis.fronts[cost]["joint"]))
    return {arm: counts[arm] for arm in analysis.arms}


def front_sentence(analysis: Analysis) -> str | None:
    """How the accuracy of a study of one arm grows along its front over the main cost; None if no model is known."""
    cost = METRICS[main_cost()]
    costs = cost(analysis.cells)
    members = np.flatnonzero(analysis.fronts[main_cost()]["own"].to_numpy() & (costs > 0))
    if not len(members):
        return None
    members = members[np.argsort(costs[members])]
    accuracy = np.maximum.accumulate(analysis.cells["test_accuracy"].to_numpy(dtype=float)[members])
    best = int(np.argmax(accuracy))  # the cheapest with the highest accuracy
    first, last = (f"{accuracy[at]:.2f} % at {cost.text(float(costs[members[at]]))}" for at in (0, best))
    of = f"{len(members)} of {plural(len(analysis.cells), 'model')}"
    grows = f"rises from {first} to {last}" if best else f"is {last} and no costlier model has more"
    return f"no verdict: one arm. Along its front ({of}), the test accuracy of {analysis.arms[0]} {grows}."


def size_of(analysis: Analysis) -> str:
    """Size of the study: `6 cells × 2 arms × 3 repetitions`."""
    arms, times = plural(len(analysis.arms), "arm"), plural(analysis.study.repetitions, "repetition")
    return f"{plural(analysis.asked_cells, 'cell')} × {arms} × {times}"
