"""Further runs: the level of each look at a study, and how many more runs would settle what is open.

A look is a verdict on a complete plan. Extending the plan makes the next verdict a further look, at a stricter level,
so that all looks together are wrong in at most 5 % of studies, whatever is run in between.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from scipy import special

from scaling.statistics.estimates import Mean, normal_quantile, t_quantile
from scaling.statistics.looks import LOOK_LEVEL

ALPHA = 0.05
FIRST_LOOK = 0.04
LATER_LOOKS = 0.01
POWER = 0.8
CAUTION = 0.3  # quantile of χ² that the variance is divided by
MOST = 200  # further repetitions or cells


class LookRule(StrEnum):
    """How the 5 % are shared among looks."""

    ONE = "one"  # no further look: the plan is fixed, or the rows are no study of this program
    EXTENDING = "extending"  # the plan may be extended
    UNTIL_DECIDED = "until decided"  # six looks at the most, decided by the sweep itself


def look_alpha(look: int, rule: LookRule = LookRule.EXTENDING) -> float:
    """Error of the `look`-th look, from 1 on: 4 % at the first, then 0.01 · 6 / (π² (k − 1)²).

    The later ones add up to 1 % (Basel problem), so that all together stay below 5 % (Bonferroni), however many there
    are. With one look 5 %; `until: decided` has 1.31 % at each of six (`looks.look_level`; Pocock 1977).
    """
    if rule is LookRule.ONE:
        return ALPHA
    if rule is LookRule.UNTIL_DECIDED:
        return 1 - LOOK_LEVEL
    return FIRST_LOOK if look <= 1 else LATER_LOOKS * 6 / (math.pi**2 * (look - 1) ** 2)


@dataclass(frozen=True)
class FurtherRuns:
    """Runs that would settle a comparison which is open."""

    detect: float  # points: the stated difference δ
    repetitions: int | None  # further ones a cell that show δ in four of five cases; None: more than MOST
    settle: int | None  # further ones a cell that settle it in any case
    cells: int | None  # further cells that show δ BEYOND in four of five cases
    runs: int | None  # trials of both arms that `repetitions` are
    settle_runs: int | None
    cell_runs: int | None


def shows(estimate: float, detect: float, have: float, units: float, sigma: float, alpha: float) -> int | None:
    """Smallest number n of further repetitions a cell that show a difference of `detect` with 80 %, or None above MOST.

        (S |θ̂| + n δ) / (S + n) − z₀.₈ σ̃ √(n / C) / (S + n) − t(1 − α/2; C (S + n − 1)) σ̃ / √(C (S + n)) ≥ 0

    Args:
        have: S, repetitions a cell; with cells as the unit, the cells.
        units: C, cells; with cells as the unit, 1.
        sigma: σ̃, see `cautious_sigma`.
        alpha: error of the interval at the next look.
    """
    z = normal_quantile(POWER)
    for n in range(1, MOST + 1):
        total = have + n
        gained = (have * abs(estimate) + n * detect) / total - z * sigma * math.sqrt(n / units) / total
        if gained >= _reach(total, units, sigma, alpha):
            return n
    return None


def settles(have: float, units: float, sigma: float, alpha: float, margin: float) -> int | None:
    """Smallest number of further repetitions a cell with t σ̃ / √(C (S + n)) ≤ m / 2, or None above MOST."""
    wanted = range(1, MOST + 1)
    return next((n for n in wanted if _reach(have + n, units, sigma, alpha) <= margin / 2), None)


def _reach(total: float, units: float, sigma: float, alpha: float) -> float:
    return t_quantile(1 - alpha, units * (total - 1)) * sigma / math.sqrt(units * total)


def cautious_sigma(variance: float, df: float) -> float:
    """σ̃ = √(σ̂² df / χ²(0.3; df)): the standard deviation that is not exceeded with 70 % (chi-square interval)."""
    return math.sqrt(variance * df / float(special.chdtri(df, 1 - CAUTION)))


def plan_further(
    here: Mean, count: float, cells: int, margin: float, detect: float, alpha: float, scatter: Mean | None = None
) -> FurtherRuns | None:
    """Plan for a stated difference, never for the observed one; None where no variance is known.

    σ̂² = V C S with S the harmonic mean of the repetitions and the df of HERE. For BEYOND the cell is the unit: σ̂² = s²,
    S → C, C → 1. More repetitions narrow HERE only; BEYOND needs other cells.

    Args:
        count: S.
        scatter: variance s² of a cell's mean about the smooth course, where BEYOND is given.
    """
    if not here.is_known or detect <= 0:
        return None
    sigma = cautious_sigma(here.variance * cells * count, here.df)
    repetitions = shows(here.estimate, detect, count, cells, sigma, alpha)
    settle = settles(count, cells, sigma, alpha, margin)
    more_cells = None
    if scatter is not None and scatter.is_known:
        more_cells = shows(here.estimate, detect, cells, 1, cautious_sigma(scatter.variance, scatter.df), alpha)
    each = max(1, round(count))

    def runs(n: int | None, of: int) -> int | None:
        return None if n is None else 2 * of * n

    return FurtherRuns(
        detect, repetitions, settle, more_cells, runs(repetitions, cells), runs(settle, cells), runs(more_cells, each)
    )
