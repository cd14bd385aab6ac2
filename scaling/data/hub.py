"""hf:NAME: a data set of the Hugging Face hub, through the `datasets` package."""

import importlib
import io
from typing import Any

import numpy as np
from PIL import Image

from scaling.data.images import StreamedImages
from scaling.data.labels import is_secret, numbered
from scaling.data.parquet import check_columns, common_names, image_and_label, label_values
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.data.splits import ALIASES
from scaling.study.config import DataConfig
from scaling.study.errors import DataError


class HubImages(StreamedImages):
    """Images in the memory-mapped cache of `datasets`, which pickles only the names of a data set's files."""

    def __init__(self, dataset: Any, column: str, rows: np.ndarray, name: str) -> None:
        self.dataset, self.column, self.rows, self.name = dataset, column, rows, name

    def __len__(self) -> int:
        return len(self.rows)

    def open(self, index: int) -> Image.Image:
        row = int(self.rows[index])
        value = self.dataset[row : row + 1].column(self.column)[0].as_py()
        content, path = (value["bytes"], value.get("path")) if isinstance(value, dict) else (value, None)
        return Image.open(path if content is None and path else io.BytesIO(content or b""))

    def place(self, index: int) -> str:
        return f"{self.name} row {self.rows[index]}"

    def take(self, indices: np.ndarray) -> "HubImages":
        return HubImages(self.dataset, self.column, self.rows[indices], self.name)


@source("hf", argument="NAME")
def hf(spec: Spec, config: DataConfig) -> SourceContent:
    """Download a data set, or read it from the cache of `datasets`, and continue as for parquet:PATH."""
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError:
        raise DataError(f"data source '{spec}' needs the package datasets; run: pip install datasets") from None
    try:
        bundle = datasets.load_dataset(spec.argument)
    except Exception as error:  # of many types: network, names, permissions, formats
        raise DataError(f"{spec} cannot be loaded: {' '.join(str(error).split())}") from None
    sets = {
        ALIASES[name]: dataset for name, dataset in bundle.items() if name in ALIASES
    }  # leaves out others, such as "unsupervised"
    if not sets:
        raise DataError(f"{spec} has no set named train, validation or test; its sets are: {', '.join(bundle)}")
    first = sets.get("train") or next(iter(sets.values()))
    schema = first.features.arrow_schema
    image, label = image_and_label(schema, config, str(spec))
    raw, images = {}, {}
    for name, dataset in sets.items():
        check_columns(dataset.features.arrow_schema, image, label, f"{spec} {name}")
        rows = dataset.cast_column(image, datasets.Image(decode=False)).with_format("arrow")
        raw[name] = label_values(rows[:].column(label), f"{spec} {name}")
        images[name] = HubImages(rows, image, np.arange(len(raw[name])), f"{spec} {name}")
    known = common_names({f"{spec} {name}": rows.features.arrow_schema for name, rows in sets.items()}, label)
    class_names, labels = numbered(raw, known, lambda name, row: images[name].place(row))
    found = {
        name: Examples(f"{spec} {name}", images[name], labels[name])
        for name in sets
        if not is_secret(name, labels[name])
    }
    return SourceContent(found, class_names)
