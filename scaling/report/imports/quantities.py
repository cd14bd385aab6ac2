"""Quantities: the names and units that others use for what this package measures, and how to parse cells.

A unit is part of a column's name (`gmacs`, `Params (M)`), part of its cells (`25.6M`, `81.5%`), or absent. If absent,
the size of the numbers decides, with a note.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MISSING = {"", "-", "--", "–", "—", "nan", "na", "n/a", "#n/a", "none", "null", "?", "n.a.", "tbd"}
SUFFIXES = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
OPERATIONS = SUFFIXES | {
    f"{prefix}{word}": factor
    for prefix, factor in {"": 1, **SUFFIXES}.items()
    for word in ("mac", "macs", "madd", "madds", "flop", "flops")
}
BYTES = {
    **{prefix: SUFFIXES[prefix] for prefix in "kmgt"},
    **{f"{prefix}b": factor for prefix, factor in {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}.items()},
    **{f"{prefix}ib": 1024.0**power for power, prefix in enumerate("kmgt", 1)},
}
MILLISECONDS = {"s": 1e3, "ms": 1, "us": 1e-3, "\N{MICRO SIGN}s": 1e-3, "\N{GREEK SMALL LETTER MU}s": 1e-3}
SECONDS = {"s": 1, "min": 60, "h": 3600}
# A group of thousands does not start with zero: 0,764 is a decimal.
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
NUMBER = re.compile(r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)\s*(?P<unit>[a-zµμ]+)?", re.I)
SPREAD = re.compile(r"\s*(±|\+/-|\+-)\s*[\d.,]+\s*%?$")
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([ '’]\d{3})+(?!\d)")  # 1'234 in Switzerland, 1 234 in France
LONGEST = 100  # letters of a number
MARKS = "*†‡~≈$ "  # around a number: footnotes, approximation, money
FRACTION = 1.0  # accuracies that never exceed this are fractions, not percentages
COUNTED = 1e4  # larger whole numbers are counts: no network has so many millions of parameters


@dataclass(frozen=True)
class Quantity:
    """A number in records, and the names that others use for it."""

    aliases: Mapping[str, float]  # name of a column, from `plain_name` → factor to this package's unit
    unit: str  # in a sentence
    errors: Mapping[str, float] = field(default_factory=dict)  # the same for columns that hold 100 − this
    units: Mapping[str, float] = field(default_factory=lambda: SUFFIXES)  # that cells may have, in lower case
    unsaid: tuple[float, float] | None = (
        None  # (limit, factor): without a unit, multiply if the median is below the limit
    )
    low: float = 0.0  # values outside are invalid
    high: float = math.inf


QUANTITIES: dict[str, Quantity] = {
    "accuracy": Quantity(
        dict.fromkeys(("top1", "top_1", "acc1", "acc_1", "acc_at_1", "top1_acc", "top_1_acc", "top1_accuracy",
                 "top_1_accuracy",
                 "test_accuracy", "test_acc", "test_top1", "accuracy", "acc", "mean_accuracy", "imagenet_top_1",
                 "imagenet_top1", "imagenet_1k_top_1", "eval_top1", "test_acc1", "eval_accuracy"), 1.0),
        "percent",
        dict.fromkeys(("top1_err", "top1_error", "top_1_err", "top_1_error", "err1", "test_error", "test_err",
                 "error", "err", "error_rate", "err_1", "err_at_1", "error_at_1", "top1_error_rate"), 1.0),
        units={}, high=100,
    ),
    "val_accuracy": Quantity(
        dict.fromkeys(("val_accuracy", "val_acc", "validation_accuracy", "valid_acc", "valid_accuracy", "val_top1",
                 "val_acc1", "validation_acc"), 1.0),
        "percent",
        dict.fromkeys(("val_error", "val_err", "validation_error", "valid_error"), 1.0),
        units={}, high=100,
    ),
    "top5": Quantity(
        dict.fromkeys(("top5", "top_5", "acc5", "acc_5", "acc_at_5", "top5_acc", "top_5_acc", "top5_accuracy",
                 "top_5_accuracy", "test_top5", "imagenet_top_5"), 1.0),
        "percent",
        dict.fromkeys(("top5_err", "top5_error", "top_5_err", "top_5_error", "err5", "err_5", "err_at_5",
                 "error_at_5"), 1.0),
        units={}, high=100,
    ),
    "params": Quantity(
        {"param_count": 0, "params": 0, "parameters": 0, "num_params": 0, "n_params": 0, "params_count": 0, "param": 0,
         "number_of_parameters": 0, "params_m": 1e6, "param_m": 1e6, "mparams": 1e6, "params_mio": 1e6, "m_params": 1e6,
         "parameters_m": 1e6, "param_count_m": 1e6, "params_million": 1e6, "params_b": 1e9, "params_k": 1e3},
        "parameters", unsaid=(1e5, 1e6), low=1,
    ),
    "macs": Quantity(
        {"gmacs": 1e9, "infer_gmacs": 1e9, "gmac": 1e9, "macs_g": 1e9, "mmacs": 1e6, "macs_m": 1e6, "macs_b": 1e9,
         "gmadds": 1e9, "mult_adds_g": 1e9, "mult_adds_m": 1e6, "madds_m": 1e6, "macs": 0, "mult_adds": 0, "madds": 0,
         "multiply_adds": 0, "gflops": 1e9, "infer_gflops": 1e9, "flops_g": 1e9, "flops_b": 1e9, "mflops": 1e6,
         "flops_m": 1e6, "bflops": 1e9, "flops": 0},
        "MACs", units=OPERATIONS, unsaid=(1e5, 1e9), low=1,
    ),
    "activations": Quantity(
        {"macts": 1e6, "infer_macts": 1e6, "activations_m": 1e6, "acts_m": 1e6, "activations": 0, "acts": 0},
        "activations", unsaid=(1e5, 1e6), low=1,
    ),
    "training_memory": Quantity(
        {"training_memory_bytes": 1, "train_memory_bytes": 1, "training_memory_mb": 1e6, "train_memory_mb": 1e6,
         "training_memory_gb": 1e9, "train_memory_gb": 1e9, "training_memory_mib": 2**20, "training_memory_gib": 2**30},
        "bytes", units=BYTES, low=1,
    ),
    "inference_memory": Quantity(
        {"inference_memory_bytes": 1, "inference_memory_mb": 1e6, "infer_memory_mb": 1e6, "inference_memory_gb": 1e9,
         "inference_memory_mib": 2**20},
        "bytes", units=BYTES, low=1,
    ),
    "latency": Quantity(
        {"latency_ms": 1, "latency": 1, "latency_s": 1e3, "latency_us": 1e-3, "ms_per_image": 1, "inference_ms": 1,
         "inference_time_ms": 1},
        "milliseconds", units=MILLISECONDS, low=1e-9,
    ),
    "throughput": Quantity(
        dict.fromkeys(("infer_samples_per_sec", "samples_per_sec", "images_per_second", "images_per_sec", "throughput",
                 "im_s", "img_s", "imgs_per_sec", "images_s", "img_per_s", "throughput_img_s",
                 "throughput_images_s"), 1.0),
        "images per second", low=1e-9,
    ),
    "train_seconds": Quantity(
        {"train_seconds": 1, "training_seconds": 1, "train_time_s": 1, "training_time_s": 1, "train_hours": 3600,
         "training_hours": 3600},
        "seconds", units=SECONDS, low=0,
    ),
}  # fmt: skip
UNITS = {unit: factor for kind in QUANTITIES.values() for unit, factor in kind.units.items()}
FLOPS = re.compile(r"flops?")  # columns and cells that may count a multiply-accumulate once or twice
ERROR_WORD = re.compile(r"(^|_)(err|errors?)(_|$)")
LABELS: dict[str, tuple[str, ...]] = {
    "model": ("model", "model_name", "architecture", "arch", "network", "backbone", "name"),
    "image_size": ("img_size", "infer_img_size", "image_size", "input_size", "resolution", "res",
                   "train_img_size", "test_size"),
    "seed": ("seed", "random_seed"),
    "arm": ("arm",),
}  # fmt: skip


def plain_name(column: str) -> str:
    """Normalise a column's name: `Params (M)` becomes `params_m`, `Top-1 Acc. (%)` becomes `top_1_acc`."""
    name = re.sub(r"(?<=[a-z])(?=@)", "_at_", column.strip().lower()).replace("@", "").replace("#", "num_")
    return re.sub(r"[^a-z0-9]+", "_", name.replace("%", "")).strip("_")


