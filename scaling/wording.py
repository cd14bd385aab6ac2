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


def shortened(text: str, most: int = 60) -> str:
    """A text in one line of at most `most` letters: its beginning and its end, if it is long."""
    if len(text) > most:
        text = f"{text[: most * 2 // 3]}…{text[-most // 4 :]}"
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return " " if letter in "\t\n\r" else repr(letter)[1:-1]


def shown(value: object, most: int = 60) -> str:
    """A value as Python writes it, shortened as above."""
    if isinstance(value, str):
        return repr(value if len(value) <= most else shortened(value, most))
    try:
        return shortened(repr(value), most)
    except (ValueError, RecursionError):  # a number of more than 4,300 digits, or one list in another without end
        return f"a {type(value).__name__} that is too large to show"


def points(value: float, *, signed: bool = False, decimals: int = 2) -> str:
    """A difference in percentage points, with a true minus sign: `+0.84`, `−0.12`."""
    value = round(value, decimals) + 0.0  # no negative zero
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return text.replace("-", "−")
