"""Quantities: names and units under which others publish what this package measures, and how their cells are read.

Units stand in a column's name (`gmacs`, `Params (M)`), in its cells (`25.6M`, `81.5%`), or nowhere. In the last case
the size of the numbers decides, and that is said.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MISSING = {"", "-", "--", "–", "—", "nan", "na", "n/a", "#n/a", "none", "null", "?", "n.a.", "tbd"}
SUFFIXES = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
NUMBER = re.compile(
    r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)\s*(?P<suffix>[kmgbt])?(i?b)?\s*(?P<percent>%)?", re.I
)
SPREAD = re.compile(r"\s*(±|\+/-|\+-)\s*[\d.,]+\s*%?$")
FRACTION = 1.0  # accuracies that nowhere exceed this are parts of one, not percents


@dataclass(frozen=True)
class Quantity:
    """A number that records hold, and how others call it."""

    aliases: Mapping[str, float]  # name of a column, as `plain_name` gives it → factor into this package's unit
    unit: str  # in a sentence
    errors: Mapping[str, float] = field(default_factory=dict)  # the same for columns of 100 − this
    unsaid: tuple[float, float] | None = None  # (limit, factor): without a unit, a median below the limit is × factor
    low: float = 0.0  # what lies outside is no such quantity
    high: float = math.inf


QUANTITIES: dict[str, Quantity] = {
    "accuracy": Quantity(
        dict.fromkeys(("top1", "top_1", "acc1", "acc_1", "acc_at_1", "top1_acc", "top_1_acc", "top1_accuracy",
                 "top_1_accuracy",
                 "test_accuracy", "test_acc", "test_top1", "accuracy", "acc", "mean_accuracy", "imagenet_top_1",
                 "imagenet_top1", "imagenet_1k_top_1", "eval_top1", "test_acc1", "eval_accuracy"), 1.0),
        "percent",
        dict.fromkeys(("top1_err", "top1_error", "top_1_err", "top_1_error", "err1", "test_error", "test_err",
                 "error", "err", "error_rate"), 1.0),
        high=100,
    ),
    "val_accuracy": Quantity(
        dict.fromkeys(("val_accuracy", "val_acc", "validation_accuracy", "valid_acc", "valid_accuracy", "val_top1",
                 "val_acc1", "validation_acc"), 1.0),
        "percent",
        dict.fromkeys(("val_error", "val_err", "validation_error", "valid_error"), 1.0),
        high=100,
    ),
    "top5": Quantity(
        dict.fromkeys(("top5", "top_5", "acc5", "acc_5", "acc_at_5", "top5_acc", "top_5_acc", "top5_accuracy",
                 "top_5_accuracy", "test_top5", "imagenet_top_5"), 1.0),
        "percent",
        dict.fromkeys(("top5_err", "top5_error", "top_5_err", "top_5_error", "err5"), 1.0),
        high=100,
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
        "MACs", unsaid=(1e5, 1e9), low=1,
    ),
    "activations": Quantity(
        {"macts": 1e6, "infer_macts": 1e6, "activations_m": 1e6, "acts_m": 1e6, "activations": 0, "acts": 0},
        "activations", unsaid=(1e5, 1e6), low=1,
    ),
    "training_memory": Quantity(
        {"training_memory_bytes": 1, "train_memory_bytes": 1, "training_memory_mb": 1e6, "train_memory_mb": 1e6,
         "training_memory_gb": 1e9, "train_memory_gb": 1e9, "training_memory_mib": 2**20, "training_memory_gib": 2**30},
        "bytes", low=1,
    ),
    "inference_memory": Quantity(
        {"inference_memory_bytes": 1, "inference_memory_mb": 1e6, "infer_memory_mb": 1e6, "inference_memory_gb": 1e9,
         "inference_memory_mib": 2**20},
        "bytes", low=1,
    ),
    "latency": Quantity(
        {"latency_ms": 1, "latency": 1, "latency_s": 1e3, "latency_us": 1e-3, "ms_per_image": 1, "inference_ms": 1,
         "inference_time_ms": 1},
        "milliseconds", low=1e-9,
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
        "seconds", low=0,
    ),
}  # fmt: skip
FLOPS = re.compile(r"flops")  # columns that may count a multiply-accumulate once or twice
LABELS: dict[str, tuple[str, ...]] = {
    "model": ("model", "name", "model_name", "architecture", "arch", "network", "backbone"),
    "image_size": ("img_size", "infer_img_size", "image_size", "input_size", "resolution", "res",
                   "train_img_size", "test_size"),
    "seed": ("seed", "random_seed"),
    "arm": ("arm",),
}  # fmt: skip


def plain_name(column: str) -> str:
    """A column's name without what people vary: `Params (M)` is `params_m`, `Top-1 Acc. (%)` is `top_1_acc`."""
    name = re.sub(r"(?<=[a-z])(?=@)", "_at_", column.strip().lower()).replace("@", "").replace("#", "num_")
    return re.sub(r"[^a-z0-9]+", "_", name.replace("%", "")).strip("_")


@dataclass(frozen=True)
class Reading:
    """A column of numbers: what each cell says, and cells that say none though they are not empty."""

    values: list[float]  # NaN where missing
    words: list[str]
    percents: bool  # whether any cell has a percent sign
    suffixed: bool  # whether any cell has its own unit, such as 25.6M


def number(cell: str) -> tuple[float, bool, bool] | None:
    """(value, whether a percent sign, whether a suffix) of a cell; NaN where it says that nothing is known.

    None where it is no number.
    """
    text = cell.strip().strip("*†‡~≈$ ").strip()
    if text.lower() in MISSING:
        return math.nan, False, False
    text = SPREAD.sub("", text)
    percent = text.endswith("%")
    body = text.rstrip("% ")
    if THOUSANDS.fullmatch(body):
        text = body.replace(",", "")
    elif DECIMAL_COMMA.fullmatch(body):
        text = body.replace(",", ".")
    match = NUMBER.fullmatch(text.replace("\u202f", "").replace("\u00a0", ""))
    if match is None:
        return None
    suffix = (match["suffix"] or "").lower()
    return float(match["number"]) * SUFFIXES.get(suffix, 1.0), percent or bool(match["percent"]), bool(suffix)


def read_numbers(cells: Sequence[str]) -> Reading:
    """Read a column."""
    values, words, percents, suffixed = [], [], False, False
    for cell in cells:
        read = number(cell)
        if read is None:
            words.append(cell.strip())
            values.append(math.nan)
            continue
        value, has_percent, has_suffix = read
        values.append(value if math.isfinite(value) else math.nan)
        percents, suffixed = percents or has_percent, suffixed or has_suffix
    return Reading(values, words, percents, suffixed)
