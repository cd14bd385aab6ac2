"""Verdicts: every arm against the baseline, in the cells and repetitions that both have."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scaling.report.analysis.arm_names import arm_name
from scaling.report.analysis.trial_scores import TrialScores
from scaling.statistics.comparison import Comparison, VerdictSettings, settings_at
from scaling.statistics.contrast import Contrast
from scaling.statistics.estimates import Interval, t_quantile
from scaling.statistics.further_runs import LookRule
from scaling.statistics.judge import judge, so_far
from scaling.statistics.kinds import Kind
from scaling.statistics.score_table import ScoreTable
from scaling.statistics.words import Words
from scaling.study.metrics import METRICS, main_cost
from scaling.study.records import Study

CELL_LEVEL = 0.95  # of the interval of a single cell


@dataclass(frozen=True)
class Look:
    """Which look at the study a verdict is; see `report.looks_file`."""

    number: int | None  # from 1 on; None where no looks are kept, as of imported rows
    rule: LookRule = LookRule.EXTENDING
    is_verdict: bool = True  # false while trials of the plan are missing
    note: str = ""  # what is to be said about it, with a full stop


@dataclass(frozen=True)
class ArmVerdict:
    """One arm against the baseline."""

    baseline: str
    arm: str
    contrast: Contrast
    found: Comparison
    cells: pd.DataFrame  # a row a paired cell, indexed by its name; see `per_cell`

    @property
    def kind(self) -> Kind:
        return self.found.kind

    @property
    def sentence(self) -> str:
        """The verdict in one sentence or a few, with full stops."""
        return self.found.sentence

    @property
    def difference(self) -> Interval:
        """The mean difference HERE, in points."""
        return self.found.here

    @property
    def margin(self) -> float:
        return self.found.margin

    @property
    def pairs(self) -> int:
        return int(np.sum(self.cells["pairs"].to_numpy(dtype=int)))


def look_rule(study: Study) -> LookRule:
    """How the error of 5 % is shared among the looks at a study."""
    if goes_on_until_decided(study):
        return LookRule.UNTIL_DECIDED
    return LookRule.ONE if study.looks == 1 else LookRule.EXTENDING


def goes_on_until_decided(study: Study) -> bool:
    """Whether the study ran until its verdict was decided, so that the verdict was computed several times."""
    search = study.space.get("search")
    return isinstance(search, dict) and search.get("until") == "decided"


def settings_of(study: Study, arms: Sequence[str], margin: float, look: Look, images: int | None) -> VerdictSettings:
    """What the study asks of its verdicts."""
    is_until = look.rule is LookRule.UNTIL_DECIDED  # all of its looks have one level, and none is numbered
    settings = settings_at(
        1 if is_until else look.number,
        look.rule,
        margin=margin,
        contrasts=max(1, len(arms) - 1),
        detect=study.detect,
        images=images,
        shared_seeds=study.seeding == "shared",
    )
    return replace(settings, look=None) if is_until else settings


def give_verdicts(
    scores: ScoreTable,
    trials: TrialScores,
    settings: VerdictSettings,
    look: Look,
    words: Callable[[str, str], Words],
    planned: int,
) -> list[ArmVerdict]:
    """Judge every arm other than the baseline.

    Args:
        words: of a baseline and an arm.
        planned: pairs of an arm and the baseline in the whole plan.
    """
    verdicts = []
    baseline = scores.arms[0] if scores.arms else ""
    for arm in scores.arms[1:]:
        variance = trials.image_variance(scores, baseline, arm) if look.is_verdict else None
        contrast, said = scores.contrast(baseline, arm, variance), words(baseline, arm)
        found = judge(contrast, settings, said) if look.is_verdict else so_far(contrast, settings, said, planned)
        verdicts.append(ArmVerdict(baseline, arm, contrast, found, per_cell(contrast)))
    return verdicts


def words_of(factor: str, baseline: str, arm: str, ran: str = "that were run") -> Words:
    """What sentences about two arms call them and the cost."""
    metric = METRICS[main_cost()]
    return Words(arm_name(factor, baseline), arm_name(factor, arm), metric.unit, metric.number, ran=ran)


def per_cell(contrast: Contrast) -> pd.DataFrame:
    """A row a paired cell: pairs, mean of each arm over them, mean difference, its t interval over them, and its SD.

    Each interval holds on its own with 95 % (among twenty cells about one misses), and is NaN with one pair.
    """
    cells = contrast.paired()
    whole = contrast.differences(cells)
    values = whole.values
    both = np.isfinite(values)
    count = both.sum(axis=1)
    scores = [np.where(both, side[cells], math.nan) for side in contrast.scores()]
    means = [_mean(side, count) for side in (*scores, values)]
    squares = np.where(both, (values - means[2][:, None]) ** 2, 0.0).sum(axis=1) if len(cells) else np.zeros(0)
    sd = np.sqrt(np.divide(squares, count - 1, out=np.full(len(cells), np.nan), where=count > 1))
    quantiles = {n: t_quantile(CELL_LEVEL, n - 1) if n > 1 else math.nan for n in set(count.tolist())}
    reach = np.array([quantiles[n] for n in count.tolist()])
    half = reach * sd / np.sqrt(np.maximum(count, 1))
    columns = {
        "pairs": count,
        "baseline": means[0],
        "arm": means[1],
        "difference": means[2],
        "low": means[2] - half,
        "high": means[2] + half,
        "sd": sd,
    }
    return pd.DataFrame(columns, index=pd.Index(list(whole.names), name="cell"))


def _mean(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean over the repetitions of each cell."""
    return np.nansum(values, axis=1) / np.maximum(count, 1) if len(values) else np.zeros(0)
