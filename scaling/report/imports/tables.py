"""The recognised columns of a table: which quantities and labels they hold, in which unit."""

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scaling.report.imports.quantities import (
    COUNTED,
    FLOPS,
    FRACTION,
    LABELS,
    QUANTITIES,
    NumberColumn,
    Quantity,
    is_error,
    plain_name,
    read_numbers,
)
from scaling.report.imports.raw_table import MOST_NAMED, RawTable
from scaling.report.imports.roles import folded, same_names
from scaling.study.errors import RecordError, unknown
from scaling.wording import plural

VALIDATION = QUANTITIES["val_accuracy"]
OF_TRAINING = {"accuracy", "acc", "error", "err", "mean_accuracy"}  # unless they are the only ones
FACTOR = re.compile(r"(?P<column>.+?)\s*(?P<sign>[*/])\s*(?P<factor>\d+\.?\d*(e[+-]?\d+)?)", re.I)


@dataclass(frozen=True)
class Columns:
    """The recognised columns of a table: numbers in this package's units (NaN where missing) and labels."""

    table: RawTable
    numbers: dict[str, list[float]]  # quantity → one value per row
    labels: dict[str, str]  # label of `LABELS` → column
    used: set[str]
    notes: list[str]
    sources: dict[str, str]  # quantity → column that it was taken from

    @property
    def others(self) -> list[str]:
        """Columns that were not recognised."""
        return [column for column in self.table.columns if column not in self.used]

    def take(self, places: Sequence[int]) -> "Columns":
        """These rows alone, in this order."""
        table = replace(self.table, rows=[self.table.rows[place] for place in places])
        numbers = {name: [values[place] for place in places] for name, values in self.numbers.items()}
        return replace(self, table=table, numbers=numbers)


@dataclass(frozen=True)
class QuantityColumn:
    """A column that holds a quantity."""

    column: str
    factor: float  # to this package's unit; 0: to be guessed from the size of the numbers
    is_error: bool  # whether the quantity is 100 minus it
    given: bool = False  # whether the user gave the factor


def understand(table: RawTable, chosen: Mapping[str, str] | None = None) -> Columns:
    """Find the columns of quantities and labels, from `chosen` or by their names.

    Args:
        chosen: quantity or label → `COLUMN`, `COLUMN*FACTOR` or `COLUMN/FACTOR`; None if the importer has no such
            options, so that no note suggests one.

    Raises:
        RecordError: the table lacks a chosen column; lists the columns seen.
    """
    by_plain: dict[str, str] = {}
    for column in table.columns:
        by_plain.setdefault(plain_name(column), column)
    numbers: dict[str, list[float]] = {}
    sources: dict[str, str] = {}
    notes: list[str] = list(table.notes)
    used: set[str] = set()
    for quantity in QUANTITIES:
        given = quantity in (chosen or {})
        found = (
            [_chosen(table, quantity, chosen[quantity], notes)]
            if chosen and given
            else [source for source in _by_name(quantity, by_plain) if source.column not in used]
        )
        if quantity == "accuracy" and not given:
            found = _test_accuracies(table, found, by_plain, chosen, notes)
        used |= {source.column for source in found}
        for source in found[:1]:
            numbers[quantity], sources[quantity] = (
                _values(table, quantity, source, chosen is not None, notes),
                source.column,
            )
        for other in found[1:]:
            if _is_complement(found[0], other):  # an error beside an accuracy of the same images fills gaps
                more = _values(table, quantity, other, chosen is not None, notes)
                numbers[quantity] = [b if math.isnan(a) else a for a, b in zip(numbers[quantity], more, strict=True)]
    labels: dict[str, str] = {}
    for label, names in LABELS.items():
        if chosen and label in chosen:
            labels[label] = _known(table, label, chosen[label])
            continue
        column = next((by_plain[name] for name in names if name in by_plain and by_plain[name] not in used), None)
        if column and any(cell.strip() for cell in table.cells(column)):  # an empty column of seeds names no seed
            labels[label] = column
    used |= set(labels.values())
    return Columns(table, numbers, labels, used, notes, sources)


def _by_name(quantity: str, by_plain: Mapping[str, str]) -> list[QuantityColumn]:
    """Columns whose names mean the quantity, the usual names first; those that name the test images before others."""
    kind = QUANTITIES[quantity]
    found = [QuantityColumn(by_plain[name], factor, False) for name, factor in kind.aliases.items() if name in by_plain]
    found += [QuantityColumn(by_plain[name], factor, True) for name, factor in kind.errors.items() if name in by_plain]
    return sorted(found, key=lambda source: _images(source.column) != "test") if kind.high == 100 else found


