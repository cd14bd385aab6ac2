"""How figures tell cells apart: a short label, a size, and the line that joins a cell to its neighbours."""

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaling.report.analysis.analysis import Analysis
from scaling.study.config import as_whole, cell_label

LONGEST = 14  # characters of a value in a label


@dataclass(frozen=True)
class CellMark:
    """The look of one cell in figures of accuracy against cost."""

    label: str  # short: `d8 w64`
    line: int  # cells with equal numbers differ in one axis alone and are joined
    size: float  # 0 for the smallest value, 1 for the largest, of the axis in which lines differ


def cell_marks(analysis: Analysis) -> dict[str, CellMark]:
    """The mark of every cell by its label, in the order of the records.

    Lines run along the first axis of numbers; cells on one line are equal in all other axes.
    """
    cells = {cell_label(record.cell): record.cell for record in analysis.records}
    axes = list(dict.fromkeys(axis for cell in cells.values() for axis in cell))
    names = short_names(axes)
    values = {axis: list(dict.fromkeys(_known(cell.get(axis)) for cell in cells.values())) for axis in axes}
    numeric = [axis for axis in axes if len(values[axis]) > 1 and all(_is_number(v) for v in values[axis])]
    along = numeric[0] if numeric else None
    sized = numeric[1] if len(numeric) > 1 else along
    ranks = {v: place for place, v in enumerate(sorted(values[sized]))} if sized else {}
    lines: dict[tuple[Any, ...], int] = {}
    marks = {}
    for label, cell in cells.items():
        others = tuple(_known(cell.get(axis)) for axis in axes if axis != along)
        marks[label] = CellMark(
            label=" ".join(_short(names[axis], value) for axis, value in cell.items() if len(values[axis]) > 1),
            line=lines.setdefault(others, len(lines)),
            size=ranks[_known(cell.get(sized))] / max(1, len(ranks) - 1) if sized else 0.5,
        )
    return marks


def short_names(axes: Sequence[str]) -> dict[str, str]:
    """The shortest beginnings of the last parts of names that tell them apart: depth and width are d and w."""
    last = {axis: axis.rpartition(".")[2] for axis in axes}
    short = {}
    for axis, name in last.items():
        others = [other for one, other in last.items() if one != axis]
        wide = next((n for n in range(1, len(name)) if not any(o.startswith(name[:n]) for o in others)), len(name))
        short[axis] = name[:wide]
    return short


def joined(marks: Mapping[str, CellMark], most: int = 12) -> bool:
    """Whether lines between cells help: some join at least two, and there are at most `most`."""
    lines = [mark.line for mark in marks.values()]
    return 0 < len(set(lines)) < len(lines) and len(set(lines)) <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _known(value: Any) -> Any:
    """A value as one that can be compared and hashed."""
    return as_whole(value) if _is_number(value) else str(value)


def _short(name: str, value: Any) -> str:
    if _is_number(value):
        return f"{name}{as_whole(value):g}"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
