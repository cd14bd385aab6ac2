"""hf:NAME: a data set of the Hugging Face hub, through the `datasets` package."""

import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from scaling.data.class_names import ALIASES
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
from scaling.data.images import Inventory, StreamedImages
from scaling.data.labels import numbered, without_withheld
from scaling.data.pixels import WrongImageError
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.study.config import DataConfig
from scaling.study.errors import DataError
from scaling.wording import plural


class HubImages(StreamedImages):
    """Images in the memory-mapped cache of `datasets`, which pickles only the names of a data set's files."""

    def __init__(self, dataset: Any, column: str, rows: np.ndarray, name: str) -> None:
        self.dataset, self.column, self.rows, self.name = dataset, column, rows, name

    def __len__(self) -> int:
        return len(self.rows)

    def open(self, index: int) -> Image.Image:
        content, path = self._value(index)
        if content:
            return Image.open(io.BytesIO(content))
        if not path:
            raise WrongImageError("holds no image: its bytes are null or empty")
        return Image.open(path)

    def place(self, index: int) -> str:
        return f"{self.name} row {self.rows[index]}"

    def take(self, indices: np.ndarray) -> "HubImages":
        return HubImages(self.dataset, self.column, self.rows[indices], self.name)

    def inventory(self) -> Inventory:
        """Rows have no names, and no time at which they changed; sizes come from the offsets of the memory map."""
        column = self.dataset[:].column(self.column)
        column = part_of(column, f"{self.column}.bytes") if pa.types.is_struct(column.type) else column
        if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
            return Inventory()
        lengths = pc.call_function("binary_length", [column]).to_pandas().fillna(0)
        return Inventory(sizes=lengths.to_numpy(np.int64)[self.rows])

    def stored(self, index: int) -> bytes:
        content, path = self._value(index)
        return content or (Path(path).read_bytes() if path else b"")

    def _value(self, index: int) -> tuple[bytes | None, str | None]:
        """Return the bytes and the path of an image, as the data set has them."""
        row = int(self.rows[index])
        value = self.dataset[row : row + 1].column(self.column)[0].as_py()
        return (value["bytes"], value.get("path")) if isinstance(value, dict) else (value, None)


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
    sets, remarks = _sets(bundle, spec)
    first = sets.get("train") or next(iter(sets.values()))
    schema = first.features.arrow_schema
    image, label = image_and_label(schema, config, str(spec))
    found, images = {}, {}
    for name, dataset in sets.items():
        origin = f"{spec} {name}"
        check_images(dataset.features.arrow_schema, image, origin)
        check_labels(dataset.features.arrow_schema, label, origin)
        rows = dataset.cast_column(image, datasets.Image(decode=False)).with_format("arrow")
        found[name] = label_values(part_of(rows[:].column(label.split(".")[0]), label), origin)
        images[name] = HubImages(rows, image, np.arange(len(found[name])), origin)
    raw, withheld = without_withheld(found, lambda name: f"{spec} {name}")
    known = common_names({f"{spec} {name}": sets[name].features.arrow_schema for name in raw}, label)
    known = known or names_of_truths(type_of(schema, label, str(spec)))
    class_names, labels = numbered(raw, known, lambda name, row: images[name].place(row))
    examples = {name: Examples(f"{spec} {name}", images[name], labels[name]) for name in raw}
    return SourceContent(examples, class_names, remarks=(*remarks, *withheld))


def _sets(bundle: Any, spec: Spec) -> tuple[dict[str, Any], list[str]]:
    """Return the data set of each set, and a remark on those that are none of the three, such as "unsupervised"."""
    named: dict[str, str] = {}
    for name in bundle:
        known = ALIASES.get(name.lower())
        if known in named:
            raise DataError(f"{spec} has both sets {named[known]} and {name}, which mean {known}")
        if known:
            named[known] = name
    others = [name for name in bundle if name not in named.values()]
    if not named:
        raise DataError(f"{spec} has no set named train, validation or test; its sets are: {', '.join(bundle)}")
    remarks = [f"{spec}: left out {plural(len(others), 'set')}: {', '.join(others)}"] if others else []
    return {known: bundle[name] for known, name in named.items()}, remarks
