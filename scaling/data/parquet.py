"""parquet:PATH: Parquet files in Hugging Face's layout, as the hub serves them."""

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scaling.config import DataConfig
from scaling.data.folder import existing
from scaling.data.images import MOST_PROBLEMS, EncodedImages, told
from scaling.data.registry import Examples, Found, Spec, source
from scaling.data.splits import ALIASES
from scaling.errors import DataError, unknown

IMAGE_COLUMNS = ("image", "img")  # the names in use on the hub, most usual first
LABEL_COLUMNS = ("label", "labels", "fine_label")


@source("parquet", argument="PATH")
def parquet(spec: Spec, config: DataConfig) -> Found:
    """Read train-*.parquet, validation-*.parquet and test-*.parquet in PATH or PATH/data, or one file."""
    tables = {name: [(str(f), _read(f)) for f in files] for name, files in _files(existing(spec.argument)).items()}
    return found_in(tables, config)


def found_in(tables: dict[str, list[tuple[str, pa.Table]]], config: DataConfig) -> Found:
    """Images and labels in the tables of each set, given with the names of their files.

    Raises:
        DataError: a column is missing or of another kind, or a label is out of range.
    """
    first_name, first = next(itertools.chain(tables.get("train", []), *tables.values()))
    image = _column(first, config.image_column, IMAGE_COLUMNS, "image", first_name)
    label = _column(first, config.label_column, LABEL_COLUMNS, "label", first_name)
    for name, table in (pair for tables_of_set in tables.values() for pair in tables_of_set):
        for column in (image, label):
            if column not in table.column_names:
                raise DataError(f"{name}: {unknown('column', column, table.column_names)}")
    raw = {key: pa.chunked_array([c for _, t in files for c in t[label].chunks]) for key, files in tables.items()}
    class_names, labels = _classes(raw, _names_in_metadata(first, label))
    if "test" in labels and len(labels["test"]) and (labels["test"] == -1).all():
        del tables["test"], labels["test"]  # how the hub publishes a test set whose labels are secret
    _check_range(tables, labels, class_names)
    sets = {
        key: Examples(" ".join(name for name, _ in files[:1]), _encoded(files, image), labels[key])
        for key, files in tables.items()
    }
    return Found(sets, class_names)


def _files(path: Path) -> dict[str, list[Path]]:
    """Files of each set, by the word that begins their name or is the name of their folder."""
    if path.is_file():
        return {"train": [path]}
    files = next(
        (found for folder in (path, path / "data") if (found := sorted(folder.glob("*.parquet")))),
        sorted(path.glob("**/*.parquet")),
    )
    if not files:
        raise DataError(f"{path} holds no *.parquet file, nor does a folder in it")
    sets: dict[str, list[Path]] = {}
    strangers = []
    for file in files:
        words = (re.split(r"[^a-z]", file.name.lower())[0], file.parent.name.lower())
        known = next((ALIASES[word] for word in words if word in ALIASES), None)
        sets.setdefault(known or "", []).append(file)
        if known is None:
            strangers.append(f"{file}: cannot tell its set; files begin with train-, validation- or test-")
    if "" in sets and len(sets) > 1:
        raise told(strangers)
    if "" in sets:
        return {"train": sets[""]}
    return sets


def _read(file: Path) -> pa.Table:
    try:
        return pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable Parquet file ({' '.join(str(error).split())})") from None


def _column(table: pa.Table, wanted: str | None, usual: Sequence[str], kind: str, file: str) -> str:
    """Name of the image or label column."""
    if wanted is not None:
        return wanted
    for name in usual:
        if name in table.column_names:
            return name
    raise DataError(f"{file}: {unknown('column', usual[0], table.column_names)}; set data.{kind}_column")


def _names_in_metadata(table: pa.Table, label: str) -> tuple[str, ...] | None:
    """Class names, where the file's schema holds the hub's description of its features."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(map(str, features[label]["names"]))
    except (KeyError, TypeError, ValueError):
        return None


def _classes(
    raw: dict[str, pa.ChunkedArray], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Class names and labels of each set; where labels are text, classes are counted in alphabetical order."""
    values = {key: column.to_numpy(zero_copy_only=False) for key, column in raw.items()}
    if all(pa.types.is_integer(column.type) and not column.null_count for column in raw.values()):
        labels = {key: value.astype(np.int64) for key, value in values.items()}
        most = max((int(value.max()) for value in labels.values() if len(value)), default=-1)
        return names or tuple(map(str, range(most + 1))), labels
    wrong = [f"{key} labels are {c.type}" + (" with gaps" if c.null_count else "") for key, c in raw.items()]
    if not all(pa.types.is_string(column.type) and not column.null_count for column in raw.values()):
        raise DataError(f"{'; '.join(wrong)}; they must all be whole numbers, or all text")
    known = sorted({str(value) for array in values.values() for value in array})
    numbers = {name: number for number, name in enumerate(known)}
    return tuple(known), {k: np.array([numbers[str(v)] for v in array], np.int64) for k, array in values.items()}


def _check_range(
    tables: dict[str, list[tuple[str, pa.Table]]], labels: dict[str, np.ndarray], names: tuple[str, ...]
) -> None:
    problems = []
    for key, files in tables.items():
        start = 0
        for file, table in files:
            mine = labels[key][start : start + table.num_rows]
            start += table.num_rows
            for row in np.flatnonzero((mine < 0) | (mine >= len(names)))[:MOST_PROBLEMS]:
                problems.append(f"{file} row {row}: label {mine[row]} is out of range; there are {len(names)} classes")
    if problems:
        raise told(problems)


def _encoded(files: list[tuple[str, pa.Table]], image: str) -> EncodedImages:
    """Bytes of the images; rows without bytes are read from the path that stands beside them."""
    contents: list[bytes] = []
    for name, table in files:
        column = table[image].combine_chunks()
        if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
            column = column.field("bytes")
        if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
            raise DataError(f"{name}: column '{image}' holds {column.type}; images are needed as bytes (JPEG, PNG)")
        contents += [b"" if content is None else content for content in column.to_pylist()]
    return EncodedImages(contents, [(name, table.num_rows) for name, table in files])