def is_error(column: str) -> bool:
    """Whether a column's name means errors, on any images: the accuracy is 100 minus it."""
    plain = plain_name(column)
    return bool(ERROR_WORD.search(plain)) or any(plain in kind.errors for kind in QUANTITIES.values())


class Number(NamedTuple):
    """A parsed cell."""

    value: float  # NaN if the cell marks a missing value
    percent: bool  # whether it has a percent sign
    unit: str  # in lower case: `m` of 25.6M, `gib`; empty if there is none


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, and the cells that are neither numbers nor empty."""

    values: list[float]  # NaN where missing
    words: list[str]
    percents: list[bool]  # whether each cell has a percent sign
    units: list[str]  # of each cell, such as that of 25.6M; empty if there is none


def bare(cell: str) -> str:
    """Strip the marks around a cell's number."""
    return cell.strip().strip(MARKS).strip()


def number(cell: str, units: Mapping[str, float] = SUFFIXES) -> Number | None:
    """Parse a cell; None if it is not a number, has a unit that is not in `units`, or exceeds the range of floats.

    Args:
        units: unit in lower case → factor.
    """
    text = " ".join(bare(cell).split())  # any blanks, also those that do not break a line
    if text.lower() in MISSING:
        return Number(math.nan, False, "")
    if len(text) > LONGEST:
        return None
    if grouped := GROUPED.match(text):
        text = re.sub(r"[ '’]", "", grouped[0]) + text[grouped.end() :]
    text = SPREAD.sub("", text)
    percent = text.endswith("%")
    text = text.rstrip("% ")
    if THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    elif DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    match = NUMBER.fullmatch(text)
    unit = (match["unit"] or "").lower() if match else ""
    if match is None or (unit and unit not in units):
        return None
    value = float(match["number"]) * units.get(unit, 1.0)
    return Number(value, percent, unit) if math.isfinite(value) else None


def read_numbers(cells: Sequence[str], units: Mapping[str, float] = SUFFIXES) -> NumberColumn:
    """Parse a column."""
    values, words, percents, found = [], [], [], []
    for cell in cells:
        read = number(cell, units)
        if read is None:
            words.append(cell.strip())
        values.append(read.value if read else math.nan)
        found.append(read.unit if read else "")
        percents.append(read is not None and read.percent)
    return NumberColumn(values, words, percents, found)
