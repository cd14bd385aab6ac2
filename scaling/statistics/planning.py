"""Planning: how many more seeds or cells would settle an inconclusive comparison."""

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import stats

from scaling.statistics.intervals import t_quantile
from scaling.statistics.paired import PairedComparison

POWER = 0.8
MOST_SEEDS = 100  # a cell; beyond this more seeds are no advice
MOST_CELLS = 1000
FAR = 30.0  # noncentralities so far above the critical value have a power above 0.999, and strain the distribution


@dataclass(frozen=True)
class Plan:
    """What it takes to find a true difference of `effect` points with probability `POWER`."""

    effect: float
    more_seeds: int | None  # a cell, in the cells there are; None where no number up to MOST_SEEDS does
    more_cells: int | None  # with the seeds there are; None if it is unknown, or if no number suffices
    seed_runs: int | None  # trials of both arms together that `more_seeds` means
    cell_runs: int | None


def power(effect: float, sd: float, n: int, level: float) -> float:
    """Probability that the t interval of `n` values of standard deviation `sd` excludes zero, on the side of `effect`.

    The upper tail of the noncentral t distribution with n − 1 degrees of freedom and noncentrality effect · √n / sd.
    """
    if n < 2:
        return 0.0
    noncentrality = effect * math.sqrt(n) / sd if sd != 0 else math.inf
    critical = t_quantile(level, n - 1)
    if noncentrality > critical + FAR:
        return 1.0
    return float(stats.nct.sf(critical, n - 1, noncentrality))


def plan(comparison: PairedComparison, margin: float) -> Plan | None:
    """Runs needed to find max(|observed difference|, margin) with 80 % power; None where no spread is known.

    A cell mean of S pairs has the standard deviation √(τ² + σ² / S). More seeds shrink the second part alone, more
    cells divide the whole.
    """
    if comparison.unit == "none":
        return None
    effect = max(abs(comparison.difference.estimate), margin)
    level = comparison.difference.level
    seeds, cells = max(1, round(comparison.seeds_per_cell)), len(comparison.cells)
    if comparison.unit == "seed":
        more = _more(seeds, MOST_SEEDS, lambda s: power(effect, comparison.seed_sd, s, level))
        return Plan(effect, more, None, _runs(more, 1), None)

    cell_variance, seed_variance = comparison.cell_sd**2, comparison.seed_sd**2  # NaN with one seed: no advice on seeds
    more_seeds = _more(
        seeds, MOST_SEEDS, lambda s: power(effect, math.sqrt(cell_variance + seed_variance / s), cells, level)
    )
    # The spread of a few means may come out too small by luck; the seeds alone set a lower bound on it.
    seeds_alone = 0.0 if math.isnan(seed_variance) else seed_variance / seeds
    spread = math.sqrt(max(float(comparison.cells["difference"].to_numpy().var(ddof=1)), seeds_alone))
    more_cells = _more(cells, MOST_CELLS, lambda c: power(effect, spread, c, level))
    return Plan(effect, more_seeds, more_cells, _runs(more_seeds, cells), _runs(more_cells, seeds))


def more_cells(
    effect: float, spread: float, cells: int, level: float, freedom: float, fixed_variance: float = 0.0
) -> int | None:
    """Cells to add so that a mean with standard error spread / √cells shows `effect` with 80 % power.

    Args:
        freedom: degrees of freedom that `cells` give; each further cell adds one.
        fixed_variance: of the mean, that no cell takes away, such as that of the test images.

    Returns:
        None where MOST_CELLS are too few.
    """

    def power_of(count: int) -> float:
        noncentrality = effect / math.sqrt(spread**2 / count + fixed_variance) if spread or fixed_variance else math.inf
        df = max(1.0, freedom + count - cells)
        critical = float(stats.t.ppf((1 + level) / 2, df))
        return 1.0 if noncentrality > critical + FAR else float(stats.nct.sf(critical, df, noncentrality))

    return _more(cells, MOST_CELLS, power_of)


def _more(have: int, most: int, power_of: Callable[[int], float]) -> int | None:
    """Fewest to add to `have` for enough power, which grows with the number; None where `most` are too few."""
    if have >= most or not power_of(most) >= POWER:
        return None
    counts = range(have + 1, most + 1)
    return bisect.bisect_left(counts, True, key=lambda count: power_of(count) >= POWER) + 1


def _runs(more: int | None, each: int) -> int | None:
    return None if more is None else 2 * each * more
