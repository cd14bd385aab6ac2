"""parquet:PATH: Parquet files in Hugging Face's layout, as the hub serves them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scaling.data.folder import existing
from scaling.data.labels import is_secret, numbered
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.data.row_groups import RowGroupImages, layout_of, window_bytes
from scaling.data.shards import files_of_sets
from scaling.study.config import DataConfig
from scaling.study.errors import DataError, unknown

IMAGE_COLUMNS = ("image", "img")  # names used on the hub, most common first
LABEL_COLUMNS = ("label", "labels", "fine_label")


@source("parquet", argument="PATH")
def parquet(spec: Spec, config: DataConfig) -> SourceContent:
    """Find train-*.parquet, validation-*.parquet and test-*.parquet in PATH or PATH/data, or read one file.

    Read the labels. Images stay in the files and are read one row group at a time when needed.
    """
    files = _files(existing(spec.argument))
    schemas = {file: _schema(file) for files_of_set in files.values() for file in files_of_set}
    first = schemas[files["train"][0]] if "train" in files else next(iter(schemas.values()))
    origin = str(next(iter(schemas)))
    image, label = image_and_label(first, config, origin)
    for file, schema in schemas.items():
        check_columns(schema, image, label, str(file))
    raw = {name: _labels(paths, label) for name, paths in files.items()}
    column = f"{image}.bytes" if pa.types.is_struct(first.field(image).type) else image
    images = {name: _images(paths, column, config) for name, paths in files.items()}
    known = common_names({str(file): schema for file, schema in schemas.items()}, label)
    class_names, labels = numbered(raw, known, lambda name, row: images[name].place(row))
    sets = {
        name: Examples(str(files[name][0]), images[name], labels[name])
        for name in files
        if not is_secret(name, labels[name])
    }
    return SourceContent(sets, class_names)


def image_and_label(schema: pa.Schema, config: DataConfig, origin: str) -> tuple[str, str]:
    """Return the names of the image and label columns: those in the config, or the common ones."""

    def column(wanted: str | None, common: Sequence[str], kind: str) -> str:
        if wanted is not None:
            return wanted
        for name in common:
            if name in schema.names:
                return name
        raise DataError(f"{origin}: {unknown('column', common[0], schema.names)}; set data.{kind}_column")

    return column(config.image_column, IMAGE_COLUMNS, "image"), column(config.label_column, LABEL_COLUMNS, "label")


def check_columns(schema: pa.Schema, image: str, label: str, origin: str) -> None:
    """Raise `DataError` if a column is missing or images are not stored as bytes."""
    for name in (image, label):
        if name not in schema.names:
            raise DataError(f"{origin}: {unknown('column', name, schema.names)}")
    kind = schema.field(image).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise DataError(f"{origin}: column '{image}' holds {kind}; images must be stored as bytes (JPEG, PNG)")


def names_in_metadata(schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    """Return the class names if the schema holds the hub's description of its features."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(map(str, features[label]["names"]))
    except (KeyError, TypeError, ValueError):
        return None


def common_names(schemas: Mapping[str, pa.Schema], label: str) -> tuple[str, ...] | None:
    """Return the class names that files or sets have in common, or None if none of them holds class names.

    Args:
        schemas: of each file or set, by its location.

    Raises:
        DataError: two differ, so that one label would mean two classes.
    """
    found = {place: names for place, schema in schemas.items() if (names := names_in_metadata(schema, label))}
    origin, known = next(iter(found.items()), ("", None))
    for place, names in found.items():
        if known and names != known:
            at, ours, theirs = next((i, a, b) for i, (a, b) in enumerate(itertools.zip_longest(known, names)) if a != b)
            raise DataError(f"{place}: label {at} is {theirs!r}, but {ours!r} in {origin}; all class names must agree")
    return known


def label_values(column: pa.ChunkedArray, origin: str) -> np.ndarray:
    """Return the labels of one set: integers or text."""
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
        gaps = " with gaps" if column.null_count else ""
        raise DataError(f"{origin}: labels are {column.type}{gaps}; they must be all integers or all text")
    values = column.to_numpy(zero_copy_only=False)
    return values.astype(np.int64) if pa.types.is_integer(column.type) else values


def _files(path: Path) -> dict[str, list[Path]]:
    if path.is_file():
        return {"train": [path]}
    files = next(
        (found for folder in (path, path / "data") if (found := sorted(folder.glob("*.parquet")))),
        sorted(path.glob("**/*.parquet")),
    )
    if not files:
        raise DataError(f"neither {path} nor its subfolders contain a *.parquet file")
    return files_of_sets(files)


def _schema(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable Parquet file ({' '.join(str(error).split())})") from None


def _labels(files: Sequence[Path], label: str) -> np.ndarray:
    try:
        columns = [pq.read_table(file, columns=[label]).column(label) for file in files]
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{files[0]}: labels cannot be read ({' '.join(str(error).split())})") from None
    values = [label_values(column, str(file)) for file, column in zip(files, columns, strict=True)]
    if len({value.dtype.kind for value in values}) > 1:
        raise DataError(f"{files[0].parent}: some labels are integers and some are text")
    return np.concatenate(values)


def _images(files: Sequence[Path], column: str, config: DataConfig) -> RowGroupImages:
    layout = layout_of([str(file) for file in files], column)
    return RowGroupImages(layout, np.arange(layout.first[-1]), keep_bytes=2 * window_bytes(config))
