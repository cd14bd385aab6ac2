"""Uncertainty of the fronts of a study, over every known cost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scaling.report.analysis.trial_scores import TrialScores, places
from scaling.statistics import LEVEL
from scaling.statistics.bits import CellBits
from scaling.statistics.front_noise import FrontOdds, draw_means, fronts_under_noise, image_factors, pooled_noise
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS

SEED = 0  # of all draws, so that equal records give equal reports


def front_odds(
    cells: pd.DataFrame, trials: TrialScores, costs: Sequence[str], bits: CellBits | None
) -> dict[str, FrontOdds | Missing]:
    """Fronts with their uncertainty, by cost; arrays have the rows of `cells`. All costs share the same draws."""
    if len(trials.accuracy) == 0:
        return dict.fromkeys(costs, Missing("no trials", "no trial has finished with a score"))
    noise = pooled_noise(trials.cell, trials.arm, trials.repetition, trials.accuracy, len(trials.arms))
    if isinstance(noise, Missing):
        return dict.fromkeys(costs, noise)
    cell, arm = places(trials.cells, cells["cell"]), places(trials.arms, cells["arm"])
    mean = cells["test_accuracy"].to_numpy(dtype=float)
    factors = image_factors(bits.shares[cell, arm], bits.images) if bits is not None else None
    rng = np.random.default_rng(SEED)
    drawn = draw_means(mean, cells["n"].to_numpy(dtype=float), cell, arm, noise, rng, factors)
    found: dict[str, FrontOdds | Missing] = {}
    for cost in costs:
        sign = 1 if METRICS[cost].direction == "lower" else -1
        values = cells[cost].to_numpy(dtype=float) ** sign
        level = 1 - (1 - LEVEL) / max(1, len(trials.arms) - 1)
        found[cost] = fronts_under_noise(cost, values, mean, arm, trials.arms, drawn, level, bits is not None)
    return found
