"""Analysis: everything computed from a study's records, once; figures, tables and the page only show it.

Fronts and the best cell of an arm are chosen on validation accuracy and reported with test accuracy.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from scaling.report.analysis.context import Context
from scaling.report.analysis.controls import ControlAnswer, attention_or_capacity
from scaling.report.analysis.design_space import DesignSpace, describe_space
from scaling.report.analysis.equal_costs import EqualCostAnswer, at_equal_costs
from scaling.report.analysis.front_uncertainty import front_odds
from scaling.report.analysis.scaling_fits import ScalingFits, fit_study
from scaling.report.analysis.trial_scores import TrialScores, collect
from scaling.statistics import MARGIN
from scaling.statistics.front_noise import FrontOdds
from scaling.statistics.images import image_noise
from scaling.statistics.looks import LOOK_LEVEL
from scaling.statistics.missing import Missing
from scaling.statistics.paired import LEVEL, compare
from scaling.statistics.pareto import on_front
from scaling.statistics.trend import Trend, fit_trend
from scaling.statistics.verdict import Asked, Verdict, give_verdict
from scaling.study.config import cell_label
from scaling.study.learning_rates import without_rejected
from scaling.study.metrics import METRICS, analysed_costs, column_costs, get_metric, main_cost
from scaling.study.reading import read_what_can_be
from scaling.study.records import Record, Study, frame, read_study
from scaling.study.storage import Where
from scaling.wording import plural


@dataclass(frozen=True)
class TrialCounts:
    """Trials by status."""

    planned: int
    finished: int
    failed: int
    diverged: int
    missing: int  # not ended: running or not started
    stopped: int = 0  # early, with their whole cell: shown but not compared

    @property
    def is_complete(self) -> bool:
        return self.finished + self.stopped == self.planned


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
    table: pd.DataFrame  # a row per trial, from `load_study`, with `rejected`: its learning rate was not chosen
    arms: list[str]  # the baseline first
    cells: pd.DataFrame  # a row per cell and arm with finished trials; see `summarise`
    fronts: dict[str, pd.DataFrame]  # metric → columns own, joint (booleans), rows as in `cells`
    front_odds: dict[str, FrontOdds | Missing]  # metric → uncertainty of its fronts, rows as in `cells`
    verdicts: list[Verdict]  # one per arm other than the baseline
    equal_cost: list[EqualCostAnswer]  # one per arm other than the baseline and known cost
    control: ControlAnswer | None  # attention or capacity, if a control is an arm
    progress: TrialCounts
    asked_cells: int
    test_examples: int | None
    trials_overlap: bool  # on one host, so that their seconds do not measure speed
    context: Context = field(default_factory=Context)  # what the report adds to the study

    @property
    def headline(self) -> str:
        """The verdict: one sentence per comparison, each on its own line."""
        if not self.verdicts:
            return "no verdict: the study names one arm, and a comparison needs two"
        return "\n".join(verdict.sentence for verdict in self.verdicts)

    @cached_property
    def scaling_fits(self) -> ScalingFits:
        """The law of test error along every cost, by arm; computed on first use."""
        return fit_study(self.cells, self.arms, 100 / self.test_examples if self.test_examples else 0.0)

    @cached_property
    def design_space(self) -> DesignSpace:
        """Distribution of errors over cells, and agreement of costs; computed on first use."""
        return describe_space(self.cells, self.arms)

    @property
    def finished(self) -> pd.DataFrame:
        """Rows of `table` whose trials finished with a score and are compared."""
        return self.table.take(np.flatnonzero(is_usable(self.table)))


def analyse_study(folder: Where, margin: float = MARGIN) -> Analysis:
    """Read and analyse the study at `folder`; raise `RecordError` if it cannot be read."""
    read = read_what_can_be(folder)
    return analyse(read_study(folder), read.records, margin, Context(left_out=read.left_out))


def analyse(
    study: Study, records: Sequence[Record], margin: float = MARGIN, context: Context | None = None
) -> Analysis:
    """Analyse the records of a study, whether or not it is complete.

    Args:
        margin: percentage points within which a difference counts as none.
        context: what the report adds to the study.
    """
    kept = {record.key for record in without_rejected(records)}
    table = frame(records, study.axes)
    table["rejected"] = ~table["key"].isin(list(kept))
    arms = list(dict.fromkeys([*study.arms, *(record.arm for record in records)]))
    cells = summarise(table, arms)
    tune = study.space.get("tune")
    rates = tune.get("lr", 1) if isinstance(tune, dict) else 1  # tried with the first seed
    per_cell = max(1, len(arms) * (study.repetitions - 1 + rates))
    asked_cells = max(len(set(table["cell"])), math.ceil(len(study.planned) / per_cell))
    examples = {record.scores.test_examples for record in records if record.scores and record.scores.test_examples}
    test_examples = min(examples) if examples else None
    usable = is_usable(table)
    compared = table.take(np.flatnonzero(usable))
    trials = collect(table, usable, records, arms)
    bits = trials.cell_bits()
    resolution = 100 / test_examples if test_examples else 0.0
    return Analysis(
        study=study,
        records=records,
        table=table,
        arms=arms,
        cells=cells,
        fronts={cost: find_fronts(cells, cost) for cost in analysed_costs()},
        front_odds=front_odds(cells, trials, analysed_costs(), bits),
        verdicts=[_verdict(study, compared, cells, trials, arm, asked_cells, resolution, margin) for arm in arms[1:]],
        equal_cost=at_equal_costs(cells, trials, study.factor, margin, resolution, bits),
        control=attention_or_capacity(compared, arms, margin, resolution) if study.factor.endswith("pooling") else None,
        progress=count(study, records),
        asked_cells=asked_cells,
        test_examples=test_examples,
        trials_overlap=trials_overlap(records),
        context=context or Context(),
    )


def is_usable(table: pd.DataFrame) -> np.ndarray:
    """Mark the trials that finished with a score and whose learning rate was not rejected: a boolean per row."""
    usable = ((table["status"] == "finished") & table["test_accuracy"].notna()).to_numpy()
    return usable & ~table["rejected"].to_numpy(dtype=bool) if "rejected" in table else usable


def summarise(table: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Average the finished seeds of each cell and arm: cells in the order of the table, arms in that of `arms`.

    Columns: cell, arm, n, every metric (mean over seeds), test_sd and val_sd (over seeds; NaN with one).
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


def _verdict(
    study: Study,
    compared: pd.DataFrame,
    cells: pd.DataFrame,
    trials: TrialScores,
    arm: str,
    asked_cells: int,
    resolution: float,
    margin: float,
) -> Verdict:
    baseline, comparisons = trials.arms[0], len(trials.arms) - 1
    level = LOOK_LEVEL if goes_on_until_decided(study) else LEVEL
    comparison = compare(compared, baseline, arm, comparisons=comparisons, level=level, resolution=resolution)
    of_baseline, of_arm = (costs_of(cells, name, main_cost(), comparison.cells.index) for name in (baseline, arm))
    trend: Trend | None = None
    if comparison.unit == "cell":
        trend = fit_trend(of_baseline, comparison.cells["difference"].to_numpy(), comparison.difference.level)
    asked = Asked(
        study.factor, asked_cells, study.repetitions, _range(np.concatenate([of_baseline, of_arm])), comparisons
    )
    images = trials.bits.images if trials.bits else 0
    noise = image_noise(trials.gained(comparison), images, comparison.difference)
    return give_verdict(comparison, asked, trend=trend, noise=noise, margin=margin)


def goes_on_until_decided(study: Study) -> bool:
    """Whether the study ran until its verdict was decided, so that the verdict was computed several times."""
    search = study.space.get("search")
    return isinstance(search, dict) and search.get("until") == "decided"


def costs_of(cells: pd.DataFrame, arm: str, cost: str, wanted: Iterable[str]) -> np.ndarray:
    """Costs of an arm in the `wanted` cells, NaN where unknown: (wanted,)."""
    of_arm = cells[cells["arm"] == arm]
    known = dict(zip(of_arm["cell"], of_arm[cost], strict=True))
    return np.array([known.get(cell, math.nan) for cell in wanted], dtype=float)


def _range(costs: np.ndarray) -> str:
    known = costs[np.isfinite(costs)]
    if len(known) == 0:
        return ""
    metric = METRICS[main_cost()]
    low, high = metric.text(known.min()), metric.text(known.max())
    return f"at {low}" if low == high else f"between {low.removesuffix(' ' + metric.unit)} and {high}"


def overheads(analysis: Analysis, verdict: Verdict) -> list[Overhead]:
    """Extra cost of the arm over the baseline in the paired cells; unknown costs are left out."""
    comparison = verdict.comparison
    found = []
    for cost in column_costs():
        baseline, arm = (
            costs_of(analysis.cells, name, cost, comparison.cells.index)
            for name in (comparison.baseline, comparison.arm)
        )
        known = np.isfinite(baseline) & np.isfinite(arm) & (baseline > 0) & (arm > 0)
        if known.any():
            ratios = arm[known] / baseline[known]
            mean = math.exp(float(np.log(ratios).mean()))
            found.append(Overhead(cost, *(100 * (ratio - 1) for ratio in (mean, ratios.min(), ratios.max()))))
    return found


def count(study: Study, records: Sequence[Record]) -> TrialCounts:
    """Count trials by status."""
    of = Counter(record.status for record in records)
    planned = len({*study.planned, *(record.key for record in records)})
    return TrialCounts(
        planned, of["finished"], of["failed"], of["diverged"], max(0, planned - len(records)), of["stopped"]
    )


def incomplete(analysis: Analysis) -> list[tuple[str, str]]:
    """Cells that lost a pair to a trial without a score, each with the reason: `attention seed 1 failed`.

    Stopped trials do not count (their whole cell was stopped), nor do trials of rejected learning rates.
    """
    lost: dict[str, list[str]] = {}
    for record, rejected in zip(analysis.records, analysis.table["rejected"], strict=True):
        if record.status == "stopped" or rejected:
            continue
        if record.status != "finished" or record.scores is None or math.isnan(record.scores.test_accuracy):
            outcome = record.status if record.status != "finished" else "has no score"
            lost.setdefault(cell_label(record.cell), []).append(f"{record.arm} seed {record.seed} {outcome}")
    return [(cell, ", ".join(what)) for cell, what in lost.items()]


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


def share_of_front(analysis: Analysis, cost: str) -> dict[str, int]:
    """Number of cells of each arm on the joint front over `cost`."""
    counts = Counter(itertools.compress(analysis.cells["arm"], analysis.fronts[cost]["joint"]))
    return {arm: counts[arm] for arm in analysis.arms}


def cells_and_seeds(analysis: Analysis) -> str:
    """Size of the study: `6 cells × 2 arms × 3 seeds`."""
    arms, seeds = plural(len(analysis.arms), "arm"), plural(analysis.study.repetitions, "seed")
    return f"{plural(analysis.asked_cells, 'cell')} × {arms} × {seeds}"
