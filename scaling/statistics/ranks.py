"""Ranks: where costs disagree on which model is the dearer one."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scaling.statistics.intervals import Interval

FEWEST = 5  # models


def agreement(one: np.ndarray, other: np.ndarray, level: float) -> Interval:
    """Kendall's τ-b of two costs over models (n,), with its interval; NaN where too few models have both.

    The interval is Fisher's z with the variance 0.437 / (n − 4) of Fieller, Hartley and Pearson, "Tests for rank
    correlation coefficients I", 1957, which holds for |τ| < 0.8 or so; near 1 it is an indication only.
    """
    known = np.isfinite(one) & np.isfinite(other)
    n = int(known.sum())
    if n < FEWEST or np.ptp(one[known]) == 0 or np.ptp(other[known]) == 0:
        return Interval(math.nan, math.nan, math.nan, level, n)
    tau = float(stats.kendalltau(one[known], other[known])[0])  # pyright: ignore[reportArgumentType]
    if abs(tau) >= 1:
        return Interval(tau, tau, tau, level, n)
    reach = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(0.437 / (n - 4))
    middle = math.atanh(tau)
    return Interval(tau, math.tanh(middle - reach), math.tanh(middle + reach), level, n)


@dataclass(frozen=True)
class Mover:
    """A model that costs rank differently."""

    model: int  # its row
    cheap_by: str  # the cost that ranks it lowest
    cheap_place: int  # from 1, the cheapest
    dear_by: str
    dear_place: int


def movers(costs: dict[str, np.ndarray], most: int) -> list[Mover]:
    """Models that move most between the rankings of costs, (n,) each, those that move farthest first.

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
