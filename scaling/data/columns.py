"""Columns of images and labels in Arrow tables: found, checked and turned into plain values."""

import itertools
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from scaling.data.labels import MISSING
from scaling.study.config import DataConfig
from scaling.study.errors import DataError, unknown
from scaling.wording import first_few

IMAGE_COLUMNS = ("image", "img")  # names used on the hub, most common first
LABEL_COLUMNS = ("label", "labels", "fine_label")
LARGEST = np.iinfo(np.int64).max


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


def type_of(schema: pa.Schema, name: str, origin: str) -> pa.DataType:
    """Return the type of a column, or of a field in a struct: `meta.label`.

    Raises:
        DataError: there is none of that name.
    """
    if name in schema.names:
        return schema.field(name).type
    first, *inner = name.split(".")
    if first not in schema.names or not inner:
        raise DataError(f"{origin}: {unknown('column', name, schema.names)}")
    found = schema.field(first).type
    for depth, part in enumerate(inner, 1):
        fields = [field.name for field in found] if pa.types.is_struct(found) else []
        if part not in fields:
            outer = ".".join([first, *inner][:depth])
            raise DataError(f"{origin}: column '{outer}': {unknown('field', part, fields)}")
        found = found.field(part).type
    return found


def part_of(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return the part of a column that its dotted name means; a field of a null struct is null."""
    for part in name.split(".")[1:] if pa.types.is_struct(column.type) else []:
        chunks = column.chunks
        inner = column.type.field(part).type
        column = pa.chunked_array([chunk.flatten()[chunk.type.get_field_index(part)] for chunk in chunks], type=inner)
    return column


def check_images(schema: pa.Schema, image: str, origin: str) -> str:
    """Return the name of the column of image bytes, in Parquet's notation: `image.bytes` or `image`.

    Raises:
        DataError: the column is missing, or images are not stored as bytes.
    """
    kind, name = type_of(schema, image, origin), image
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind, name = kind.field("bytes").type, f"{image}.bytes"
    stored = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    if not any(test(stored) for test in tests):
        raise DataError(f"{origin}: column '{image}' holds {kind}; images must be stored as bytes (JPEG, PNG)")
    return name


def check_labels(schema: pa.Schema, label: str, origin: str) -> None:
    """Raise `DataError` if the label column is missing or holds neither numbers nor text."""
    kind = type_of(schema, label, origin)
    if pa.types.is_struct(kind):
        names = [f"{label}.{field.name}" for field in kind]
        raise DataError(
            f"{origin}: column '{label}' holds several fields; set data.label_column to {' or '.join(names)}"
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        raise DataError(f"{origin}: column '{label}' holds lists; an image needs one label, not several")
    stored = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (_is_text(stored) or _is_number(stored) or pa.types.is_null(stored)):
        raise DataError(f"{origin}: column '{label}' holds {kind}; labels must be all integers or all text")


def label_values(column: pa.ChunkedArray, origin: str) -> np.ndarray:
    """Return the labels of one file: whole numbers int64 with `MISSING`, or text with "" where there is none.

    Raises:
        DataError: fractions, or numbers beyond 64 bits.
    """
    if pa.types.is_dictionary(column.type):
        inner = column.type.value_type
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], type=inner)
    kind = column.type
    if _is_text(kind):
        return np.array([value or "" for value in column.to_pylist()], object)
    if pa.types.is_null(kind):
        return np.full(len(column), MISSING)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return _whole(column, origin)
    if pa.types.is_decimal(kind) or kind == pa.float16():
        values = np.array([np.nan if value is None else float(value) for value in column.to_pylist()])
    else:
        values = column.fill_null(float("nan")).to_numpy().astype(np.float64)
    present = ~np.isnan(values)
    odd = np.flatnonzero(present & ((values != np.floor(values)) | (np.abs(values) > 2**53)))
    if len(odd):
        raise DataError(
            f"{origin} row {odd[0]}: label {values[odd[0]]:g} is no whole number, as in {len(odd)} of {len(values)}"
            " rows; labels must be all integers or all text"
        )
    return np.where(present, values, MISSING).astype(np.int64)


def _whole(column: pa.ChunkedArray, origin: str) -> np.ndarray:
    gaps = column.is_null().to_numpy()
    values = column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column
    filled = values.fill_null(0).to_numpy()
    if len(filled) and filled.dtype.kind == "u" and int(filled.max()) > LARGEST:
        raise DataError(f"{origin} row {int(np.argmax(filled))}: label {filled.max()} is not the number of a class")
    return np.where(gaps, MISSING, filled.astype(np.int64))


def names_of_truths(kind: pa.DataType) -> tuple[str, ...] | None:
    """Return the class names of a column of truth values, or None for another column."""
    return ("false", "true") if pa.types.is_boolean(kind) else None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_number(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def names_in_metadata(schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    """Return the class names if the schema holds the hub's description of its features."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        for part in [label] if label in found else label.split("."):
            found = found[part]
        return tuple(map(str, found["names"]))
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
    others = [place for place, names in found.items() if names != known]
    if known and others:
        names = found[others[0]]
        at, ours, theirs = next((i, a, b) for i, (a, b) in enumerate(itertools.zip_longest(known, names)) if a != b)
        more = f"; so do {first_few(others[1:], 2)}" if others[1:] else ""
        raise DataError(
            f"{others[0]}: label {at} is {theirs!r}, but {ours!r} in {origin}; all class names must agree{more}"
        )
    return known
