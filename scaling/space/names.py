"""The names that a space may use for registered things and for costs, by the setting that holds them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scaling.space.search_settings import ACCURACY, DESIGNS, STOPPING_RULES
from scaling.study.metrics import METRICS, Role, limited_costs, predicted_costs
from scaling.study.recipe_registries import AUGMENTATIONS, LOSSES, WIDTH_RULES
from scaling.study.registry import Registry
from scaling.study.training_compute import TRAINING_COMPUTE


def match_costs() -> list[str]:
    """Costs that arms can be given equally: counted ones, predicted memory, and the compute of the whole training."""
    return [*predicted_costs(), TRAINING_COMPUTE]


def limit_names() -> list[str]:
    """Costs that can be limited: the counted ones, and the memory of a training step."""
    return limited_costs()


def objective_names() -> list[str]:
    """Goals of designs that look at results: validation accuracy, and the costs that can be limited."""
    return [ACCURACY, *limit_names()]


def is_in_bytes(cost: str) -> bool:
    """Whether a cost is a memory, whose limit may have a unit."""
    return METRICS[cost].role is Role.MEMORY


# (class of settings, setting) → what its value names, and the names there are; for the JSON Schema too
REGISTRIES: Mapping[tuple[str, str], Registry[Any]] = {
    ("Search", "design"): DESIGNS,
    ("Stop", "rule"): STOPPING_RULES,
    ("WidthRule", "name"): WIDTH_RULES,
    ("Recipe", "loss"): LOSSES,
    ("Recipe", "augmentation"): AUGMENTATIONS,
}
COSTS: Mapping[tuple[str, str], Callable[[], Iterable[str]]] = {
    ("Match", "cost"): match_costs,
    ("Search", "objectives"): objective_names,
}
