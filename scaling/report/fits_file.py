"""Scaling fits in the document for scripts; `scaling.report.verdict_file` lists the keys."""

from typing import Any

from scaling.report.analysis.scaling_fits import ExponentDifference, ScalingFits
from scaling.statistics.fits import HeldOutPrediction, ScalingFit
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS


def scaling_part(fits: ScalingFits) -> dict[str, Any]:
    """The keys `scaling` and `exponents`; the caller converts numbers that are not finite."""
    return {
        "scaling": [
            {"cost": cost, "unit": METRICS[cost].unit, "arm": arm, **_fit(fit)}
            for cost, arms in fits.fits.items()
            for arm, fit in arms.items()
        ],
        "exponents": [_exponents(difference) for difference in fits.differences],
    }


def _fit(fit: ScalingFit | Missing) -> dict[str, Any]:
    if isinstance(fit, Missing):
        return {"missing": _missing(fit)}
    prediction = fit.held_out_prediction
    names = ("law", "costs", "until", "within", "cost", "measured", "predicted", "low", "high")
    return {
        "missing": None,
        "alpha": _interval(fit.alpha),
        "floor": _interval(fit.floor) if fit.floor else None,
        "amplitude": _interval(fit.amplitude),
        "alpha_without_floor": _interval(fit.plain_alpha),
        **{name: getattr(fit, name) for name in ("law", "reference", "floor_is_known", "slopes", "held_out", "spread")},
        "costs": fit.costs,
        "cells": fit.cells,
        "predicted": {"missing": None, **{name: getattr(prediction, name) for name in names}}
        if isinstance(prediction, HeldOutPrediction)
        else {"missing": _missing(prediction)},
    }


def _exponents(one: ExponentDifference) -> dict[str, Any]:
    missing = next((found for found in (one.alpha, one.plain_alpha) if isinstance(found, Missing)), None)
    return {
        "cost": one.cost,
        "baseline": one.baseline,
        "arm": one.arm,
        "difference": _interval(one.alpha) if isinstance(one.alpha, MeanInterval) else None,
        "without_floor": _interval(one.plain_alpha) if isinstance(one.plain_alpha, MeanInterval) else None,
        "missing": None if missing is None else _missing(missing),
    }


def _interval(interval: MeanInterval) -> dict[str, Any]:
    return {name: getattr(interval, name) for name in ("estimate", "low", "high", "level", "n")}


def _missing(missing: Missing) -> dict[str, str]:
    return {"why": missing.why, "said": missing.said}
