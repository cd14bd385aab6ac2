"""Branches: runs of several lengths that are one run until the shorter one decays, and the states that they start from.

Under `constant_then_decay` the learning rate does not depend on the length of the run before its decay. Trials that
differ in `recipe.epochs` alone, and so have one seed, therefore share their first epochs bit for bit, and one may
continue from a state of another. Hägele et al., arXiv 2405.18392, section 3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaling.study.config import Recipe, Trial, TrialConfig
from scaling.study.storage import Where
from scaling.training.optimisation import LONGEST_WARMUP, decay_start


@dataclass(frozen=True)
class Branches:
    """Where the runs that share a constant part keep states for each other."""

    folder: Where
    latest: int  # epoch after which this run is one of its own
    kept: frozenset[int]  # epochs at whose end it keeps a state, from which another one can start

    @classmethod
    def of(cls, trial: Trial, study: Where) -> "Branches | None":
        """The branches of a trial in the study at `study`; None where no other trial shares its constant part."""
        own = trial.config.recipe
        folder, latest = branch_folder(trial.config, study), constant_epochs(own)
        others = [
            config.recipe
            for config in siblings(trial)
            if config.key != trial.key and branch_folder(config, study) == folder
        ]
        kept = frozenset(min(latest, constant_epochs(other)) for other in others) - {0}
        return cls(folder, latest, kept) if kept else None


def constant_epochs(recipe: Recipe) -> int:
    """Return the whole epochs before the learning rate, or the resolution, depends on the length of the run."""
    grows = recipe.train_resolution is not None and recipe.train_resolution[0] != recipe.train_resolution[1]
    if recipe.schedule != "constant_then_decay" or grows:
        return 0
    return math.floor(decay_start(recipe.epochs, recipe))


def constant_recipe(recipe: Recipe) -> Recipe:
    """Return what a recipe has in common with those of other lengths: all but the length and the decay."""
    warmup = min(recipe.warmup_epochs, LONGEST_WARMUP * recipe.epochs)
    fraction = Recipe.model_fields["decay_fraction"].default
    return recipe.model_copy(update={"epochs": 1, "decay_fraction": fraction, "warmup_epochs": warmup})


def branch_folder(config: TrialConfig, study: Where) -> Where:
    """Folder of the states that the runs of one constant part share."""
    common = config.model_copy(update={"recipe": constant_recipe(config.recipe)})
    return study / "checkpoints" / f"constant-{common.key}"


def siblings(trial: Trial) -> Sequence[TrialConfig]:
    """Settings of the trials that differ from a trial in their epochs alone, itself among them."""
    recipe = trial.config.recipe
    return [
        trial.config.model_copy(update={"recipe": recipe.model_copy(update={"epochs": epochs})})
        for epochs in trial.budgets
    ]
