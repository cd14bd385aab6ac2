"""Changes since an earlier study: scores of trials that moved beyond noise, and verdicts that changed.

Trials match by cell, arm and repetition. Training again, with other code or on another machine, moves a score as much
as another repetition does, so a change counts if it exceeds the difference between two of them.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.context import Changes, MovedTrial, MovedVerdict
from scaling.report.analysis.scored_images import are_known_to_differ, scored_on
from scaling.statistics.intervals import Bounded
from scaling.study.config import cell_label
from scaling.study.records import Record
from scaling.wording import points

LEVEL = 0.95  # of all trials together: of twenty reports on repeated studies, one shows a moved trial
TrialId = tuple[str, str, int]  # cell, arm, repetition


def find_changes(now: Analysis, before: Analysis) -> Changes:
    """Compare a study with an earlier one."""
    new, old = _by_id(now), _by_id(before)
    both = [place for place in new if place in old]
    shared = [place for place in both if not are_known_to_differ(scored_on(old[place]), scored_on(new[place]))]
    scores = {place: (_score(old[place]), _score(new[place])) for place in shared}
    compared = sum(a is not None and b is not None for a, b in scores.values())
    noise, how = _noise(now, before, compared)
    trials = []
    for place, (then, score) in scores.items():
        if then == score and old[place].status == new[place].status:
            continue
        # A score that appeared or disappeared is not noise: the trial ended differently.
        moved = then is None or score is None or (noise is not None and abs(score - then) > noise)
        trials.append(MovedTrial(*place, then, score, moved))
    trials.sort(key=lambda trial: (not trial.is_beyond_noise, -abs((trial.after or 0) - (trial.before or 0))))
    return Changes(
        earlier=before.study.name,
        trials=trials,
        verdicts=_verdicts(now, before),
        shared=len(shared),
        added=len(new) - len(both),
        gone=len(old) - len(both),
        on_other_images=len(both) - len(shared),
        noise=noise,
        how=how,
    )


def _by_id(analysis: Analysis) -> Mapping[TrialId, Record]:
    rejected = analysis.table["rejected"]
    return {
        (cell_label(record.cell), record.arm, record.repetition): record
        for record, out in zip(analysis.records, rejected, strict=True)
        if not out
    }


def _score(record: Record) -> float | None:
    if record.status != "finished" or record.scores is None or math.isnan(record.scores.test_accuracy):
        return None
    return record.scores.test_accuracy


def _noise(now: Analysis, before: Analysis, compared: int) -> tuple[float | None, str]:
    """Points beyond which a trial's score has moved, and how they were computed.

    The spread over repetitions within cells and arms of both studies is s with f degrees of freedom: two runs differ
    by up to √2 s times Student's quantile for f, at 95 % over all compared trials (Bonferroni). Without repetitions,
    use the noise of the test images.
    """
    if not compared:
        return None, "no trial has a score in both studies"
    tail = (1 - LEVEL) / (2 * compared)
    squares, freedom = 0.0, 0
    for analysis in (now, before):
        cells = analysis.cells
        sizes, sds = cells["n"].to_numpy(dtype=int), cells["test_sd"].to_numpy(dtype=float)  # NaN with one
        squares += float(np.nansum(sds**2 * (sizes - 1)))
        freedom += int((sizes - 1).sum())
    if freedom > 0 and squares > 0:
        spread = math.sqrt(squares / freedom)
        reach = float(stats.t.isf(tail, freedom)) * math.sqrt(2) * spread
        return (
            reach,
            f"repetitions of a cell and arm have an SD of {points(spread)} points ({freedom} degrees of freedom)",
        )
    examples = now.test_examples
    if not examples:
        return None, "there is one repetition per cell and the size of the test set is unknown"
    share = float(np.clip(now.finished["test_accuracy"].mean() / 100, 0.01, 0.99))
    reach = float(stats.norm.isf(tail)) * math.sqrt(2 * share * (1 - share) / examples) * 100
    return (
        reach,
        f"there is one repetition per cell, so this is the noise of {examples:,} test images only, a lower bound",
    )


def _verdicts(now: Analysis, before: Analysis) -> list[MovedVerdict]:
    old = {verdict.arm: verdict for verdict in before.verdicts if before.arms[:1] == now.arms[:1]}
    moved = []
    for verdict in now.verdicts:
        then = old.get(verdict.arm)
        moved.append(
            MovedVerdict(
                arm=verdict.arm,
                before=_summary(then.kind, then.difference) if then else "not compared",
                after=_summary(verdict.kind, verdict.difference),
                has_changed=then is None or then.kind != verdict.kind,
            )
        )
    return moved


def _summary(kind: str, difference: Bounded) -> str:
    if not difference.is_known:
        return kind
    estimate, low, high = (
        points(value, signed=True) for value in (difference.estimate, difference.low, difference.high)
    )
    return f"{kind} ({estimate}, {low} to {high})"
