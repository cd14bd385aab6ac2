"""Design space: distribution of errors over the cells of each arm, and models that costs rank differently."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.statistics import LEVEL
from scaling.statistics.distributions import Distribution, Separation, complexity_weights, distribution, separation
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.statistics.ranks import Mover, agreement, movers
from scaling.study.metrics import analysed_costs

SEED = 0  # of the permutations, so that equal records give equal reports
MOST_MOVERS = 10
PLAIN = "none"  # in place of a cost: all cells have the same weight


@dataclass(frozen=True)
class Spread:
    """Distributions of all arms under one weighting."""

    cost: str  # that cells are weighted for; PLAIN: unweighted
    arms: dict[str, Distribution | Missing]
    separations: dict[str, Separation | Missing]  # of each arm other than the baseline


@dataclass(frozen=True)
class DesignSpace:
    """The cells as a population."""

    spreads: dict[str, Spread | Missing]  # by cost, PLAIN first
    agreement: dict[tuple[str, str], MeanInterval]  # of every two costs that enough models have and that vary
    movers: list[Mover]  # rows of `analysis.cells`


def describe_space(cells: pd.DataFrame, arms: list[str]) -> DesignSpace:
    """Describe a design space by its cells: one row per cell and arm, from `analysis.summarise`."""
    error = 100 - cells["test_accuracy"].to_numpy(dtype=float)
    arm = np.array([arms.index(name) for name in cells["arm"]], dtype=int)
    values = {name: cells[name].to_numpy(dtype=float) for name in analysed_costs()}
    known = {name: column for name, column in values.items() if np.isfinite(column).any()}
    weights: dict[str, np.ndarray | Missing] = {PLAIN: np.ones(len(cells))}
    weights |= {name: complexity_weights(column, arm, len(arms)) for name, column in known.items()}
    spreads: dict[str, Spread | Missing] = {
        name: found if isinstance(found, Missing) else _spread(name, cells, error, arm, arms, found)
        for name, found in weights.items()
    }
    pairs = itertools.combinations(known, 2)
    alike = {(one, other): agreement(known[one], known[other], LEVEL) for one, other in pairs}
    known_taus = {pair: tau for pair, tau in alike.items() if tau.is_known}
    return DesignSpace(spreads, known_taus, movers(known, MOST_MOVERS))


def _spread(
    cost: str, cells: pd.DataFrame, error: np.ndarray, arm: np.ndarray, arms: list[str], weights: np.ndarray
) -> Spread:
    level = 1 - (1 - LEVEL) / len(arms)  # Bonferroni: the bands of all arms are simultaneous
    code, names = pd.factorize(cells["cell"])
    by_arm = np.full((2, len(arms), len(names)), np.nan)  # error and weight, by arm and cell
    by_arm[0, arm, code], by_arm[1, arm, code] = error, weights
    by_arm[1] = np.nan_to_num(by_arm[1])
    rng = np.random.default_rng(SEED)
    return Spread(
        cost,
        {name: distribution(error[arm == n], weights[arm == n], level) for n, name in enumerate(arms)},
        {
            name: separation(by_arm[0, 0], by_arm[0, n], (by_arm[1, 0], by_arm[1, n]), rng)
            for n, name in enumerate(arms)
            if n > 0
        },
    )
