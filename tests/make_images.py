"""Small pictures in every layout that data come in, and what holds for every data set."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scaling.config import DataConfig
from scaling.data import AnySplit, Dataset, Split, load_data
from scaling.errors import DataError


def picture(seed: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(root: Path, per_class: int = 10, classes: tuple[str, ...] = ("cat", "dog"), **look) -> Path:
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            picture(100 * label + i, **look).save(root / name / f"{i:03}.png")
    return root


def write_parquet(file: Path, labels: list[int], *, names: tuple[str, ...] | None = None, broken: int = -1) -> Path:
    rows = [{"bytes": b"junk" if i == broken else encoded(picture(i)), "path": None} for i in range(len(labels))]
    table = pa.table({"image": rows, "label": labels})
    if names:
        features = pa.py_buffer(
            b'{"info": {"features": {"label": {"names": ["' + '", "'.join(names).encode() + b'"]}}}}'
        )
        table = table.replace_schema_metadata({b"huggingface": features.to_pybytes()})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file)
    return file


def images(split: AnySplit) -> np.ndarray:
    assert isinstance(split, Split)
    return split.images


def problems(source: str, **settings) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_data(DataConfig(source=source, **settings))
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


def check(data: Dataset) -> None:
    """What holds for every data set in memory."""
    for _, split in data.splits():
        assert images(split).dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert images(split).shape == (len(split), *data.image_size, data.channels)
        assert set(split.labels) <= set(range(data.num_classes))
    assert set(data.train.labels) == set(range(data.num_classes))
    assert len(data.mean) == len(data.std) == data.channels
