"""Scaling laws: test error of every arm along a cost, its law, and the dearest cells foretold from the others."""

from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import Analysis
from scaling.answers.scaling_fits import exponent_text
from scaling.figures.text import Text
from scaling.statistics.fits import Foretold, ScalingFit
from scaling.statistics.intervals import t_quantile
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural

LEAST_SHOWN = 0.02  # percent; what has no place on a logarithmic axis


@dataclass(frozen=True)
class LawPoints:
    """One arm: its cells, and its law where there is one. Errors in percent."""

    arm: str
    colour: int
    label: str  # with its n
    cost: np.ndarray  # (cells,)
    error: np.ndarray
    half_width: np.ndarray  # of the 95 % interval over the cell's seeds; NaN with one
    is_held_out: np.ndarray  # (cells,) foretold from the others
    fit: ScalingFit | None
    foretold: Foretold | None


@dataclass(frozen=True)
class Laws:
    """The arms along one cost."""

    text: Text
    cost: Metric
    arms: list[LawPoints]


def laws(analysis: Analysis, cost: str) -> Laws | None:
    """Errors over a cost with their laws; None where no arm has one."""
    fits = analysis.scaling_fits.fits.get(cost, {})
    if not any(isinstance(fit, ScalingFit) for fit in fits.values()):
        return None
    shown, words = [], []
    for place, arm in enumerate(analysis.arms):
        rows = analysis.cells.take(np.flatnonzero(analysis.cells["arm"] == arm))
        costs, error = rows[cost].to_numpy(dtype=float), 100 - rows["test_accuracy"].to_numpy(dtype=float)
        known = np.isfinite(costs) & (costs > 0) & np.isfinite(error)
        if not known.any():
            continue
        found = fits[arm]
        fit = found if isinstance(found, ScalingFit) else None
        told = fit.foretold if fit and isinstance(fit.foretold, Foretold) else None
        n, sd = rows["n"].to_numpy(dtype=int), rows["test_sd"].to_numpy(dtype=float)
        half = np.array([t_quantile(0.95, k - 1) * s / k**0.5 if k > 1 else np.nan for k, s in zip(n, sd, strict=True)])
        names = {analysis.scaling_fits.cells[one] for one in told.cell} if told else set()
        held = rows["cell"].isin(list(names)).to_numpy()
        law = exponent_text(fit, brief=True) if fit else "no law"
        shown.append(
            LawPoints(arm, place, f"{arm} ({plural(int(known.sum()), 'cell')}): {law}", costs[known], error[known],
                      half[known], held[known], fit, told)
        )  # fmt: skip
        if fit:
            words.append(f"{arm}: {exponent_text(fit)}; the law chosen has {_named(fit)}")
        elif isinstance(found, Missing):
            words.append(f"{arm}: no law, because {found.said}")
    caption = (
        "Test error of each cell (mean over seeds; bars: 95 % t interval over its seeds) over cost, both"
        " logarithmic, with the law chosen by held-out error and its pointwise 95 % band (profile likelihood; cells are"
        " the units). Open marks: the dearest costs, foretold from the cheaper ones; dashed: that prediction, with its"
        " 95 % prediction intervals. The laws are laws of tuned models only: at one fixed learning rate they mislead."
    )
    title = f"Scaling: test error over {METRICS[cost].title}"
    return Laws(Text(title, caption, f"Scatter plot in log-log. {'. '.join(words)}."), METRICS[cost], shown)


def _named(fit: ScalingFit) -> str:
    return {"no floor": "no floor", "floor": "a floor", "broken": "a break"}[fit.law]