def _test_accuracies(
    table: RawTable,
    found: list[QuantityColumn],
    by_plain: Mapping[str, str],
    chosen: Mapping[str, str] | None,
    notes: list[str],
) -> list[QuantityColumn]:
    """Columns of the test accuracy among those found: Keras names that of training `accuracy`, without a prefix."""
    plain = [source for source in found if plain_name(source.column) in OF_TRAINING]
    named = [source for source in found if source not in plain]
    has_validation = bool((chosen or {}).get("val_accuracy")) or any(
        name in by_plain for name in (*VALIDATION.aliases, *VALIDATION.errors)
    )
    has_test = any(_images(source.column) == "test" for source in named)
    if not plain or not (has_validation or has_test):
        return found
    column = plain[0].column
    notes.append(
        f"{table.path.name}: '{column}' beside an accuracy of other images is taken for that of training, as Keras"
        f" names it; if it is the test accuracy, import with accuracy={column}."
    )
    return named


def _is_complement(first: QuantityColumn, other: QuantityColumn) -> bool:
    """Whether one holds the errors to the accuracies of the other."""
    return first.is_error != other.is_error and _images(first.column) == _images(other.column)


def _images(column: str) -> str:
    """`test` if a column's name says so, `eval` likewise; empty if it names no images."""
    words = plain_name(column).split("_")
    return "test" if {"test", "eval"} & set(words) else ""


def _known(table: RawTable, what: str, column: str) -> str:
    if column not in table.columns:
        raise RecordError(f"{table.path.name}: {what}: {unknown('column', column, table.columns)}")
    return column


def _chosen(table: RawTable, quantity: str, text: str, notes: list[str]) -> QuantityColumn:
    """The column that the user named, with its factor if given."""
    kind = QUANTITIES[quantity]
    match = None if text in table.columns else FACTOR.fullmatch(text)
    column = _known(table, quantity, match["column"].strip() if match else text)
    turned = kind.high == 100 and is_error(column)
    if turned:
        notes.append(f"{table.path.name}: '{column}' is named as an error, so {quantity} is 100 minus it.")
    if match is None:
        return QuantityColumn(column, kind.aliases.get(plain_name(column), 0 if kind.unsaid else 1), turned)
    factor = float(match["factor"])
    if not 0 < factor < math.inf:
        raise RecordError(f"{table.path.name}: {quantity}: a factor of {factor:g} in '{text}'")
    return QuantityColumn(column, factor if match["sign"] == "*" else 1 / factor, turned, given=True)


def _values(
    table: RawTable, quantity: str, source: QuantityColumn, takes_options: bool, notes: list[str]
) -> list[float]:
    """Convert a column to this package's unit; assumptions go into `notes`."""
    kind, column = QUANTITIES[quantity], source.column
    read = read_numbers(table.cells(column), kind.units)
    known = [value for value in read.values if not math.isnan(value)]
    said: list[str] = []
    if read.words:
        said.append(
            f"column '{column}' holds text instead of numbers, such as “{read.words[0][:40]}”;"
            f" {plural(len(read.words), 'cell')} taken as missing."
        )
    if known and kind.high == 100:
        factors = _percents(source, read, said)
    else:
        factors = _factors(quantity, source, read, takes_options, said)
    values = [value * by for value, by in zip(read.values, factors, strict=True)]
    values = [100 - value for value in values] if source.is_error else values
    out = sum(not kind.low <= value <= kind.high for value in values if not math.isnan(value))
    if out:
        limits = f"between {kind.low:g} and {kind.high:g}" if math.isfinite(kind.high) else f"of {kind.low:g} or more"
        said.append(f"{plural(out, 'number')} of '{column}' not {limits} {kind.unit}; taken as missing.")
    notes += [f"{table.path.name}: {note}" for note in said]
    return [value if kind.low <= value <= kind.high and math.isfinite(value) else math.nan for value in values]


