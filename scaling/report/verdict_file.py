"""The verdict for scripts: `verdict.json`, written beside the page; docs/statistics.md explains every number.

The document of `verdict_document` holds only strings, finite numbers, booleans, lists and objects; unknown values are
null. Accuracies are in percent, differences in percentage points, costs in the unit given with them.

```
schema            1; increased if readers of older documents would misread newer ones
scaling           version of this package
study, question   name of the study; its question
factor, arms      the compared factor; its values, the baseline first
complete          whether all planned trials have ended
trials            {planned, finished, failed, diverged, stopped, missing}
test_examples     images of the test set, or null
headline          the verdicts' sentences, one per line
verdicts          one per arm other than the baseline, in paired cells: {baseline, arm, kind, sentence, margin,
                  difference: INTERVAL, unit: "cell" | "seed" | "none", cells, pairs, seed_sd, cell_sd, images, plan}
                  kind: "better" | "worse" | "practically equal" | "inconclusive" | "unknown"
                  images: {difference: INTERVAL, half_width, images} including the choice of test images, or null
                  plan: {effect, more_seeds, seed_runs, more_cells, cell_runs} if inconclusive, else null
equal_cost        one per arm and cost: {cost, unit, baseline, arm, kind, sentence, missing, mean: INTERVAL, cells,
                  images_included, range: [low, high], better: [[low, high], …], worse: …, more_cells, runs,
                  band: {cost, baseline, arm, difference, low, high: lists}, others: {cost: percent more}}
fronts            one per cost: {cost, unit, missing, reference: {cost, accuracy}, images_included, arms: {ARM: {stable,
                  agreement, hypervolume: INTERVAL (points × decades), points_per_decade: INTERVAL,
                  against_baseline: INTERVAL}},
                  configurations: [{cell, arm, cost, accuracy, observed, on_own_front, on_joint_front}, …]}
scaling           one per cost and arm: {cost, unit, arm, missing, law: "no floor" | "floor" | "broken",
                  alpha: INTERVAL, floor: INTERVAL or null, amplitude: INTERVAL (points at `reference`), reference,
                  alpha_without_floor: INTERVAL, floor_is_known, slopes (before and after a break) or null,
                  held_out: {law: points}, spread, costs, cells, predicted (largest costs, held out): {missing, law,
                  costs, until, within, cost, measured, predicted, low, high}}
                  error = floor + amplitude · (cost / reference)^−alpha, percent; an open end of an interval is null
exponents         one per arm other than the baseline and cost: {cost, baseline, arm, difference: INTERVAL or null,
                  without_floor: INTERVAL or null, missing}
control           {cause, sentence, parts: [{baseline, arm, meaning, pairs, difference: INTERVAL}, …]}, or null
caveats           [sentence, …]
INTERVAL          {estimate, low, high, level, n}; level is that of this interval
missing           {why, said} if there is no result, else null
```
"""

import math
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.equal_costs import EqualCostAnswer
from scaling.report.caveats import caveats
from scaling.report.fits_file import scaling_part
from scaling.statistics.front_noise import FrontOdds
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.statistics.verdict import Verdict
from scaling.study.metrics import METRICS

VERSION = 1
MOST_CONFIGURATIONS = 2000  # per cost; of more, those on a front in any draw, most probable first


def verdict_document(analysis: Analysis) -> dict[str, Any]:
    """All results of the analysis, ready for `json.dumps(…, allow_nan=False)`; the module lists the keys."""
    progress = analysis.progress
    document = {
        "schema": VERSION,
        "scaling": _version(),
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
        "headline": analysis.headline,
        "verdicts": [_verdict(verdict) for verdict in analysis.verdicts],
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


def _interval(interval: MeanInterval) -> dict[str, Any]:
    return {name: getattr(interval, name) for name in ("estimate", "low", "high", "level", "n")}


def _missing(missing: Missing) -> dict[str, str]:
    return {"why": missing.why, "said": missing.said}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    comparison, noise, plan = verdict.comparison, verdict.noise, verdict.plan
    return {
        "baseline": comparison.baseline,
        "arm": comparison.arm,
        "kind": verdict.kind,
        "sentence": verdict.sentence,
        "margin": verdict.margin,
        "difference": _interval(comparison.difference),
        "unit": comparison.unit,
        "cells": len(comparison.cells),
        "pairs": len(comparison.pairs),
        "seed_sd": comparison.seed_sd,
        "cell_sd": comparison.cell_sd,
        "images": noise and {**_images(noise.both), "half_width": noise.half_width, "images": noise.images},
        "plan": plan
        and {name: getattr(plan, name) for name in ("effect", "more_seeds", "seed_runs", "more_cells", "cell_runs")},
    }


def _images(both: MeanInterval) -> dict[str, Any]:
    return {"difference": _interval(both)}


def _equal_cost(answer: EqualCostAnswer) -> dict[str, Any]:
    head = {
        "cost": answer.cost,
        "unit": METRICS[answer.cost].unit,
        "baseline": answer.baseline,
        "arm": answer.arm,
        "kind": answer.kind,
        "sentence": answer.sentence,
    }
    result = answer.result
    if isinstance(result, Missing):
        return {**head, "missing": _missing(result)}
    return {
        **head,
        "missing": None,
        "mean": _interval(result.mean),
        "cells": result.cells,
        "images_included": result.images_included,
        "range": [result.cost[0], result.cost[-1]],
        "better": result.above,
        "worse": result.below,
        "more_cells": answer.more_cells,
        "runs": answer.runs,
        "band": {name: getattr(result, name) for name in ("cost", "baseline", "arm", "difference", "low", "high")},
        "others": answer.others,
    }


def _fronts(analysis: Analysis, cost: str, odds: FrontOdds | Missing) -> dict[str, Any]:
    head = {"cost": cost, "unit": METRICS[cost].unit}
    if isinstance(odds, Missing):
        return {**head, "missing": _missing(odds)}
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
    control = analysis.control
    if control is None:
        return None
    parts = [
        {
            "baseline": part.baseline,
            "arm": part.arm,
            "meaning": part.meaning,
            "pairs": part.pairs,
            "difference": _interval(part.difference),
        }
        for part in control.parts
    ]
    return {"cause": control.cause, "sentence": control.sentence, "parts": parts}


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
