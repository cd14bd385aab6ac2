"""Earlier names of fields that are stored in files: the one table of what was renamed.

To rename a field of a record, or a setting, enter its earlier names here and read it through `either_name`. Files
written with an earlier name stay readable; new files hold the new name only.
"""

from pydantic import AliasChoices

EARLIER_NAMES: dict[str, tuple[str, ...]] = {
    "learning_rate_grid": ("bracket",),
    "activation_checkpointing": ("checkpoint_gradients",),
}


def either_name(name: str) -> AliasChoices:
    """Return the validation alias of a renamed field: its name, or any of its earlier names."""
    return AliasChoices(name, *EARLIER_NAMES[name])
