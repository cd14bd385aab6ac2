"""Metrics of Ray Tune: which of the reported numbers is the accuracy, on which images, and which are costs.

Names may be nested, as `test/acc`. The part before the last slash names the images of a metric, so the whole name is
tried first, and a metric on training images is never an accuracy.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from scaling.report.imports.importer import ImportRequest
from scaling.report.imports.quantities import QUANTITIES, Quantity, is_error, plain_name
from scaling.report.imports.raw_table import MOST_NAMED
from scaling.study.errors import RecordError, unknown

# Written by Tune itself into every result.
OWN = {
    "timestamp", "checkpoint_dir_name", "should_checkpoint", "done", "training_iteration", "trial_id", "date", "config",
    "time_this_iter_s", "time_total_s", "pid", "hostname", "node_ip", "time_since_restore", "iterations_since_restore",
    "experiment_tag",
}  # fmt: skip
SETS = {"train": "train", "training": "train", "test": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "val"
)


class TuneMetric(NamedTuple):
    """A metric that holds a quantity."""

    name: str
    factor: float  # to this package's unit
    is_error: bool  # whether the quantity is 100 minus it


def find_metrics(request: ImportRequest, folder: Path, names: Sequence[str], notes: list[str]) -> dict[str, TuneMetric]:
    """Find the metric of each quantity, by option or by name. Alternatives for the accuracy go into `notes`.

    Raises:
        RecordError: an option names no metric, or none is known as an accuracy; lists the metrics seen.
    """
    own = [name for name in names if name not in OWN and not name.startswith("config/")]
    found: dict[str, TuneMetric] = {}
    for quantity, kind in QUANTITIES.items():
        if quantity in request.options:
            name = request.options[quantity]
            if name not in names:
                raise RecordError(f"{folder}: {quantity}: {unknown('metric', name, own[:MOST_NAMED])}")
            turned = kind.high == 100 and is_error(name)
            if turned:
                notes.append(f"'{name}' is named as an error, so {quantity} is 100 minus it.")
            found[quantity] = TuneMetric(name, kind.aliases.get(plain_name(name)) or 1.0, turned)
            continue
        of_val = quantity == "top5" and found.get("accuracy") == found.get("val_accuracy")
        known = _candidates(quantity, own, "val" if of_val else "test")
        if known:
            found[quantity] = known[0]
        if quantity == "accuracy" and len(known) > 1:
            others = ", ".join(metric.name for metric in known[1:MOST_NAMED])
            notes.append(f"Other possible accuracies: {others}; use accuracy=METRIC if '{known[0].name}' is wrong.")
        if quantity == "val_accuracy" and "accuracy" not in found and known:
            found["accuracy"] = known[0]
    if "accuracy" not in found:
        raise RecordError(
            f"{folder}: no metric is known as an accuracy; metrics seen: {', '.join(own[:MOST_NAMED]) or 'none'}. Name"
            f" it: --import 'tune:{folder}?accuracy=METRIC'"
        )
    return found


def _candidates(quantity: str, names: Sequence[str], scored_on: str) -> list[TuneMetric]:
    """Metrics that may be the quantity, the best match first: on the wanted images, then by its whole name."""
    kind = QUANTITIES[quantity]
    found: list[tuple[bool, bool, TuneMetric]] = []
    for name in names:
        images, whole, last = _images(name), plain_name(name), plain_name(name.rpartition("/")[2])
        if kind.high == 100 and images not in ({"val"} if quantity == "val_accuracy" else {scored_on, ""}):
            continue
        factor = _known_as(kind, (whole, last))
        if factor is None and quantity == "val_accuracy":  # `valid/top1`: an accuracy on validation images
            factor = _known_as(QUANTITIES["accuracy"], (last,))
        if factor is not None:
            turned = kind.high == 100 and is_error(last)
            found.append((images != scored_on, whole not in _names(kind), TuneMetric(name, factor or 1.0, turned)))
    return [metric for *_, metric in sorted(found, key=lambda entry: entry[:2])]


def _images(name: str) -> str:
    """`train`, `val` or `test`, from the last matching word of a name; empty if there is none."""
    said = [SETS[word] for word in plain_name(name).split("_") if word in SETS]
    return said[-1] if said else ""


def _names(kind: Quantity) -> Collection[str]:
    return kind.aliases.keys() | kind.errors.keys()


def _known_as(kind: Quantity, names: Sequence[str]) -> float | None:
    """Factor of the first of `names` that is an alias of the quantity; None if none is."""
    return next(({**kind.aliases, **kind.errors}[name] for name in names if name in _names(kind)), None)
