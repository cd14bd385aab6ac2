"""Text: what is said about a figure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """What is said about a figure."""

    title: str
    caption: str  # how to read it, with its n
    description: str  # for those who cannot see it
