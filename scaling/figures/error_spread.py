"""Error spread: the error distribution function of each arm, with its band."""

from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import Analysis
from scaling.answers.design_space import PLAIN
from scaling.figures.text import Text
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural

MOST_STEPS = 1000  # of a curve that are drawn


@dataclass(frozen=True)
class Steps:
    """One arm's distribution; arrays (steps,)."""

    label: str  # with its n
    colour: int
    error: np.ndarray  # percent
    share: np.ndarray  # percent of cells
    half_width: float  # percentage points of the share


@dataclass(frozen=True)
class ErrorSpread:
    """All arms under one weighting."""

    text: Text
    score: Metric
    arms: list[Steps]


def error_spread(analysis: Analysis, cost: str) -> ErrorSpread | None:
    """Distributions under the weights for `cost`, or under none; None where no arm has one."""
    spread = analysis.design_space.spreads.get(cost)
    if spread is None or isinstance(spread, Missing):
        return None
    arms = []
    for colour, arm in enumerate(analysis.arms):
        found = spread.arms[arm]
        if isinstance(found, Missing):
            continue
        keep = np.unique(np.linspace(0, found.n - 1, min(found.n, MOST_STEPS)).round().astype(int))
        label = f"{arm} ({plural(found.n, 'cell')}, worth {found.effective:.0f})"
        if cost == PLAIN:
            label = f"{arm} ({plural(found.n, 'cell')})"
        arms.append(Steps(label, colour, found.errors[keep], 100 * found.share[keep], 100 * found.half_width))
    if not arms:
        return None
    weighted, title = "", "Distribution of errors"
    if cost != PLAIN:
        name = METRICS[cost].title
        weighted = f" Cells are weighted so that all arms have the same distribution of {name}."
        title = f"{title}, normalised for {name}"
    caption = (
        "Share of cells whose test error, the mean over seeds, is at most so large. Bands hold for all errors and"
        f" arms at once with 95 % (Dvoretzky–Kiefer–Wolfowitz).{weighted}"
    )
    halves = [(arm.label, arm.error[min(np.searchsorted(arm.share, 50), len(arm.error) - 1)]) for arm in arms]
    medians = "; ".join(f"{label}: half of the cells below {error:.2f} %" for label, error in halves)
    return ErrorSpread(Text(title, caption, f"Step curves. {medians}."), METRICS["test_error"], arms)
