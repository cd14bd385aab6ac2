"""The text that goes with a figure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """Title, caption and description of a figure."""

    title: str
    caption: str  # how to read it, with its n
    description: str  # for screen readers
