"""Ranks: where costs disagree about which model is more expensive."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scaling.statistics.intervals import MeanInterval

FEWEST = 5  # models
FEW = 30  # models up to which an interval is computed from simulated studies
DRAWS = 4000  # simulated studies


def agreement(one: np.ndarray, other: np.ndarray, level: float) -> MeanInterval:
    """Kendall's τ-b of two costs over models (n,), with its interval; NaN where too few models have both.

    Up to `FEW` models, the interval contains all τ at which the observed one is not among the extremes. Half of its own
    probability counts on each side, because τ takes few values; each cost is assumed normal after a monotone scaling.
    Beyond, it is Fisher's z with the variance 0.437 / (n − 4) of Fieller, Hartley and Pearson, "Tests for rank
    correlation coefficients I", 1957, which fails for few models and near 1.
    """
    known = np.isfinite(one) & np.isfinite(other)
    n = int(known.sum())
    if n < FEWEST or np.ptp(one[known]) == 0 or np.ptp(other[known]) == 0:
        return MeanInterval(math.nan, math.nan, math.nan, level, n)
    tau = round(float(stats.kendalltau(one[known], other[known])[0]), 12)  # pyright: ignore[reportArgumentType]
    if n <= FEW or abs(tau) >= 1:  # with more models that all agree, the interval of fewer is on the safe side
        return MeanInterval(tau, *_not_extreme(tau, min(n, FEW), level), level, n)
    reach = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(0.437 / (n - 4))
    middle = math.atanh(tau)
    return MeanInterval(tau, math.tanh(middle - reach), math.tanh(middle + reach), level, n)


def _not_extreme(tau: float, models: int, level: float) -> tuple[float, float]:
    """Return the smallest and the largest true τ at which `tau` is not among the extremes."""
    turns = _turning(models)
    # K concordant pairs or more are seen where the true τ is beyond the K-th turn; as many as seen, or one more
    concordant = math.floor((tau + 1) / 2 * (turns.shape[1] - 2) + 1e-9)
    seen = turns[:, concordant : concordant + 2]
    low, high = np.quantile(seen, [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), tau), max(float(high), tau)


@functools.lru_cache(maxsize=4)  # a report uses one number of models for all pairs of costs
def _turning(models: int) -> np.ndarray:
    """Return, for each simulated study, the true τ from which 0, 1, 2, … pairs of models are concordant.

    Of two normal costs u and ρu + √(1 − ρ²)v, a pair of models is concordant from ρ / √(1 − ρ²) > −Δv / Δu on, and
    τ = 2 arcsin(ρ) / π. Returns (studies, pairs + 2), rising in each row, from −1 to 1.
    """
    first, second = np.triu_indices(models, 1)
    u, v = np.random.default_rng(0).normal(size=(2, DRAWS, models))
    turns = np.sort(2 / math.pi * np.arctan(-(v[:, second] - v[:, first]) / (u[:, second] - u[:, first])), axis=1)
    return np.pad(turns, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, 1)))


@dataclass(frozen=True)
class Mover:
    """A model that costs rank differently."""

    model: int  # its row
    cheap_by: str  # the cost that ranks it lowest
    cheap_place: int  # from 1, the cheapest
    expensive_by: str
    expensive_place: int


def movers(costs: dict[str, np.ndarray], most: int) -> list[Mover]:
    """Return the models whose rank depends most on the cost, (n,) each, the largest change first.

    Only models that have every cost are ranked; equal costs share the middle of their places.
    """
    names = list(costs)
    if len(names) < 2:
        return []
    table = np.stack([costs[name] for name in names])
    rows = np.flatnonzero(np.isfinite(table).all(axis=0))
    if len(rows) < FEWEST:
        return []
    places = np.stack([stats.rankdata(table[i, rows]) for i in range(len(names))])
    spread = places.max(axis=0) - places.min(axis=0)
    far = [i for i in np.argsort(-spread, kind="stable")[:most] if spread[i] > 0]
    return [
        Mover(
            int(rows[i]),
            names[int(places[:, i].argmin())],
            round(float(places[:, i].min())),
            names[int(places[:, i].argmax())],
            round(float(places[:, i].max())),
        )
        for i in far
    ]
