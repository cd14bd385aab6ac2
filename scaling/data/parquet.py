"""parquet:PATH: Parquet files in Hugging Face's layout, as the hub serves them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scaling.data.columns import (
    check_images,
    check_labels,
    common_names,
    image_and_label,
    label_values,
    names_of_truths,
    part_of,
    type_of,
)
from scaling.data.folder import existing
from scaling.data.labels import is_text, numbered, refuse_kinds, without_withheld
from scaling.data.listing import PassedOver, without_skipped
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.data.row_groups import RowGroupImages, layout_of, window_bytes
from scaling.data.shards import files_of_sets
from scaling.study.config import DataConfig
from scaling.study.errors import DataError
from scaling.wording import first_few


@source("parquet", argument="PATH")
def parquet(spec: Spec, config: DataConfig) -> SourceContent:
    """Find train-*.parquet, validation-*.parquet and test-*.parquet in PATH or PATH/data, or read one file.

    Read the labels. Images stay in the files and are read one row group at a time when needed.
    """
    passed = PassedOver()
    files = _files(existing(spec.argument), passed)
    schemas = {file: _schema(file) for files_of_set in files.values() for file in files_of_set}
    origin = files["train"][0] if "train" in files else next(iter(schemas))
    image, label = image_and_label(schemas[origin], config, str(origin))
    columns = {file: check_images(schema, image, str(file)) for file, schema in schemas.items()}
    remarks = _drop_unlabelled(files, schemas, label)
    for paths in files.values():
        for file in paths:
            check_labels(schemas[file], label, str(file))
    all_labels = {name: _labels(paths, label) for name, paths in files.items()}
    raw, withheld = without_withheld(all_labels, lambda name: str(files[name][0]))
    images = {name: _images(files[name], [columns[file] for file in files[name]], config) for name in raw}
    known = common_names({str(file): schemas[file] for name in raw for file in files[name]}, label)
    known = known or names_of_truths(type_of(schemas[files[next(iter(raw))][0]], label, str(origin)))
    class_names, labels = numbered(raw, known, lambda name, row: images[name].place(row))
    sets = {name: Examples(str(files[name][0]), images[name], labels[name]) for name in raw}
    return SourceContent(sets, class_names, passed_over=passed, remarks=(*remarks, *withheld))


def _drop_unlabelled(files: dict[str, list[Path]], schemas: Mapping[Path, pa.Schema], label: str) -> list[str]:
    """Take away validation and test sets whose files have no rows or no column of labels; return remarks on them."""
    remarks = []
    for name, paths in list(files.items()):
        rows = sum(pq.read_metadata(file).num_rows for file in paths)
        if name == "train" and not rows:
            raise DataError(f"{first_few([str(file) for file in paths], 2)}: no rows")
        why = "no rows" if not rows else f"no column '{label}'"
        lacks = not rows or not any(label.split(".")[0] in schemas[file].names for file in paths)
        if lacks and name != "train" and "train" in files:
            del files[name]
            remarks.append(f"{first_few([str(file) for file in paths], 2)}: {why}: the {name} set counts as absent")
    return remarks


def _files(path: Path, passed: PassedOver) -> dict[str, list[Path]]:
    if path.is_file():
        return {"train": [path]}

    def below(folder: Path, pattern: str) -> list[Path]:
        found = [file for file in sorted(folder.glob(pattern)) if file.is_file()]
        return without_skipped(found, path, passed)

    flat = below(path, "*.parquet") or below(path / "data", "*.parquet")
    files = flat or below(path, "**/*.parquet")
    if not files:
        raise DataError(f"neither {path} nor its subfolders contain a *.parquet file")
    return files_of_sets(files)


def _schema(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable Parquet file ({' '.join(str(error).split())})") from None


def _labels(files: Sequence[Path], label: str) -> np.ndarray:
    """Return the labels of one set, of all its files in order."""
    values = {str(file): label_values(_column(file, label), str(file)) for file in files}
    refuse_kinds({file: "text" if is_text(found) else "integers" for file, found in values.items() if len(found)})
    filled = [found for found in values.values() if len(found)] or list(values.values())[:1]
    return np.concatenate(filled)


def _column(file: Path, name: str) -> pa.ChunkedArray:
    try:
        with pq.ParquetFile(file) as content:  # `read_table` would take names of folders for columns
            table = content.read(columns=[name])
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: labels cannot be read ({' '.join(str(error).split())})") from None
    return part_of(table.column(0), name)


def _images(files: Sequence[Path], columns: Sequence[str], config: DataConfig) -> RowGroupImages:
    layout = layout_of([str(file) for file in files], columns)
    return RowGroupImages(layout, np.arange(layout.first[-1]), keep_bytes=2 * window_bytes(config))
