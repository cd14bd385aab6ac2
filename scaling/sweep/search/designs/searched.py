"""Designs that look at results: Optuna's samplers propose cells from the scores of earlier cells."""

from typing import TYPE_CHECKING

import optuna

from scaling.space.schema import Space
from scaling.sweep.search.optuna_search import CONSTRAINTS, sampled
from scaling.sweep.search.proposals import Proposals, design

if TYPE_CHECKING:
    from scaling.sweep.search.feasibility import Feasibility


def _startup(cells: int) -> int:
    """Number of cells drawn at random before a model is fitted: Optuna's ten, or fewer if few cells are run."""
    return max(4, min(10, cells // 3))


@design(samples=True, searches=True)
def tpe(space: Space, feasibility: "Feasibility") -> Proposals:
    """Tree-structured Parzen estimator. Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011."""
    return sampled(
        space,
        feasibility,
        lambda seed, cells: optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=_startup(cells),
            constant_liar=True,  # all cells of a batch are drawn before the first has a result
            constraints_func=CONSTRAINTS,
        ),
    )


@design(samples=True, searches=True)
def gp(space: Space, feasibility: "Feasibility") -> Proposals:
    """Gaussian process; with several objectives, expected hypervolume improvement."""
    return sampled(
        space,
        feasibility,
        lambda seed, cells: optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=_startup(cells), constraints_func=CONSTRAINTS, warn_independent_sampling=False
        ),
    )


@design(samples=True, searches=True)
def nsga2(space: Space, feasibility: "Feasibility") -> Proposals:
    """Evolution towards the front. Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm", 2002."""
    return sampled(
        space,
        feasibility,
        lambda seed, cells: optuna.samplers.NSGAIISampler(
            seed=seed, population_size=max(4, min(50, cells // 4)), constraints_func=CONSTRAINTS
        ),
    )
