"""Design space: how errors are distributed over the cells of each arm, and where costs rank models differently."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.report.analysis.equal_costs import EVERY_COST
from scaling.statistics.distributions import Distribution, Separation, complexity_weights, distribution, separation
from scaling.statistics.intervals import Interval
from scaling.statistics.missing import Missing
from scaling.statistics.paired import LEVEL
from scaling.statistics.ranks import Mover, agreement, movers

SEED = 0  # of the permutations: equal records give equal reports
MOST_MOVERS = 10
PLAIN = "none"  # in place of a cost: every cell counts alike


@dataclass(frozen=True)
class Spread:
    """Distributions of all arms under one weighting."""

    cost: str  # for which cells are weighted; PLAIN: for none
    arms: dict[str, Distribution | Missing]
    separations: dict[str, Separation | Missing]  # of every other arm from the baseline


@dataclass(frozen=True)
class DesignSpace:
    """What the cells say as a population."""

    spreads: dict[str, Spread | Missing]  # by cost, PLAIN first
    agreement: dict[tuple[str, str], Interval]  # of every two costs that enough models have, and not all alike
    movers: list[Mover]  # rows of `analysis.cells`


def describe_space(cells: pd.DataFrame, arms: list[str]) -> DesignSpace:
    """Describe a design space by its cells, one row a cell and arm as `analysis.summarise` gives them."""
    error = 100 - cells["test_accuracy"].to_numpy(dtype=float)
    arm = np.array([arms.index(name) for name in cells["arm"]], dtype=int)
    known = {name: values for name in EVERY_COST if np.isfinite(values := cells[name].to_numpy(dtype=float)).any()}
    weights: dict[str, np.ndarray | Missing] = {PLAIN: np.ones(len(cells))}
    weights |= {name: complexity_weights(values, arm, len(arms)) for name, values in known.items()}
    spreads: dict[str, Spread | Missing] = {
        name: found if isinstance(found, Missing) else _spread(name, cells, error, arm, arms, found)
        for name, found in weights.items()
    }
    pairs = itertools.combinations(known, 2)
    alike = {(one, other): agreement(known[one], known[other], LEVEL) for one, other in pairs}
    told = {pair: tau for pair, tau in alike.items() if tau.is_known}
    return DesignSpace(spreads, told, movers(known, MOST_MOVERS))


def _spread(
    cost: str, cells: pd.DataFrame, error: np.ndarray, arm: np.ndarray, arms: list[str], weights: np.ndarray
) -> Spread:
    level = 1 - (1 - LEVEL) / len(arms)  # Bonferroni: the bands of all arms hold together
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
