"""The registries of what a recipe names: learning-rate rules, losses and augmentations, declared without torch."""

from collections.abc import Callable
from typing import Any

from scaling.study.registry import Registry

WIDTH_RULES: Registry[Callable[..., Any]] = Registry("learning-rate rule", "scaling.training.width_rules")
LOSSES: Registry[Callable[..., Any]] = Registry("loss", "scaling.training.losses")
AUGMENTATIONS: Registry[Callable[..., Any]] = Registry("augmentation", "scaling.data.augment")
