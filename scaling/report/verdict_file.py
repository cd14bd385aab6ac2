"""The verdict for scripts: `verdict.json`, written beside the page; docs/statistics.md explains every number.

The document of `verdict_document` holds only strings, finite numbers, booleans, lists and objects; unknown values are
null. Accuracies are in percent, differences in percentage points, costs in the unit given with them.

```
schema            2; increased if readers of older documents would misread newer ones. Schema 1 is that of an earlier
                  verdict, whose intervals were over cells and whose bands at equal cost are gone
version           of this package, or null
study, question   name of the study; its question
factor, arms      the compared factor; its values, the baseline first
complete          whether every planned trial has a record
trials            {planned, finished, failed, diverged, stopped, missing}
test_examples     images of the test set, or null
look              {number, level, rule, verdict, kept: [{number, time, trials, planned, level,
                  kind: {ARM: kind}}, …]}; number is null where no looks are kept; verdict: whether one was given
headline          the verdicts' sentences, a comparison a line
verdicts          one per arm other than the baseline: {baseline, arm, kind, reason, sentence, remarks, changes,
                  margin, here: INTERVAL, beyond: INTERVAL or null, other_levels: INTERVAL or null, parts: [PART, …],
                  models, pairs, lost: {arm, arm_trials, baseline, baseline_trials, never, if_arm_bad:
                  INTERVAL or null, if_baseline_bad: INTERVAL or null},
                  images: {difference: INTERVAL, images} or null, further: {detect, repetitions, runs, settle,
                  settle_runs, cells, cell_runs} or null}
                  kind: "better" | "worse" | "practically equal" | "depends on size" | "mixed" | "inconclusive" |
                  "unknown"; reason: why unknown, such as "incomplete"; else null
equal_cost        one per arm and cost: {cost, unit, baseline, arm, kind, sentence, missing, mean: INTERVAL,
                  range: [low, high], parts: [PART, …], margin, curve: {cost, difference: lists},
                  others: {COST: percent more}}
fronts            one per cost: {cost, unit, missing, reference: {cost, accuracy}, images_included, arms: {ARM: {stable,
                  agreement, hypervolume: INTERVAL (points × decades), points_per_decade: INTERVAL,
                  against_baseline: INTERVAL or null}},
                  configurations: [{cell, arm, cost, accuracy, observed, on_own_front, on_joint_front}, …]}
scaling           one per cost and arm: {cost, unit, arm, sentence, missing, alpha: INTERVAL, floor: INTERVAL,
                  floor_is_known, hinge_gain, rho, amplitude (points at `reference`), reference, range: [low, high],
                  cells, predicted (largest costs, held out): {missing, costs, until, within, cost, measured,
                  predicted, low, high}}
                  error = floor + amplitude · (cost / reference)^−alpha, percent; an open end of an interval is null
exponents         one per arm other than the baseline and cost: {cost, baseline, arm, difference: INTERVAL or null,
                  missing}
control           {cause, mostly, sentence, margin, models, gain: INTERVAL, attention: INTERVAL, capacity: INTERVAL,
                  difference: INTERVAL, interaction: INTERVAL or null}, or null
caveats           [sentence, …]
INTERVAL          {estimate, low, high, level, df} (fronts: n in place of df); level is that of this interval
PART              {low_cost, high_cost, models, interval: INTERVAL, wide: INTERVAL}; wide alone decides whether a
                  difference depends on size
missing           {why, said} if there is no result, else null
```
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.context import KeptLook
from scaling.report.analysis.equal_costs import EqualCostAnswer
from scaling.report.analysis.verdicts import ArmVerdict
from scaling.report.analysis.what_if import what_would_change
from scaling.report.caveats import caveats
from scaling.report.fits_file import interval_part, missing_part, scaling_part
from scaling.statistics.comparison import VerdictSettings
from scaling.statistics.front_noise import FrontOdds
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.statistics.other_sentences import shares_sentence
from scaling.statistics.parts import Part
from scaling.study.metrics import METRICS

VERSION = 2
MOST_CONFIGURATIONS = 2000  # per cost; of more, those on a front in any draw, most probable first


def verdict_document(analysis: Analysis) -> dict[str, Any]:
    """All results of the analysis, ready for `json.dumps(…, allow_nan=False)`; the module lists the keys."""
    progress = analysis.progress
    document = {
        "schema": VERSION,
        "version": _version(),
        "study": analysis.study.name,
        "question": analysis.study.question,
        "factor": analysis.study.factor,
        "arms": analysis.arms,
        "complete": progress.is_complete,
        "trials": {
            name: getattr(progress, name)
            for name in ("planned", "finished", "failed", "diverged", "stopped", "missing")
        },
        "test_examples": analysis.test_examples,
        "look": {
            "number": analysis.look.number,
            "level": 1 - analysis.settings.alpha,
            "rule": analysis.look.rule,
            "verdict": analysis.look.is_verdict,
            "kept": [_look(one) for one in analysis.context.looks],
        },
        "headline": analysis.headline,
        "verdicts": [_verdict(verdict, analysis.settings) for verdict in analysis.verdicts],
        "equal_cost": [_equal_cost(answer) for answer in analysis.equal_cost],
        "fronts": [_fronts(analysis, cost, odds) for cost, odds in analysis.front_odds.items()],
        **scaling_part(analysis.scaling_fits),
        "control": _control(analysis),
        "caveats": caveats(analysis),
    }
    return _plain(document)


def _version() -> str | None:
    try:
        return version("scaling")
    except PackageNotFoundError:  # an uninstalled checkout
        return None


def _look(look: KeptLook) -> dict[str, Any]:
    return {name: value for name, value in asdict(look).items() if name != "records"}


def _interval(interval: MeanInterval) -> dict[str, Any]:
    return {name: getattr(interval, name) for name in ("estimate", "low", "high", "level", "n")}


def _verdict(verdict: ArmVerdict, settings: VerdictSettings) -> dict[str, Any]:
    found, losses = verdict.found, verdict.found.assessment.losses
    images = found.assessment.other_images
    return {
        "baseline": verdict.baseline,
        "arm": verdict.arm,
        "kind": str(found.kind),
        "reason": found.reason,
        "sentence": found.sentence,
        "remarks": found.remarks,
        "changes": what_would_change(verdict, settings),
        "margin": found.margin,
        "here": interval_part(found.here),
        "beyond": interval_part(found.beyond),
        "other_levels": interval_part(found.assessment.other_levels),
        "parts": _parts(found.parts),
        "models": len(verdict.cells),
        "pairs": verdict.pairs,
        "lost": {
            "arm": losses.arm,
            "arm_trials": losses.arm_trials,
            "baseline": losses.baseline,
            "baseline_trials": losses.baseline_trials,
            "never": losses.never,
            "if_arm_bad": interval_part(losses.if_arm_bad),
            "if_baseline_bad": interval_part(losses.if_baseline_bad),
        },
        "images": images and {"difference": interval_part(images.both), "images": images.images},
        "further": found.further and asdict(found.further),
    }


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [
        {
            "low_cost": part.low_cost,
            "high_cost": part.high_cost,
            "models": part.cells,
            "interval": interval_part(part.interval),
            "wide": interval_part(part.wide),
        }
        for part in parts
    ]


def _equal_cost(answer: EqualCostAnswer) -> dict[str, Any]:
    head = {
        "cost": answer.cost,
        "unit": METRICS[answer.cost].unit,
        "baseline": answer.baseline,
        "arm": answer.arm,
        "kind": str(answer.kind),
        "sentence": answer.sentence,
    }
    result = answer.result
    if isinstance(result, Missing):
        return {**head, "missing": missing_part(result)}
    return {
        **head,
        "missing": None,
        "mean": interval_part(result.mean),
        "range": [result.low_cost, result.high_cost],
        "parts": _parts(result.parts),
        "margin": result.margin,
        "curve": {"cost": result.cost, "difference": result.difference},
        "others": answer.others,
    }


def _fronts(analysis: Analysis, cost: str, odds: FrontOdds | Missing) -> dict[str, Any]:
    head = {"cost": cost, "unit": METRICS[cost].unit}
    if isinstance(odds, Missing):
        return {**head, "missing": missing_part(odds)}
    cells = analysis.cells
    arms = {
        arm: {
            "stable": odds.stable[arm],
            "agreement": odds.agreement[arm],
            "hypervolume": _interval(volume.volume),
            "points_per_decade": _interval(volume.mean_points),
            "against_baseline": _interval(odds.differences[arm].volume) if arm in odds.differences else None,
        }
        for arm, volume in odds.volumes.items()
    }
    rows = np.arange(len(cells))
    if len(rows) > MOST_CONFIGURATIONS:
        likely = np.nan_to_num(np.maximum(odds.own, odds.joint))
        rows = np.argsort(-likely, kind="stable")[:MOST_CONFIGURATIONS]
        rows = np.sort(rows[likely[rows] > 0])
    columns = [cells[name].to_numpy()[rows].tolist() for name in ("cell", "arm", cost, "test_accuracy")]
    columns += [values[rows].tolist() for values in (odds.observed, odds.own, odds.joint)]
    names = ("cell", "arm", "cost", "accuracy", "observed", "on_own_front", "on_joint_front")
    return {
        **head,
        "missing": None,
        "reference": dict(zip(("cost", "accuracy"), odds.reference, strict=True)),
        "images_included": odds.images_included,
        "arms": arms,
        "configurations": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
    }


def _control(analysis: Analysis) -> dict[str, Any] | None:
    shares = analysis.shares
    if shares is None:
        return None
    intervals = {
        name: interval_part(getattr(shares, name))
        for name in ("gain", "attention", "capacity", "difference", "interaction")
    }
    head = {"cause": shares.cause, "mostly": shares.mostly, "sentence": shares_sentence(shares)}
    return {**head, "margin": shares.margin, "models": shares.cells, **intervals}


def _plain(value: Any) -> Any:
    """Convert to JSON's own types; numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return value
