"""Earlier names of fields and values that are stored in files: the one table of what was renamed.

To rename a field of a record, or a setting, enter its earlier names here and read it through `either_name`; to rename
a value of a setting, enter it below and read it through `present_value`. Files written with an earlier name stay
readable; new files hold the new name only.
"""

from typing import Any

from pydantic import AliasChoices

EARLIER_NAMES: dict[str, tuple[str, ...]] = {
    "learning_rate_grid": ("bracket",),
    "activation_checkpointing": ("checkpoint_gradients",),
    "repetitions": ("seeds",),
}
EARLIER_VALUES: dict[str, dict[str, str]] = {
    "keep_weights": {"first_seed": "first_repetition"},
}


def either_name(name: str) -> AliasChoices:
    """Return the validation alias of a renamed field: its name, or any of its earlier names."""
    return AliasChoices(name, *EARLIER_NAMES[name])


def present_name(name: str) -> str:
    """Return the present name of a field or setting; a name that was not renamed as it is."""
    return next((present for present, earlier in EARLIER_NAMES.items() if name in earlier), name)


def present_value(name: str, value: Any) -> Any:
    """Return the present word for the value of a setting; any other value as it is."""
    renamed = EARLIER_VALUES[name]
    return renamed.get(value, value) if isinstance(value, str) else value