def _percents(source: QuantityColumn, read: NumberColumn, said: list[str]) -> list[float]:
    """Factor to percent of each cell; those without a percent sign may be fractions."""
    column, factor = source.column, source.factor
    plain = [v for v, percent in zip(read.values, read.percents, strict=True) if not percent and not math.isnan(v)]
    if plain and max(plain) <= FRACTION and min(plain) >= 0 and factor == 1:
        factor = 100
        where = "without a percent sign " if any(read.percents) else ""
        said.append(f"'{column}' {where}never exceeds 1, so it is read as fractions, not percentages.")
    elif small := sum(0 < value < FRACTION for value in plain) if factor == 1 and not source.is_error else 0:
        said.append(f"{plural(small, 'number')} of '{column}' below 1 beside larger ones, read as percentages.")
    return [source.factor if percent else factor for percent in read.percents]


def _factors(
    quantity: str, source: QuantityColumn, read: NumberColumn, takes_options: bool, said: list[str]
) -> list[float]:
    """Factor of each cell; a unit in the cell takes precedence over that of the column's name."""
    kind, column, factor = QUANTITIES[quantity], source.column, source.factor
    without = [v for v, unit in zip(read.values, read.units, strict=True) if not unit and not math.isnan(v)]
    own = 1.0  # factor of cells with a unit
    example = next((unit for unit in read.units if unit), None)
    if factor == 0 and without:
        factor, note = _by_size(kind, without)
        if note:
            advice = f"; if not, import with {quantity}={column}*FACTOR" if takes_options else ""
            said.append(f"'{column}' names no unit; {note}{advice}.")
    if source.given and example and without:
        said.append(f"The factor {factor:g} applies to cells of '{column}' without a unit, not to those with one.")
    elif source.given and example:
        own = factor
        said.append(f"The cells of '{column}' have a unit ({example}); the factor {factor:g} is applied in addition.")
    flops = FLOPS.search(plain_name(column)) or any("flop" in unit for unit in read.units)
    if quantity == "macs" and flops and not source.given and (without or example):
        halved = f"import with macs={column}*{(factor if without else 1) / 2:g}"
        advice = halved if takes_options and not (example and without) else "halve it in the file first"
        said.append(
            f"'{column}' is read as multiply-accumulates, which most papers call FLOPs. If it counts two operations for"
            f" each, {advice}."
        )
    return [own if unit else factor for unit in read.units]


def _by_size(kind: Quantity, numbers: Sequence[float]) -> tuple[float, str]:
    """Factor of numbers without a unit, and the assumption, if any."""
    limit, large = kind.unsaid or (0.0, 1.0)
    if statistics.median(numbers) >= limit:
        return 1.0, ""
    if max(numbers) > COUNTED and all(value == round(value) for value in numbers):
        return 1.0, f"as whole numbers above {COUNTED:,.0f}, they are read as single {kind.unit}"
    unit = {1e6: "millions", 1e9: "billions"}.get(large, f"{large:g}")
    return large, f"by its size it is read as {unit} of {kind.unit}"


def split_arms(
    values: Sequence[str], wanted: Sequence[str], column: str, most: int, left_out: Sequence[str] = ()
) -> tuple[list[str], list[str | None], list[str]]:
    """Choose the arms; return them in order, the arm of each row (None: left out), and notes.

    If no values are wanted, the `most` common ones are arms, the most common the baseline; the rest is one arm, other.

    Args:
        left_out: values of rows that are no results; they count for the order, so that a crash moves no baseline.

    Raises:
        RecordError: no row has a wanted value.
    """
    said: list[str] = []
    if len(set(wanted)) == len(set(map(folded, wanted))):  # none asks for two spellings
        values, joined = same_names(values)
        spelled = {folded(value): value for value in values}
        wanted, left_out = ([spelled.get(folded(name), name) for name in names] for names in (wanted, left_out))
        said = [f"{column}: {joined} differ in case or blanks alone and are one arm."] if joined else []
    counts, all_rows = Counter(values), Counter([*values, *left_out])
    if wanted:
        bad = [
            f"--arm {column}: {unknown('value', value, list(counts)[:MOST_NAMED])}"
            for value in wanted
            if value not in all_rows
        ]
        if bad:
            raise RecordError(bad)
        of = [value if value in wanted else None for value in values]
        left = sum(arm is None for arm in of)
        said += [f"{plural(left, 'row')} with another {column} left out."] if left else []
        return list(wanted), of, said
    common = sorted(counts, key=lambda value: -all_rows[value])
    if len(common) <= most:
        return common, list(values), said
    named = common[: most - 1]
    note = f"{len(common)} values of {column}: the {most - 1} most common are arms, the others form one arm, “other”."
    return [*named, "other"], [value if value in named else "other" for value in values], [*said, note]
