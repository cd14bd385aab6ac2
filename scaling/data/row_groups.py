"""Images in Parquet files, with only a few row groups in memory at a time."""

import functools
import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from scaling.data.columns import part_of
from scaling.data.images import Blocks, Inventory, StreamedImages, state_of
from scaling.data.pixels import WrongImageError
from scaling.study.config import DataConfig
from scaling.study.errors import DataError


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions of the row groups in a list of files."""

    files: tuple[str, ...]
    columns: tuple[str, ...]  # of the image bytes of each file, in Parquet's notation: `image.bytes`
    file: np.ndarray  # int32 (groups,): index of the file
    group: np.ndarray  # int32 (groups,): index within the file
    first: np.ndarray  # int64 (groups + 1,): index of the first row, counted over all files; the end
    sizes: np.ndarray  # float64 (groups,): bytes of the images of each


def window_bytes(config: DataConfig) -> float:
    """Return the bytes of row groups that are shuffled together: an eighth of the memory that data may take.

    Twice as much is kept, so that a new window can be loaded while the last images of the old one are still in use.
    """
    return config.memory_gib * 2**30 / 8


class RowGroupImages(StreamedImages):
    """Rows of Parquet files. Reading a row loads its whole row group, which is kept for the rows that follow.

    Args:
        rows: int64 (N,), counted over all files.
        keep_bytes: of row groups kept in memory; the least recently used leave first, and one is always kept.
    """

    def __init__(self, layout: Layout, rows: np.ndarray, keep_bytes: float) -> None:
        self.layout, self.rows, self.keep_bytes = layout, rows, keep_bytes
        self._groups = _Groups(layout, keep_bytes)

    def __reduce__(self) -> tuple[type["RowGroupImages"], tuple[Layout, np.ndarray, float]]:
        return type(self), (self.layout, self.rows, self.keep_bytes)

    def __len__(self) -> int:
        return len(self.rows)

    def open(self, index: int) -> Image.Image:
        content = self.stored(index)
        if not content:
            raise WrongImageError("holds no image: its bytes are null or empty")
        return Image.open(io.BytesIO(content))

    def place(self, index: int) -> str:
        group = self._group(index)
        file = self.layout.file[group]
        in_file = self.rows[index] - self.layout.first[np.searchsorted(self.layout.file, file)]
        return f"{self.layout.files[file]} row {in_file}"

    def take(self, indices: np.ndarray) -> "RowGroupImages":
        return RowGroupImages(self.layout, self.rows[indices], self.keep_bytes)

    def inventory(self) -> Inventory:
        """Rows have no names; sizes are those of the row groups, as the bytes of an image are known when it is read."""
        return Inventory(sizes=self._blocks.sizes.astype(np.int64), state=state_of(self.layout.files)[1])

    def stored(self, index: int) -> bytes:
        group = self._group(index)
        return self._groups.get(group)[int(self.rows[index] - self.layout.first[group])].as_py() or b""

    @functools.cached_property
    def _blocks(self) -> Blocks:
        groups = np.searchsorted(self.layout.first, self.rows, side="right") - 1
        present, numbers = np.unique(groups, return_inverse=True)
        return Blocks(numbers, self.layout.sizes[present])

    def blocks(self) -> Blocks:
        return self._blocks

    def for_one_of(self, workers: int) -> "RowGroupImages":
        return self if workers == 1 else RowGroupImages(self.layout, self.rows, self.keep_bytes / workers)

    def _group(self, index: int) -> int:
        return int(np.searchsorted(self.layout.first, self.rows[index], side="right")) - 1


def layout_of(files: Sequence[str], columns: Sequence[str]) -> Layout:
    """Read the positions of the row groups from the files' footers.

    Args:
        columns: of the image bytes of each file.

    Raises:
        DataError: a file has no bytes for any image.
        OSError, pa.ArrowException: a file is not a Parquet file.
    """
    found: list[tuple[int, int, int, float]] = []
    for number, (file, column) in enumerate(zip(files, columns, strict=True)):
        footer = pq.read_metadata(file)
        if footer.num_rows and _nulls(footer, column) == footer.num_rows:
            raise DataError(
                f"{file}: column '{column}' holds no bytes in any of {footer.num_rows} rows; images that are stored by"
                " their path alone cannot be read"
            )
        for index in range(footer.num_row_groups):
            group = footer.row_group(index)
            chunks = (group.column(i) for i in range(group.num_columns))
            size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == column)
            if group.num_rows:
                found.append((number, index, group.num_rows, size))
    file, group, rows, sizes = np.array(found).reshape(-1, 4).T
    first = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    return Layout(
        tuple(files), tuple(columns), file.astype(np.int32), group.astype(np.int32), first, sizes.astype(float)
    )


def _nulls(footer: pq.FileMetaData, column: str) -> int:
    """Return how many values of a column are null, as far as the file says."""
    groups = (footer.row_group(index) for index in range(footer.num_row_groups))
    chunks = (group.column(index) for group in groups for index in range(group.num_columns))
    known = (chunk.statistics for chunk in chunks if chunk.path_in_schema == column and chunk.is_stats_set)
    return sum(one.null_count for one in known if one is not None and one.has_null_count)


class _Groups:
    """Row groups in memory, shared by threads; the first thread that needs a group reads it, once."""

    def __init__(self, layout: Layout, keep_bytes: float) -> None:
        self.layout, self.keep_bytes = layout, keep_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Future[pa.Array]] = OrderedDict()
        self._bytes = 0.0

    def get(self, number: int) -> pa.Array:
        """Return the image bytes (binary) of a row group's rows."""
        with self._lock:
            is_new = number not in self._kept
            if is_new:
                self._kept[number] = Future()
                self._bytes += self.layout.sizes[number]
            content = self._kept[number]
            self._kept.move_to_end(number)
            while self._bytes > self.keep_bytes and len(self._kept) > 1:
                leaving, _ = self._kept.popitem(last=False)
                self._bytes -= self.layout.sizes[leaving]
        if is_new:
            try:
                content.set_result(self._read(number))
            except BaseException as error:  # from Arrow, or an interruption; waiting threads must receive it
                content.set_exception(error)
        return content.result()

    def _read(self, number: int) -> pa.Array:
        layout = self.layout
        place = layout.file[number]
        name = layout.columns[place]
        with pq.ParquetFile(layout.files[place]) as file:
            table = file.read_row_group(int(layout.group[number]), columns=[name], use_threads=False)
        return part_of(table.column(0), name).combine_chunks()
