"""Earlier names of fields that are stored in files: the one table of what was renamed.

When a field of a record, or a setting, is renamed, enter its earlier names here and read it through `either_name`: files
written with an earlier name stay readable. New files hold the new name only.
"""

from pydantic import AliasChoices

EARLIER_NAMES: dict[str, tuple[str, ...]] = {
    "learning_rate_grid": ("bracket",),
}


def either_name(name: str) -> AliasChoices:
    """Validation alias of a renamed field: its name, or one of its earlier names."""
    return AliasChoices(name, *EARLIER_NAMES[name])
