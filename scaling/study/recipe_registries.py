"""The registries of what a recipe names: learning-rate rules, losses and augmentations, declared without torch."""

from collections.abc import Callable
from typing import Any

from scaling.study.config import Recipe
from scaling.study.errors import TrainingError, unknown
from scaling.study.registry import Registry

WIDTH_RULES: Registry[Callable[..., Any]] = Registry("learning-rate rule", "scaling.training.width_rules")
LOSSES: Registry[Callable[..., Any]] = Registry("loss", "scaling.training.losses")
AUGMENTATIONS: Registry[Callable[..., Any]] = Registry("augmentation", "scaling.data.augment")


def unknown_in_recipe(recipe: Recipe) -> dict[str, str]:
    """Return one message per setting of a recipe that names something unregistered, by the setting's dotted name."""
    found: dict[str, str] = {}
    if recipe.loss not in LOSSES:
        found["loss"] = unknown(LOSSES.kind, recipe.loss, LOSSES)
    for name in recipe.augmentation:
        if name not in AUGMENTATIONS:
            found["augmentation"] = unknown(AUGMENTATIONS.kind, name, AUGMENTATIONS)
    rule = recipe.learning_rate_rule
    if rule is not None and rule.name not in WIDTH_RULES:
        found["learning_rate_rule.name"] = unknown(WIDTH_RULES.kind, rule.name, WIDTH_RULES)
    return found


def refuse_unknown(recipe: Recipe) -> None:
    """Check the names in a recipe before anything is trained.

    Raises:
        TrainingError: one line for each name that is not registered.
    """
    if found := unknown_in_recipe(recipe):
        raise TrainingError([f"recipe.{setting}: {message}" for setting, message in found.items()])
