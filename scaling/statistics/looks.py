"""Looks: what it costs to look at a comparison several times and to stop when it is decided.

Stopping at the first look whose 95 % interval leaves out zero would find a difference where there is none far more
often than in 5 % of studies. At most `MOST_LOOKS` looks are taken, each with intervals of the level that makes the
whole hold with 95 %: Pocock, "Group sequential methods in the design and analysis of clinical trials", 1977.
"""

import numpy as np
from scipy import optimize, stats

MOST_LOOKS = 6
GROWTH = 1.5  # of the runs from look to look, at the least
LOOK_LEVEL = 0.9869  # of each look's interval: `look_level()`, which takes seconds


def look_level(looks: int = MOST_LOOKS, growth: float = GROWTH, level: float = 0.95) -> float:
    """Level of each look's interval, such that all of them together hold with `level`.

    The standardised estimates at the looks are jointly normal with correlations √(n_i / n_j) for n_i < n_j runs, which
    grow by `growth`. Fewer looks, or later ones, are safer.
    """
    runs = growth ** np.arange(looks)
    correlation = np.sqrt(np.minimum.outer(runs, runs) / np.maximum.outer(runs, runs))
    together = stats.multivariate_normal(np.zeros(looks), correlation, seed=0)  # pyright: ignore[reportArgumentType]

    def excess(bound: float) -> float:
        inside = together.cdf(np.full(looks, bound), lower_limit=np.full(looks, -bound))
        return float(inside) - level

    bound = optimize.brentq(excess, stats.norm.ppf((1 + level) / 2), 4.0, xtol=1e-3)
    return float(2 * stats.norm.cdf(bound) - 1)
