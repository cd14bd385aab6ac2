"""timm's result and benchmark tables: accuracies and costs of published ImageNet models.

Results have a row per model and weights (`vit_base_patch16_224.augreg_in21k_ft_in1k`), benchmarks a row per
architecture and image size; they are joined by both. https://github.com/huggingface/pytorch-image-models/tree/main/results
"""

import math
import re
from collections import Counter

from scaling.report.imports.importer import ImportRequest, importer
from scaling.report.imports.outcome import Imported, Row
from scaling.report.imports.quantities import number
from scaling.report.imports.raw_table import read_table
from scaling.report.imports.roles import arm_in_words
from scaling.report.imports.study import study_name
from scaling.report.imports.tables import Columns, split_arms, understand
from scaling.study.errors import RecordError
from scaling.wording import plural

MOST_ARMS = 8
IMAGENET_IMAGES = 50_000  # of ImageNet-1k's validation set, used by timm's tables; its variants have fewer
REAL_IMAGES = 46_837  # of them have ReaL labels: Beyer et al., Are we done with ImageNet?, 2020
COUNTED_WITHOUT_ATTENTION = re.compile(r"pt210")  # fvcore had no handler for scaled_dot_product_attention at that time
DERIVED = ("family", "tag", "architecture")
DEVICE = re.compile(r"(rtx\w+|a100\w*|h100\w*|v100\w*|t4|cpu\w*)", re.I)
Key = tuple[str, int | None]  # model, image size in pixels


@importer("timm", argument="RESULTS.csv[,BENCHMARK.csv,…]")
def read_timm(request: ImportRequest) -> Imported:
    """Join a table of accuracies with any number of tables of costs; the first table that has a number wins."""
    request.refuse_options(())
    tables = [understand(read_table(path)) for path in request.paths]
    for table in tables:
        if "model" not in table.labels:
            raise RecordError(f"{table.table.path} names no models; columns seen: {table.table.seen}")
    results = [table for table in tables if "accuracy" in table.numbers]
    benchmarks = [table for table in tables if "accuracy" not in table.numbers]
    if len(results) != 1:
        raise RecordError(
            f"--import timm: {plural(len(results), 'table')} with accuracies, but exactly one is needed: "
            + "; ".join(f"{table.table.path.name} has {table.table.seen}" for table in tables)
        )
    result, notes = results[0], [note for table in tables for note in table.notes]
    for benchmark in benchmarks:
        if not set(benchmark.numbers) - {"accuracy", "top5"}:
            raise RecordError(
                f"{benchmark.table.path} holds neither accuracies nor costs; columns seen: {benchmark.table.seen}"
            )
        if COUNTED_WITHOUT_ATTENTION.search(benchmark.table.path.name):
            notes.append(
                f"{benchmark.table.path.name}: timm's tables of PyTorch 2.1.0 count attention's matrix products as"
                " zero, so MACs and activations of transformers are too low (about 14 % for ViT-Ti)."
            )
    rows, left_out, doubtful = _rows(result, benchmarks)
    if not rows:
        raise RecordError(
            [f"{result.table.path} has no row with a model and an accuracy; " + _left_out(left_out), *notes]
        )
    factor, arms, rows, said = _with_arms(request, rows)
    if benchmarks:
        notes += _without_costs(rows, doubtful, "image_size" in result.labels)
    if left_out:
        notes.append(_left_out(left_out))
    if result.others:
        notes.append(f"Columns not recognised, kept as settings: {', '.join(result.others)}.")
    names = " and ".join(path.name for path in request.paths)
    return Imported(
        name=study_name(result.table.path),
        question="What do published models cost, and what accuracy do they reach?",
        source=f"timm's {names}",
        factor=factor,
        arms=arms,
        axes=list(rows[0].cell),
        rows=rows,
        notes=[*notes, *said],
        roles={
            "score": result.sources["accuracy"],
            "arm": arm_in_words(request.arms.column if request.arms else None, arms),
            "cell": ", ".join(rows[0].cell),
            "seed": "none",
        },
    )


def _rows(result: Columns, benchmarks: list[Columns]) -> tuple[list[Row], Counter[str], set[str]]:
    """Rows, how many were left out and why, and architectures for which benchmarks hold several costs."""
    costs = [_by_model(benchmark) for benchmark in benchmarks]
    sized = "image_size" in result.labels
    models = result.table.cells(result.labels["model"])
    sizes = result.table.cells(result.labels["image_size"]) if sized else [""] * len(models)
    is_imagenet = "imagenet" in result.table.path.name and not re.search(
        r"imagenet[-_]?(a|r|v2|sketch|c)\b|matched", result.table.path.name
    )
    images = REAL_IMAGES if re.search(r"imagenet[-_]?real", result.table.path.name) else IMAGENET_IMAGES
    others = [(column, result.table.cells(column)) for column in result.others]
    rows: list[Row] = []
    left_out: Counter[str] = Counter()
    doubtful: set[str] = set()
    again = (
        "the same model and image size again" if sized else "the same model again (no image size distinguishes them)"
    )
    seen: set[Key] = set()
    for place, (raw, size_text) in enumerate(zip(models, sizes, strict=True)):
        model, size = raw.strip(), _size(size_text)
        quantities = _known(result, place)
        reason = (
            "without a model's name" if not model
            else "without an accuracy" if "accuracy" not in quantities
            else again if (model, size) in seen
            else None
        )  # fmt: skip
        if reason:
            left_out[reason] += 1
            continue
        seen.add((model, size))
        device = None
        for benchmark, (known, several) in zip(benchmarks, costs, strict=True):
            for name in (model, model.split(".")[0]):
                key = (name, size if sized and "image_size" in benchmark.labels else None)
                found = known.get(key)
                if found is not None:
                    doubtful |= {model.split(".")[0]} if key in several else set()
                    quantities = {**found, **quantities}
                    match = DEVICE.search(benchmark.table.path.stem)
                    device = device or (match[0] if match and "throughput" in found else None)
                    break
        if is_imagenet:
            quantities["test_examples"] = images
        cell = {"model": model, **({"image_size": size} if size else {})}
        settings = {column: cells[place] for column, cells in others}
        rows.append(Row(cell, "published", quantities, settings=settings, device=device))
    return rows, left_out, doubtful


