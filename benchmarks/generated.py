"""Tables in documents that are made from results: the lines between two comments are replaced, nothing else."""

from collections.abc import Sequence
from pathlib import Path


def marks(name: str) -> tuple[str, str]:
    """The comments around a generated table."""
    return f"<!-- generated: {name} -->", f"<!-- end of {name} -->"


def generated_part(text: str, name: str) -> str:
    """What a document has between the comments.

    Raises:
        ValueError: it lacks one of them.
    """
    return _split(text, name)[1]


def with_table(text: str, name: str, lines: Sequence[str]) -> str:
    """The document with other lines between the comments."""
    before, _, after = _split(text, name)
    return before + "\n".join(["", *lines, ""]) + after


def write_table(path: Path, name: str, lines: Sequence[str]) -> None:
    """Replace a generated table in a document."""
    path.write_text(with_table(path.read_text(encoding="utf-8"), name, lines), encoding="utf-8")


def _split(text: str, name: str) -> tuple[str, str, str]:
    start, end = marks(name)
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ValueError(f"a document with a generated table needs the comments {start} and {end}, in this order, once")
    before, _, rest = text.partition(start)
    middle, _, after = rest.partition(end)
    return before + start, middle, end + after
