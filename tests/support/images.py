"""Small images in every layout of the data sources, and checks that hold for every data set."""

import io
import tarfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from scaling.data import AnySplit, Dataset, Split, load_data
from scaling.study.config import DataConfig
from scaling.study.errors import DataError

Write = Callable[[Path, int], None]


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


def write_by(root: Path, write: Write, *, count: int = 10, ending: str = "png") -> Path:
    """Write images of two classes by a function of path and seed (0 and on, 100 and on); return the folder."""
    for label, name in enumerate(("a", "b")):
        (root / name).mkdir(parents=True)
        for number in range(count):
            write(root / name / f"{number:02}.{ending}", 100 * label + number)
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


def numbered_picture(number: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    """Return a picture of one colour that encodes its number, so that any crop reveals it."""
    return Image.new("RGB", size, (number % 256, number // 256, 99))


def number_of(pixels: torch.Tensor) -> list[int]:
    """Return the numbers of numbered pictures in a batch uint8 (B, H, W, C); −1 for a black one."""
    flat = pixels[:, 0, 0].int()
    assert (pixels == pixels[:, :1, :1]).all()
    return torch.where(flat[:, 2] == 99, flat[:, 0] + 256 * flat[:, 1], -1).tolist()


def write_numbered_parquet(folder: Path, numbers: range, *, files: int = 1, rows_per_group: int = 1000) -> Path:
    """Write numbered pictures of two alternating classes into Parquet files; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, part in enumerate(np.array_split(np.array(numbers), files)):
        rows = [{"bytes": encoded(numbered_picture(int(n))), "path": None} for n in part]
        table = pa.table({"image": rows, "label": [int(n) % 2 for n in part]})
        pq.write_table(table, folder / f"train-{file:05}.parquet", row_group_size=rows_per_group)
    return folder


def write_tar(file: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def write_shards(folder: Path, count: int, *, per_shard: int = 7, broken: Collection[int] = ()) -> Path:
    """Write numbered pictures of two alternating classes in WebDataset's layout; return the folder."""
    for shard, start in enumerate(range(0, count, per_shard)):
        members = []
        for number in range(start, min(start + per_shard, count)):
            picture = b"no image" if number in broken else encoded(numbered_picture(number))
            members += [(f"{number:05}.cls", str(number % 2).encode()), (f"{number:05}.png", picture)]
        write_tar(folder / f"train-{shard:03}.tar", members)
    return folder


def images(split: AnySplit) -> np.ndarray:
    assert isinstance(split, Split)
    return split.images


def load_folder(root: Path, **settings) -> Dataset:
    return load_data(DataConfig(source=f"folder:{root}", allow_duplicates=True, **settings))


def all_pixels(data: Dataset) -> np.ndarray:
    """Return the images of all three sets, uint8 (N, H, W, C)."""
    return np.concatenate([images(split) for _, split in data.splits()])


def problems(source: str, **settings) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_data(DataConfig(source=source, **settings))
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


def check(data: Dataset) -> None:
    """Check what holds for every data set in memory."""
    for _, split in data.splits():
        assert images(split).dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert images(split).shape == (len(split), *data.image_size, data.channels)
        assert set(split.labels) <= set(range(data.num_classes))
    assert set(data.train.labels) == set(range(data.num_classes))
    assert len(data.mean) == len(data.std) == data.channels