def _by_model(table: Columns) -> tuple[dict[Key, dict[str, float]], set[Key]]:
    """Costs by model and image size, and by model alone; and the keys that have several rows.

    If several rows differ, only the costs in which they agree are kept, such as parameters at two image sizes.
    """
    models = table.table.cells(table.labels["model"])
    sizes = table.table.cells(table.labels["image_size"]) if "image_size" in table.labels else [""] * len(models)
    known: dict[Key, dict[str, float]] = {}
    several: set[Key] = set()
    for place, (model, size) in enumerate(zip(models, sizes, strict=True)):
        quantities = _known(table, place)
        for key in {(model.strip(), _size(size)), (model.strip(), None)}:
            first = known.setdefault(key, quantities)
            agreed = {name: value for name, value in first.items() if quantities.get(name) == value}
            if agreed != quantities or agreed != first:
                known[key] = agreed
                several.add(key)
    return known, several


def _without_costs(rows: list[Row], doubtful: set[str], sized: bool) -> list[str]:
    """Note how many rows have no MACs, or not all costs, and why."""
    unclear = [_architecture(row) in doubtful for row in rows]
    none = sum("macs" not in row.quantities and not of for row, of in zip(rows, unclear, strict=True))
    notes = []
    if none:
        at_size = " at their image size" if sized else ""
        notes.append(f"{plural(none, 'model')} of {len(rows)} without MACs: no benchmark has them{at_size}.")
    if sum(unclear):
        unsized = "" if sized else ", and the results name no image size"
        notes.append(
            f"{plural(sum(unclear), 'model')} of {len(rows)} without the costs in which a benchmark's rows for them"
            f" differ: it is unclear which row applies{unsized}."
        )
    return notes


def _architecture(row: Row) -> str:
    return str(row.cell.get("architecture") or row.cell["model"]).split(".")[0]


def _known(table: Columns, place: int) -> dict[str, float]:
    return {name: values[place] for name, values in table.numbers.items() if not math.isnan(values[place])}


def _size(text: str) -> int | None:
    """224 of `224`, `224.0`, `224x224` or `(3, 224, 224)`."""
    read = number(text)
    if read is not None:
        return None if math.isnan(read.value) else round(read.value)
    sizes = [int(digits) for digits in re.findall(r"\d+", text)]
    return max(sizes, default=None)


def _with_arms(request: ImportRequest, rows: list[Row]) -> tuple[str, list[str], list[Row], list[str]]:
    """The factor, the arms, the rows that take part, and notes."""
    if request.arms is None:
        return "source", ["published"], rows, []
    column = request.arms.column
    settings = rows[0].settings
    if column not in DERIVED and column not in settings:
        known = [*DERIVED, *settings]
        raise RecordError(f"--arm {column}: not a column of the results; known: {', '.join(known)}")
    values = [_derived(str(row.cell["model"]), column) or str(row.settings.get(column, "")).strip() for row in rows]
    arms, of, notes = split_arms([value or "none" for value in values], request.arms.values, column, MOST_ARMS)
    taken = []
    for row, arm in zip(rows, of, strict=True):
        if arm is not None:
            cell = dict(row.cell)
            if column == "tag":  # one architecture with different weights is one cell
                architecture = _derived(str(cell.pop("model")), "architecture")
                cell = {"architecture": architecture, **cell}
            taken.append(Row(cell, arm, row.quantities, settings=row.settings, device=row.device))
    return column, arms, _distinct(taken, notes), notes


def _distinct(rows: list[Row], notes: list[str]) -> list[Row]:
    """Keep the first row of each cell and arm; the tables have no reliable order."""
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        first.setdefault((str(row.cell), row.arm), row)
    if len(first) < len(rows):
        notes.append(f"{plural(len(rows) - len(first), 'row')} left out as repeating a cell and arm.")
    return list(first.values())


def _derived(model: str, what: str) -> str | None:
    architecture, _, tag = model.partition(".")
    match = re.match(r"(?:tf_)?([a-z]+)", architecture)
    return {"architecture": architecture, "tag": tag, "family": match[1] if match else architecture}.get(what)


def _left_out(counts: Counter[str]) -> str:
    return "Rows left out: " + (", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none") + "."
