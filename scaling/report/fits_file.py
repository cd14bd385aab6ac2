"""Scaling fits in the document for scripts; `scaling.report.verdict_file` lists the keys."""

from typing import Any

from scaling.report.analysis.scaling_fits import ArmFit, ExponentDifference, ScalingFits
from scaling.statistics.estimates import Interval
from scaling.statistics.held_out import HeldOut
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS


def scaling_part(fits: ScalingFits) -> dict[str, Any]:
    """The keys `scaling` and `exponents`; the caller converts numbers that are not finite."""
    return {
        "scaling": [_fit(fit) for fit in fits.fits],
        "exponents": [_exponents(difference) for difference in fits.differences],
    }


def interval_part(interval: Interval | None) -> dict[str, Any] | None:
    """An interval with its degrees of freedom."""
    if interval is None:
        return None
    return {name: getattr(interval, name) for name in ("estimate", "low", "high", "level", "df")}


def missing_part(missing: Missing) -> dict[str, str]:
    """Why there is no result."""
    return {"why": missing.why, "said": missing.said}


def _fit(fit: ArmFit) -> dict[str, Any]:
    head = {"cost": fit.cost, "unit": METRICS[fit.cost].unit, "arm": fit.arm, "sentence": fit.sentence}
    law, held_out = fit.law, fit.held_out
    if isinstance(law, Missing):
        return {**head, "missing": missing_part(law)}
    names = ("costs", "until", "within", "cost", "measured", "predicted", "low", "high")
    predicted: dict[str, Any] = {"missing": None}
    if isinstance(held_out, HeldOut):
        predicted |= {name: getattr(held_out, name) for name in names}
    else:
        predicted["missing"] = missing_part(held_out)
    return {
        **head,
        "missing": None,
        "alpha": interval_part(law.alpha),
        "floor": interval_part(law.floor),
        **{name: getattr(law, name) for name in ("floor_is_known", "hinge_gain", "rho", "amplitude", "reference")},
        "range": [law.low_cost, law.high_cost],
        "cells": fit.cells,
        "predicted": predicted,
    }


def _exponents(one: ExponentDifference) -> dict[str, Any]:
    return {
        "cost": one.cost,
        "baseline": one.baseline,
        "arm": one.arm,
        "difference": None if isinstance(one.alpha, Missing) else interval_part(one.alpha),
        "missing": missing_part(one.alpha) if isinstance(one.alpha, Missing) else None,
    }
