"""Words and numbers as a reader expects them, in messages, captions and sentences."""

from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listing(parts: Sequence[str]) -> str:
    """Parts in a sentence: `a`, `a and b`, `a, b and c`."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def first_few(parts: Sequence[str], most: int) -> str:
    """The first `most` parts in a sentence, and how many there are besides: `a; b; and 3 more`."""
    more = len(parts) - most
    return "; ".join([*parts[:most], *([f"and {more} more"] if more > 0 else [])])


def points(value: float, *, signed: bool = False, decimals: int = 2) -> str:
    """A difference in percentage points, with a true minus sign: `+0.84`, `−0.12`."""
    value = round(value, decimals) + 0.0  # no negative zero
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return text.replace("-", "−")
